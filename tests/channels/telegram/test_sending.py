"""What becomes of a message when Telegram refuses, falls, is slow or is gone: every one has one final state, in order, doubled only where marked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import mailbox
from bot.channels.sending import RetryLater, Sender
from bot.channels.telegram import api as api_module
from bot.channels.telegram.api import Api
from bot.channels.telegram.config import demand
from bot.channels.telegram.pace import CHAT_SECONDS, PER_SECOND, Pace
from bot.channels.telegram.provider import TelegramProvider
from bot.channels.telegram.split import MOST_UNITS, split, units
from bot.clock import ManualClock
from bot.mailbox import outbox
from bot.model import Author, Channel, Incoming, Reply
from bot.storage import Store
from tests.channels.telegram.conftest import ALICE, BOB, House, settings_for
from tests.stand_ins.telegram import TelegramStandIn, Trouble

LIMITED = Trouble(429, "Too Many Requests: retry after 30", 30)


def test_a_chat_that_is_told_to_wait_waits_in_order_and_others_flow(house: House) -> None:
    """Fault 14."""
    house.telegram.troubles["sendMessage"].append(LIMITED)
    house.writes(ALICE, text="hello")
    house.answer(Reply("a1"), Reply("a2"))
    house.telegram.wait(lambda: bool(house.telegram.of("sendMessage", ALICE)))
    house.writes(BOB, text="hello")
    house.answer(Reply("b1"))
    house.settled(1)
    assert house.telegram.texts(BOB) == ["b1"]
    house.clock.advance(29)
    house.writes(BOB, text="hello")
    house.answer(Reply("b2"))
    house.settled(2)
    assert house.telegram.texts(ALICE) == []
    house.clock.advance(2)
    house.settled(4)
    assert house.telegram.texts(ALICE) == ["a1", "a2"]
    assert {state for state, _, _ in house.states()} == {"sent"}
    assert not any(doubled for _, _, doubled in house.states())


TROUBLES = [
    ("a server error", Trouble(500, "Internal Server Error", accept=True), True),
    ("a bad gateway", Trouble(502, "Bad Gateway", accept=True), True),
    ("a dropped connection", Trouble(0, accept=True), True),
    ("an answer that does not come", Trouble(0, accept=True, slow=1.5), True),
    ("too many, without for how long", Trouble(429, "Too Many Requests"), False),
    ("a token that is not known for a while", Trouble(401, "Unauthorized"), False),
]


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch, telegram: TelegramStandIn, store: Store, clock: ManualClock) -> Iterator[House]:
    """The doors, which wait only half a second for an answer."""
    monkeypatch.setattr(api_module, "READ_SECONDS", 0.5)
    house = House(telegram, store, clock, settings_for(telegram.url))
    yield house
    house.close()


@pytest.mark.parametrize(("trouble", "doubled"), [(t, d) for _, t, d in TROUBLES], ids=[name for name, _, _ in TROUBLES])
def test_a_reply_of_which_nobody_knows_goes_once_more_and_is_marked(hasty: House, trouble: Trouble, doubled: bool) -> None:
    """Fault 15."""
    hasty.telegram.troubles["sendMessage"].append(trouble)
    hasty.writes(text="hello")
    hasty.answer(Reply("a"))
    hasty.telegram.wait(lambda: bool(hasty.telegram.of("sendMessage")))
    hasty.telegram.wait(lambda: hasty.states()[0][0] != "sending")
    if not doubled:  # it surely did not arrive: tried again after a pause
        hasty.clock.advance(31)
    hasty.settled(1)
    assert hasty.states() == [("sent", None, doubled)]
    assert hasty.telegram.texts(ALICE) == ["a"] * (2 if doubled else 1)


def test_a_reply_that_is_unknown_twice_stays_unknown(house: House) -> None:
    house.telegram.when = lambda call: Trouble(500, "x") if call.method == "sendMessage" else None
    house.writes(text="hello")
    house.answer(Reply("a"))
    house.settled(1)
    assert house.states()[0][:2] == ("unknown", "server_error")
    assert len(house.telegram.of("sendMessage")) == 2


def test_a_workers_message_of_which_nobody_knows_waits_for_the_worker(house: House) -> None:
    """Fault 15."""
    received = house.writes(text="hello")
    assert received.status_code == 200
    turn = mailbox.take(house.store, "engine", 10.0)
    assert turn is not None
    mailbox.commit(house.store, turn, mailbox.TurnOutcome(turn.state))
    house.telegram.troubles["sendMessage"].append(Trouble(502, "Bad Gateway", accept=True))
    outbox.put(house.store, turn.conversation_id, Author.WORKER, Reply("a worker writes"))
    house.settled(1)
    assert house.states() == [("unknown", "server_error", False)]
    assert house.telegram.texts(ALICE) == ["a worker writes"]


@pytest.mark.parametrize(("status", "description", "reason"), [
    (403, "Forbidden: bot was blocked by the user", "blocked"), (403, "Forbidden: user is deactivated", "blocked"),
    (403, "Forbidden: bot can't initiate conversation with a user", "forbidden"), (400, "Bad Request: chat not found", "no_such_chat"),
    (400, "Bad Request: message text is empty", "bad_request"),
])
def test_what_telegram_will_never_take_fails_at_once_and_staff_see_it(house: House, status: int, description: str, reason: str) -> None:
    """Fault 16."""
    house.telegram.troubles["sendMessage"].append(Trouble(status, description))
    house.writes(text="hello")
    house.answer(Reply("a"), Reply("b"))
    house.settled(2)
    assert [state[:2] for state in house.states()] == [("failed", reason), ("sent", None)]
    assert house.attention() == ["blocked" if reason == "blocked" else "not_delivered"]


def test_while_telegram_cannot_be_reached_at_all_a_reply_waits(telegram: TelegramStandIn, store: Store, clock: ManualClock) -> None:
    house = House(telegram, store, clock, settings_for(telegram.url))
    house.close()
    telegram.close()
    away = settings_for(telegram.url)
    mailbox.receive(store, Incoming(Channel.TELEGRAM, str(ALICE), "1", text="hello"))
    turn = mailbox.take(store, "engine", 10.0)
    assert turn is not None
    mailbox.commit(store, turn, mailbox.TurnOutcome(turn.state, (Reply("a"),)))

    async def once() -> None:
        config = demand(away)
        assert config is not None
        api = Api(config)
        sender = Sender(store, TelegramProvider(api, clock), "t")
        await sender.step()
        await sender.drain()
        await api.close()

    asyncio.run(once())
    assert house.states() == [("queued", "unreachable", False)]


def test_an_accepted_answer_of_a_strange_shape_is_not_sent_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    real = house.telegram._send
    monkeypatch.setattr(house.telegram, "_send", lambda params: {"message_id": real(params)["message_id"]})
    house.writes(text="hello")
    house.answer(Reply("a"))
    house.settled(1)
    assert house.states() == [("sent", None, False)]
    assert house.telegram.texts(ALICE) == ["a"]


def test_a_long_message_goes_in_parts_with_the_buttons_under_the_last_and_all_of_it_is_deleted(house: House) -> None:
    house.writes(text="hello")
    text = "\n\n".join(f"Paragraph {number}. " + "word " * 150 for number in range(8))
    house.answer(Reply(text))
    house.settled(1)
    parts = house.telegram.texts(ALICE)
    assert len(parts) == 2
    assert "".join(" ".join(parts).split()) == "".join(text.split())
    shown = set(house.telegram.chats[ALICE].messages)
    mailbox.erase(house.store, "telegram", str(ALICE))
    house.telegram.wait(lambda: bool(house.telegram.of("deleteMessages")))
    assert shown <= set(house.telegram.of("deleteMessages")[0]["message_ids"])


def test_when_one_message_cannot_be_deleted_the_others_still_are(house: House) -> None:
    house.writes(text="one")
    house.writes(text="two")
    house.answer()
    house.telegram.troubles["deleteMessages"].append(Trouble(400, "Bad Request: message can't be deleted"))
    house.telegram.troubles["deleteMessage"].append(Trouble(400, "Bad Request: message to delete not found"))
    mailbox.erase(house.store, "telegram", str(ALICE))
    house.telegram.wait(lambda: len(house.telegram.of("deleteMessage")) == 2)
    house.telegram.wait(lambda: mailbox.owed(house.store, Channel.TELEGRAM) == ())


class Seconds:
    """A monotonic clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


