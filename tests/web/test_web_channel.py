"""The chat page's two addresses, as a page uses and as somebody abuses them."""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.channels.base import Refused
from bot.channels.web import door
from bot.channels.web.parse import parse_message, parse_poll, parse_token
from bot.model import Button, Channel, ConversationState, MessageKind, Reply
from bot.storage import StorageUnavailable
from bot.storage.tables import messages
from tests.web.conftest import ALICE, BOB, House


def stored(house: House) -> int:
    with house.store.read() as tx:
        return int(tx.execute(sa.select(sa.func.count()).select_from(messages)).scalar())


async def test_a_person_writes_and_reads_the_answer(house: House) -> None:
    sent = await house.send({"id": "m1", "text": "hello", "language": "ar"})
    assert (sent.status_code, sent.json()) == (202, {"accepted": True})
    turn = house.turn()
    assert ([m.text for m in turn.messages], turn.hint, turn.channel) == (["hello"], "ar", Channel.WEB)
    from bot.mailbox import TurnOutcome, commit

    commit(house.store, turn, TurnOutcome(ConversationState(language="en"), (Reply("Hi", (Button("ask_human", "A worker"),)),)))
    found = (await house.poll()).json()
    (message,) = found["messages"]
    assert found["pending"] is False
    assert message.pop("n") > 0
    assert message == {"text": "Hi", "buttons": [{"id": "ask_human", "label": "A worker"}], "direction": "ltr", "language": "en", "author": "bot"}


async def test_a_message_sent_twice_by_a_shaky_phone_is_answered_once(house: House) -> None:
    for _ in range(3):
        assert (await house.send({"id": "m1", "text": "hello"})).status_code == 202
    assert stored(house) == 1


async def test_two_pages_that_choose_the_same_id_are_both_heard(house: House) -> None:
    await house.send({"id": "m1", "text": "one"}, ALICE)
    await house.send({"id": "m1", "text": "two"}, BOB)
    assert stored(house) == 2


async def test_a_pressed_button_arrives_as_its_id(house: House) -> None:
    assert (await house.send({"id": "m1", "button": "lang:fi"})).status_code == 202
    (message,) = house.turn().messages
    assert (message.kind, message.button, message.text) == (MessageKind.BUTTON, "lang:fi", "")


async def test_another_persons_page_sees_what_an_unknown_one_sees(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "WAIT_SECONDS", 0.05)
    await house.send({"id": "m1", "text": "hello"})
    house.answer(Reply("for Alice only"))
    other, unknown = await house.poll(token=BOB), await house.poll(token="c" * 64)
    assert (other.status_code, other.content) == (unknown.status_code, unknown.content) == (200, b'{"messages":[],"pending":false}')
    assert {k: v for k, v in other.headers.items() if k != "date"} == {k: v for k, v in unknown.headers.items() if k != "date"}


async def test_a_waiting_page_gets_the_answer_as_soon_as_it_is_there(house: House) -> None:
    await house.send({"id": "m1", "text": "hello"})
    waiting = asyncio.create_task(house.poll())
    await asyncio.sleep(0.2)
    assert not waiting.done()
    began = time.monotonic()
    await asyncio.to_thread(house.answer, Reply("now"))
    found = (await asyncio.wait_for(waiting, 3)).json()
    assert time.monotonic() - began < 1
    assert [m["text"] for m in found["messages"]] == ["now"]


async def test_a_page_is_told_when_nothing_will_come(house: House) -> None:
    await house.send({"id": "m1", "text": "he is reading this"})
    waiting = asyncio.create_task(house.poll())
    await asyncio.sleep(0.2)
    await asyncio.to_thread(house.answer, state=ConversationState(quiet_since=1.0))
    assert (await asyncio.wait_for(waiting, 3)).json() == {"messages": [], "pending": False}


async def test_an_answer_is_found_even_when_the_wake_up_was_lost(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "_NET_SECONDS", 0.2)
    await house.send({"id": "m1", "text": "hello"})
    waiting = asyncio.create_task(house.poll())
    await asyncio.sleep(0.05)
    monkeypatch.setattr("bot.channels.web.watch.Watch._look", lambda self, newest: asyncio.sleep(0, newest))
    await asyncio.to_thread(house.answer, Reply("found"))
    assert [m["text"] for m in (await asyncio.wait_for(waiting, 3)).json()["messages"]] == ["found"]


async def test_a_page_that_asks_anew_ends_its_older_request(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    older = asyncio.create_task(house.poll())
    await asyncio.sleep(0.1)
    newer = asyncio.create_task(house.poll())
    assert (await asyncio.wait_for(older, 2)).json()["messages"] == []
    assert not newer.done()
    house.doors.close()
    assert (await asyncio.wait_for(newer, 2)).status_code == 200


async def test_what_a_page_has_behind_it_does_not_come_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "WAIT_SECONDS", 0.05)
    await house.send({"id": "m1", "text": "hello"})
    house.answer(Reply("one"), Reply("two"))
    first = (await house.poll()).json()["messages"]
    assert [m["text"] for m in first] == ["one", "two"]
    assert (await house.poll(first[-1]["n"])).json()["messages"] == []
    assert (await house.poll(0)).json()["messages"] == []


async def test_when_the_database_is_away_nothing_is_accepted_and_the_page_may_try_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise StorageUnavailable("locked")

    monkeypatch.setattr("bot.channels.base.receive", away)
    answer = await house.send({"id": "m1", "text": "hello"})
    assert (answer.status_code, answer.json(), answer.headers["retry-after"]) == (503, {"error": "try_again"}, "2")
    assert stored(house) == 0


