"""Every kind of update that Telegram brings, through real HTTP: what is stored of it, and what is not."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.channels.base import Refused
from bot.channels.telegram.parse import Blocked, Heard, NotAlone, Pressed, parse_update, read_update
from bot.model import Channel, Incoming, MessageKind, Reply
from tests.channels.telegram.conftest import ALICE, BOB, DATE, House, message, update, user
from tests.stand_ins.telegram import TelegramStandIn

GROUP = {"id": -1001234, "type": "supergroup", "title": "G"}
FILE = {"file_id": "AgAD-file", "file_unique_id": "u", "file_size": 9}
PLACE = {"latitude": 60.17, "longitude": 24.94}
MARKERS: list[tuple[str, dict[str, Any], MessageKind]] = [
    ("a voice message", {"voice": {**FILE, "duration": 3}}, MessageKind.VOICE),
    ("a round video", {"video_note": {**FILE, "length": 1, "duration": 3}}, MessageKind.VOICE),
    ("a sound file", {"audio": {**FILE, "duration": 3}}, MessageKind.VOICE),
    ("a picture", {"photo": [{**FILE, "width": 1, "height": 1}]}, MessageKind.PHOTO),
    ("a picture of an album", {"photo": [{**FILE, "width": 1, "height": 1}], "media_group_id": "1"}, MessageKind.PHOTO),
    ("a video", {"video": {**FILE, "width": 1, "height": 1, "duration": 1}}, MessageKind.OTHER),
    ("an animation", {"animation": FILE, "document": FILE}, MessageKind.OTHER),
    ("a document", {"document": {**FILE, "file_name": "passport.pdf"}}, MessageKind.DOCUMENT),
    ("a sticker", {"sticker": {**FILE, "type": "regular", "emoji": "🆘"}}, MessageKind.OTHER),
    ("a place", {"location": PLACE}, MessageKind.LOCATION),
    ("a place that moves", {"location": {**PLACE, "live_period": 900}}, MessageKind.LOCATION),
    ("a named place", {"location": PLACE, "venue": {"location": PLACE, "title": "T", "address": "A"}}, MessageKind.LOCATION),
    ("a contact", {"contact": {"phone_number": "+12025550143", "first_name": "M", "user_id": 7}}, MessageKind.CONTACT),
    ("a poll", {"poll": {"id": "1", "question": "q", "options": []}}, MessageKind.OTHER),
    ("a die", {"dice": {"emoji": "🎲", "value": 4}}, MessageKind.OTHER),
    ("a story", {"story": {"chat": GROUP, "id": 1}}, MessageKind.OTHER),
    ("a game", {"game": {"title": "t"}}, MessageKind.OTHER),
    ("something that no version of ours knows", {"hologram": {"file_id": "x"}}, MessageKind.OTHER),
]
NOTHING: list[tuple[str, dict[str, Any]]] = [
    ("a pinned message", {"message": message(pinned_message=message(text="x"))}),
    ("a changed deletion timer", {"message": message(message_auto_delete_timer_changed={"message_auto_delete_time": 86400})}),
    ("a new background", {"message": message(chat_background_set={"type": {}})}),
    ("a permission to write", {"message": message(write_access_allowed={})}),
    ("a place that moved on", {"edited_message": message(location={**PLACE, "live_period": 900}, edit_date=DATE)}),
    ("a picture changed for another", {"edited_message": message(photo=[FILE], edit_date=DATE)}),
    ("another bot's message", {"message": {**message(text="x"), "from": {"id": 5, "is_bot": True, "first_name": "b"}}}),
    ("a reaction", {"message_reaction": {"chat": {"id": ALICE, "type": "private"}, "message_id": 1, "user": user(), "date": DATE, "old_reaction": [],
                                         "new_reaction": [{"type": "emoji", "emoji": "👍"}]}}),
    ("counted reactions", {"message_reaction_count": {"chat": GROUP, "message_id": 1, "date": DATE, "reactions": []}}),
    ("an inline query", {"inline_query": {"id": "1", "from": user(), "query": "he locks me in", "offset": ""}}),
    ("a chosen inline result", {"chosen_inline_result": {"result_id": "1", "from": user(), "query": "q"}}),
    ("a poll's state", {"poll": {"id": "1", "question": "q", "options": []}}),
    ("a poll's answer", {"poll_answer": {"poll_id": "1", "user": user(), "option_ids": [0]}}),
    ("a payment's address", {"shipping_query": {"id": "1", "from": user(), "invoice_payload": "p", "shipping_address": {}}}),
    ("a payment's check", {"pre_checkout_query": {"id": "1", "from": user(), "currency": "EUR", "total_amount": 1, "invoice_payload": "p"}}),
    ("bought pictures", {"purchased_paid_media": {"from": user(), "paid_media_payload": "p"}}),
    ("a business connection", {"business_connection": {"id": "1", "user": user(), "user_chat_id": ALICE, "date": DATE, "is_enabled": True}}),
    ("a business message", {"business_message": message(text="not to us", business_connection_id="1")}),
    ("an edited business message", {"edited_business_message": message(text="not to us", business_connection_id="1")}),
    ("deleted business messages", {"deleted_business_messages": {"business_connection_id": "1", "chat": {"id": ALICE, "type": "private"}, "message_ids": [1]}}),
    ("another member", {"chat_member": {"chat": GROUP, "from": user(), "date": DATE}}),
    ("a wish to join", {"chat_join_request": {"chat": GROUP, "from": user(), "user_chat_id": ALICE, "date": DATE}}),
    ("a boost", {"chat_boost": {"chat": GROUP, "boost": {}}}),
    ("a removed boost", {"removed_chat_boost": {"chat": GROUP}}),
    ("a kind of tomorrow", {"hologram": {"from": user(), "text": "x"}}),
    ("the bot unblocked", {"my_chat_member": {"chat": {"id": ALICE, "type": "private"}, "from": user(), "date": DATE, "new_chat_member": {"status": "member"}}}),
    ("a chat without a type", {"message": {"message_id": 1, "chat": {"id": ALICE}, "date": DATE, "text": "x"}}),
    ("a message that is a list", {"message": ["x"]}),
    ("blanks", {"message": message(text=" \n ")}),
]
GROUPS: list[tuple[str, dict[str, Any]]] = [
    ("a message in a group", {"message": {**message(text="/start@neutral_bot"), "chat": GROUP}}),
    ("a cry in a group", {"message": {**message(text="help he is beating me"), "chat": GROUP}}),
    ("an edited message in a group", {"edited_message": {**message(text="x"), "chat": GROUP}}),
    ("being added to a group", {"my_chat_member": {"chat": GROUP, "from": user(), "date": DATE, "new_chat_member": {"status": "member"}}}),
    ("being made a channel's administrator", {"my_chat_member": {"chat": {**GROUP, "type": "channel"}, "from": user(), "date": DATE,
                                                                 "new_chat_member": {"status": "administrator"}}}),
    ("a post in a channel", {"channel_post": {"message_id": 1, "chat": {**GROUP, "type": "channel"}, "date": DATE, "text": "x"}}),
    ("a tap in a group", {"callback_query": {"id": "1", "from": user(), "message": {"message_id": 1, "date": 0, "chat": GROUP}, "data": "x"}}),
]


def stored(house: House) -> tuple[MessageKind, str, str | None]:
    (one,) = house.waiting()
    return one.kind, one.text, one.button


@pytest.mark.parametrize(("content", "kind"), [(c, k) for _, c, k in MARKERS], ids=[name for name, _, _ in MARKERS])
def test_what_a_person_sends_beside_text_is_a_marker_and_nothing_of_it_is_kept(house: House, content: dict[str, Any], kind: MessageKind) -> None:
    """Fault 24."""
    answer = house.writes(**content)
    assert (answer.status_code, answer.json()) == (200, {"ok": True})
    assert stored(house) == (kind, "", None)
    assert house.telegram.of("getFile") == []


@pytest.mark.parametrize(("content", "kind"), [(c, k) for _, c, k in MARKERS if k in (MessageKind.PHOTO, MessageKind.DOCUMENT, MessageKind.VOICE)])
def test_what_is_written_under_a_picture_is_read(house: House, content: dict[str, Any], kind: MessageKind) -> None:
    house.writes(**content, caption="hän tulee nyt", caption_entities=[])
    assert stored(house) == (kind, "hän tulee nyt", None)


@pytest.mark.parametrize("kind", [k for _, k in NOTHING], ids=[name for name, _ in NOTHING])
def test_what_nobody_said_to_us_is_taken_and_is_nothing(house: House, kind: dict[str, Any]) -> None:
    """Fault 24."""
    assert house.post(update(**kind)).status_code == 200
    assert house.rows() == {"messages": 0, "outgoing": 0, "receipts": 0, "attention": 0}


@pytest.mark.parametrize("kind", [k for _, k in GROUPS], ids=[name for name, _ in GROUPS])
def test_a_group_is_left_without_a_word_and_nothing_of_it_is_stored(house: House, kind: dict[str, Any]) -> None:
    assert house.post(update(**kind)).status_code == 200
    house.telegram.wait(lambda: bool(house.telegram.of("leaveChat")))
    house.post(update(**kind))
    assert house.telegram.of("leaveChat") == [{"chat_id": GROUP["id"]}]
    assert house.telegram.of("sendMessage") == []
    assert house.rows() == {"messages": 0, "outgoing": 0, "receipts": 0, "attention": 0}


@pytest.mark.parametrize(("text", "option"), [
    ("/start", "greet"), ("/START", "greet"), ("/start@neutral_bot", "greet"), ("/start poster-7", "greet"), ("/help", "help"), ("/help ", "help"),
    ("/language", "change_language"), ("/language@neutral_bot", "change_language"), ("/erase", "delete_conversation"),
])
def test_a_command_is_the_option_that_it_stands_for(house: House, text: str, option: str) -> None:
    house.writes(text=text, entities=[{"type": "bot_command", "offset": 0, "length": len(text)}])
    assert stored(house) == (MessageKind.BUTTON, "", option)


@pytest.mark.parametrize("text", [
    "/restart", "/session_start", '/report_emergency{"a": "b"}', "/help me he has a knife", "/erase everything about me please", "/start he is here, help",
    "\uff0frestart", "\u200b/erase", "\u200d\uff0fsession_start", "//erase", "/erase/erase", "/eras\u0435", "/" + "[" * 3007, "/a" + '{"a":' * 601, "/", "/ help",
])
def test_every_other_slash_is_a_text(house: House, text: str) -> None:
    """Faults 21 and 22: as it was written; the dialogue takes the slashes off."""
    house.writes(text=text)
    assert stored(house) == (MessageKind.TEXT, text, None)


@pytest.mark.parametrize("text", ["x" * 10_000, "🆘" * 500, "\u200b\u200b", "\u202eabc", "a\x00b", "half \ud83d"],
                         ids=["very long", "only emoji", "nothing that shows", "turned around", "NUL", "half a character"])
def test_whatever_a_text_is_made_of_it_is_stored(house: House, text: str) -> None:
    """Fault 23."""
    assert house.writes(text=text).status_code == 200
    assert stored(house) == (MessageKind.TEXT, text, None)


def test_an_edit_is_an_edit_of_its_own(house: House) -> None:
    first = message(text="hello")
    house.post(update(message=first))
    house.post(update(edited_message={**first, "text": "he is here", "edit_date": DATE + 5}))
    assert [(one.text, one.edited) for one in house.waiting()] == [("hello", False), ("he is here", True)]


@pytest.mark.parametrize("again", ["at once", "after a restart", "a day later"])
def test_the_same_update_brought_again_is_one_turn(house: House, again: str) -> None:
    """Fault 3."""
    body = update(message=message(text="hello"))
    assert house.post(body).status_code == 200
    if again == "after a restart":
        house.restart()
    if again == "a day later":
        house.answer(Reply("hello"))
        house.clock.advance(86_400)
    assert house.post(body).status_code == 200
    rows = house.rows()
    assert (rows["messages"], rows["receipts"]) == (1, 1)


def test_the_same_update_number_of_another_bot_is_another_message() -> None:
    body = json.dumps(update(message=message(text="hello"))).encode()
    one, other = parse_update(body, "1001"), parse_update(body, "1002")
    assert isinstance(one, Heard)
    assert isinstance(other, Heard)
    assert one.incoming.provider_id != other.incoming.provider_id


def test_a_message_is_parsed_with_everything_that_a_reply_needs() -> None:
    found = read_update({"update_id": 7, "message": {**message(BOB, "pt-br", text="x"), "message_id": 55}}, "1001")
    assert found == Heard(Incoming(Channel.TELEGRAM, str(BOB), "1001:7", MessageKind.TEXT, "x", None, "pt-br", "55", False, float(DATE)))


def test_a_tap_under_a_message_that_is_gone_still_finds_its_person() -> None:
    found = read_update({"update_id": 7, "callback_query": {"id": "q", "from": user(BOB), "data": "t", "chat_instance": "1"}}, "1001")
    assert isinstance(found, Pressed)
    assert (found.query, found.token, found.incoming.address, found.incoming.kind) == ("q", "t", str(BOB), MessageKind.BUTTON)


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
    st.sampled_from(["message", "edited_message", "callback_query", "my_chat_member", "channel_post", "chat", "from", "text", "caption", "id", "type", "data", "date",
                     "message_id", "new_chat_member", "status", "photo", "language_code", "voice", "edit_date"]) | st.text(max_size=5), inner, max_size=5), max_leaves=20)


@given(JSON)
def test_no_update_of_whatever_shape_raises(shape: Any) -> None:
    """Fault 25: an update that always failed would keep back everybody's that come after it."""
    for found in (read_update(shape, "1"), read_update({"update_id": 1, "message": shape}, "1"), read_update({"update_id": 1, "callback_query": shape}, "1")):
        assert found is None or isinstance(found, (Heard, Pressed, NotAlone, Blocked))