async def test_a_chat_gets_one_message_a_second_and_all_together_thirty() -> None:
    time = Seconds()
    pace = Pace(time, time.sleep)
    sent: list[tuple[float, int]] = []
    for number in range(200):
        await pace.turn(number % 50)
        sent.append((time.now, number % 50))
    for at, chat in sent:
        assert sum(1 for other, _ in sent if at <= other < at + 1) <= PER_SECOND
        assert sum(1 for other, same in sent if same == chat and at <= other < at + CHAT_SECONDS) == 1
    assert time.now - 1000 < 200 / PER_SECOND + 1


async def test_whoever_would_wait_long_comes_again_and_does_not_keep_others_waiting() -> None:
    time = Seconds()
    pace = Pace(time, time.sleep)
    for chat in (1, 2):
        pace.refused(chat, 30)
    await pace.turn(4)
    pace.refused(3, 30)  # a third chat at the same time: the whole bot is too fast
    with pytest.raises(RetryLater) as error:
        await pace.turn(5)
    assert error.value.after == pytest.approx(30)
    time.now += 31
    await pace.turn(5)


@pytest.mark.parametrize(("text", "most", "parts"), [
    ("", 10, [""]),
    ("short", 10, ["short"]),
    ("One. Two three.", 10, ["One.", "Two three."]),
    ("one\ntwo three", 10, ["one", "two three"]),
    ("Call +358 2954 63177 now", 19, ["Call", "+358 2954 63177 now"]),
    ("See https://example.org/abc now", 20, ["See", "https://example.org/", "abc now"]),
    ("See https://example.org/a now", 22, ["See", "https://example.org/a", "now"]),
    ("🆘🆘🆘🆘", 4, ["🆘🆘", "🆘🆘"]),
    ("جملة أولى؟ جملة ثانية", 12, ["جملة أولى؟", "جملة ثانية"]),
])
def test_a_text_is_cut_where_a_reader_would_cut_it(text: str, most: int, parts: list[str]) -> None:
    assert split(text, most) == parts


@given(st.text(st.characters(codec="utf-16") | st.sampled_from(" \n.?0123456789"), max_size=300), st.integers(5, 60))
def test_no_letter_is_lost_and_no_part_is_too_long(text: str, most: int) -> None:
    parts = split(text, most)
    assert all(units(part) <= most for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


def test_a_text_as_long_as_telegram_takes_is_one_message() -> None:
    assert len(split("x" * MOST_UNITS)) == 1
    assert len(split("\U0001f198" * (MOST_UNITS // 2))) == 1
    assert len(split("x" * (MOST_UNITS + 1))) == 2