NESTED = b'{"id":"m","text":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@pytest.mark.parametrize(("body", "status", "code"), [
    (b"", 400, "not_json"),
    (b"\xff\xfe", 400, "not_utf8"),
    (b"hello", 400, "not_json"),
    (b"[]", 422, "not_an_object"),
    (b"NaN", 400, "not_json"),
    (NESTED, 400, "not_json"),
    (b'{"id":"m","text":' + b"9" * 50_000 + b"}", 400, "not_json"),
    ({"text": "no id"}, 422, "id"),
    ({"id": 7, "text": "x"}, 422, "id"),
    ({"id": "m" * 65, "text": "x"}, 422, "id"),
    ({"id": "m/../x", "text": "x"}, 422, "id"),
    ({"id": "m"}, 422, "text_or_button"),
    ({"id": "m", "text": "x", "button": "y"}, 422, "text_or_button"),
    ({"id": "m", "text": ""}, 422, "empty"),
    ({"id": "m", "text": " \n\t"}, 422, "empty"),
    ({"id": "m", "text": ["x"]}, 422, "text"),
    ({"id": "m", "text": {"a": {"b": 1}}}, 422, "text"),
    ({"id": "m", "text": "x" * 20_001}, 413, "too_long"),
    ({"id": "m", "button": "/restart"}, 422, "button"),
    ({"id": "m", "button": "Ask Human"}, 422, "button"),
    ({"id": "m", "button": ""}, 422, "button"),
    ({"id": "m", "button": 3}, 422, "button"),
    ({"id": "m", "text": "x", "language": "<script>"}, 422, "language"),
    ({"id": "m", "text": "x", "language": 1}, 422, "language"),
], ids=range(24))
async def test_a_malformed_message_gets_a_plain_code_and_is_not_stored(house: House, body: Any, status: int, code: str) -> None:
    answer = await house.send(body)
    assert (answer.status_code, answer.json()) == (status, {"error": code})
    assert stored(house) == 0


@pytest.mark.parametrize("text", ["x" * 10_000, "🙏" * 5_000, "a\0b", "\ud800", "\u202eabc\u202c", "\u200b", "{" * 3000, "/restart", "／restart", "<b>", "'; DROP TABLE messages;--"], ids=range(11))
async def test_odd_texts_are_taken_and_answered(house: House, text: str) -> None:
    body = json.dumps({"id": "m1", "text": text}).encode("ascii")
    assert (await house.send(body)).status_code == 202
    assert house.turn().messages[0].text == text
    house.clock.advance(11)
    house.answer(Reply(text))
    assert (await house.poll()).json()["messages"][0]["text"] == text


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer " + "a" * 63, "Bearer " + "A" * 64, "Basic " + "a" * 64, "Bearer " + "a" * 65, "Bearer " + "g" * 64])
async def test_without_a_proper_token_nothing_is_taken_or_shown(house: House, header: str | None) -> None:
    headers = {} if header is None else {"authorization": header}
    for path, body in (("/channels/web/messages", {"id": "m", "text": "x"}), ("/channels/web/poll", {"after": 0})):
        answer = await house.client.post(path, json=body, headers=headers)
        assert (answer.status_code, answer.json()) == (401, {"error": "token"})
    assert stored(house) == 0


async def test_a_token_in_the_address_is_not_taken(house: House) -> None:
    answer = await house.client.post(f"/channels/web/poll?token={ALICE}", json={"after": 0})
    assert answer.status_code == 401


@pytest.mark.parametrize("after", [-1, 1.5, "0", None, True, 2**53, [1]])
async def test_a_malformed_number_gets_a_plain_code(house: House, after: Any) -> None:
    answer = await house.send({"after": after}, path="/channels/web/poll")
    assert (answer.status_code, answer.json()) == (422, {"error": "after"})


@given(st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_bytes_come_they_are_parsed_or_refused(body: bytes) -> None:
    for parse in (lambda: parse_message(body, ALICE), lambda: parse_poll(body), lambda: parse_token(body.decode("latin-1"))):
        told = Refused(400, "taken")
        try:
            parse()
        except Refused as refused:
            told = refused
        assert 400 <= told.status < 500
        assert re.fullmatch(r"[a-z0-9_]+", told.code)


json_values = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()), lambda v: st.lists(v) | st.dictionaries(st.text(), v), max_leaves=5)


@given(st.fixed_dictionaries({}, optional={"id": json_values | st.just("m"), "text": json_values, "button": json_values, "language": json_values | st.just("fi")}))
def test_whatever_a_page_sends_as_a_message_is_a_sane_message_or_refused(body: dict[str, Any]) -> None:
    refused = None
    try:
        incoming = parse_message(json.dumps(body).encode("ascii"), ALICE)
    except Refused as error:
        refused = error
    if refused is not None:
        assert refused.status in (400, 413, 422)
        return
    assert incoming.address == ALICE
    assert incoming.provider_id == f"{ALICE}:{body['id']}"
    assert (incoming.text, incoming.button) == (body.get("text") or "", body.get("button"))
    assert bool(incoming.text.strip()) != bool(incoming.button)


async def test_the_page_itself_is_served_in_a_language(house: House) -> None:
    answer = await house.client.get("/", headers={"accept-language": "en"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert (await house.client.get("/static/page.js")).status_code == 200
    assert (await house.client.get("/static/..%2fpage.py")).status_code == 404