@given(st.binary(max_size=200))
def test_bytes_that_are_no_json_are_refused_and_nothing_else_happens(body: bytes) -> None:
    with contextlib.suppress(Refused):
        assert parse_update(body, "1") is None


@pytest.mark.parametrize(("body", "status"), [(b"", 400), (b"{", 400), (b"nonsense", 400), (b"[" * 100_000, 400), (b"[]", 200), (b"null", 200), (b'{"update_id": "7"}', 200),
                                              (b'{"update_id": 1, "message": {"text": "x", "chat": {"id": true, "type": "private"}}}', 200)])
def test_what_is_no_update_is_not_taken_for_one(house: House, body: bytes, status: int) -> None:
    assert house.post(body).status_code == status
    assert house.rows()["messages"] == 0


def test_broken_bytes_do_not_cost_a_person_their_message(house: House) -> None:
    body = json.dumps(update(message=message(text="help XX me")), ensure_ascii=False).encode().replace(b"XX", b"\xff\xfe")
    assert house.post(body).status_code == 200
    assert stored(house)[1] == "help \ufffd\ufffd me"


def test_the_stand_in_is_asked_for_no_file(house: House, telegram: TelegramStandIn) -> None:
    for _, content, _ in MARKERS:
        house.writes(**content)
    assert {call.method for call in telegram.calls} <= {"setMyCommands", "setMyDescription", "setMyShortDescription"}
