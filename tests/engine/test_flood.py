"""Whoever writes very much hears it once, kindly; whoever needs help is answered all the same, and first."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from bot import mailbox
from bot.clock import ManualClock
from bot.engine import worker
from bot.engine.worker import Worker
from bot.mailbox import Turn, TurnOutcome
from bot.model import Channel, Danger, Incoming, MessageKind, Reply, Understanding
from bot.storage import Store
from bot.vault import SecretKeys, Vault
from tests.conversations.test_conversations import Person
from tests.model import LoadedModel

_NUMBERS = itertools.count(1)
PAGE = "a" * 64


@pytest.fixture
def person(model: LoadedModel) -> Iterator[Person]:
    made = Person(model.parts, model, Channel.WEB, staffed=False)
    made.writes("hello, what does this cost?")
    for _ in range(19):
        mailbox.receive(made.store, Incoming(Channel.WEB, "a person", f"flood {next(_NUMBERS)}", text="hello"))
    answer(made)
    yield made
    made.store.close()


def answer(person: Person) -> list[str]:
    """Run what waits; what is said."""
    said = []
    while (turn := mailbox.take(person.store, "test", 10.0)) is not None:
        result = asyncio.run(person.engine.run(turn))
        mailbox.commit(person.store, turn, result.outcome)
        said += [reply.text for reply in result.outcome.replies]
    return said


SLOW = "You can write again in a few minutes"


@pytest.mark.trained
def test_above_the_limit_a_person_is_told_once_and_then_nothing(person: Person) -> None:
    (told,) = person.writes("what does it cost?")[0].replies
    assert SLOW in told.text
    assert "112" in told.text
    for _ in range(3):
        assert person.writes("what does it cost?")[0].replies == ()
    assert person.writes("", "ask_cost")[0].replies == ()
    person.clock.advance(60)
    (again,) = person.writes("what does it cost?")[0].replies
    assert SLOW not in again.text
    assert mailbox.figures(person.store).waiting == 0


@pytest.mark.trained
@pytest.mark.parametrize(("text", "button", "begins"), [
    ("he has a knife and he is at the door", None, "112"),
    ("help", None, ""),
    ("I want to talk to a human", None, ""),
    ("", "call_me", ""),
    ("STOP", None, ""),
    ("erase", None, ""),
])
def test_above_the_limit_whoever_needs_it_is_answered_all_the_same(person: Person, text: str, button: str | None, begins: str) -> None:
    person.writes("what does it cost?")
    outcome = person.writes(text, button)[0]
    assert outcome.replies
    assert outcome.replies[0].text.startswith(begins)
    assert SLOW not in "".join(reply.text for reply in outcome.replies)


@pytest.mark.trained
def test_above_the_limit_silence_is_kept_when_silence_is_asked_for(person: Person) -> None:
    outcome = person.writes("don't write, he is reading this")[0]
    assert outcome.replies == ()
    assert outcome.state.quiet_since is not None
    assert person.writes("what does it cost?")[0].replies == ()  # above the limit, nothing breaks the quiet
    assert person.writes("he has a knife and he is at the door")[0].replies[0].text.startswith("112")


@pytest.mark.trained
def test_a_picture_of_a_place_in_danger_is_answered_above_the_limit(person: Person) -> None:
    person.writes("he has a knife and he is at the door")
    mailbox.receive(person.store, Incoming(Channel.WEB, "a person", "place", MessageKind.LOCATION))
    (said,) = answer(person)
    assert "112" in said
    mailbox.receive(person.store, Incoming(Channel.WEB, "a person", "picture", MessageKind.PHOTO))
    assert answer(person) == []


@pytest.mark.trained
def test_what_came_within_the_limit_is_answered_and_the_line_is_said_with_it(person: Person) -> None:
    person.clock.advance(60)
    for _ in range(22):
        mailbox.receive(person.store, Incoming(Channel.WEB, "a person", f"flood {next(_NUMBERS)}", text="what does it cost?"))
    said = answer(person)
    assert len(said) == 2
    assert SLOW in said[1]


# --- the loop, with an engine that is told what sounds dangerous

@dataclass(frozen=True)
class Answer:
    outcome: TurnOutcome


class Echo:
    def __init__(self) -> None:
        self.seen: list[str] = []

    async def run(self, turn: Turn) -> Answer:
        self.seen += [message.text for message in turn.messages]
        return Answer(TurnOutcome(turn.state, (Reply("x"),)))


def grade(text: str) -> Understanding:
    danger = Danger.NOW if "knife" in text else Danger.NONE
    intent = "report_emergency" if "knife" in text else "ask_human" if "person" in text else "greet"
    return Understanding(text, "en", 1.0, intent, 1.0, danger)


@pytest.fixture
def store() -> Iterator[Store]:
    opened = Store.throwaway(Vault(SecretKeys.parse(SecretKeys.generate())), ManualClock())
    yield opened
    opened.close()


@pytest.fixture
def working(store: Store) -> Iterator[Worker]:
    made = Worker(store, Echo(), owner="one", lease_seconds=10, burst_seconds=0, safe=lambda turn: (), grade=grade, clock=store.clock, backlog=10)
    yield made
    made.close()


def writes(store: Store, text: str, address: str) -> None:
    mailbox.receive(store, Incoming(Channel.WEB, address, f"id {next(_NUMBERS)}", text=text))


def turns(working: Worker, count: int) -> list[str]:
    engine = working._engine
    assert isinstance(engine, Echo)
    before = len(engine.seen)
    for _ in range(count):
        assert working.step()
    return engine.seen[before:]


def test_while_very_many_wait_a_person_in_danger_and_one_who_asks_for_a_person_go_first(store: Store, working: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "GRADE_SECONDS", 30.0)  # other tests share the machine
    for number in range(300):
        writes(store, "hello", f"page-{number}")
    writes(store, "he has a knife", "page-last")
    writes(store, "I want a person", "page-after")
    assert turns(working, 3) == ["he has a knife", "I want a person", "hello"]


def test_while_few_wait_all_go_in_the_order_in_which_they_came(store: Store, working: Worker) -> None:
    for text in ("hello", "he has a knife"):
        writes(store, text, text)
    assert turns(working, 2) == ["hello", "he has a knife"]


def test_a_flood_by_one_sender_delays_nobody_and_its_own_cry_for_help_is_found(store: Store, working: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "LOOK_SECONDS", 0.0)
    for _ in range(60):
        writes(store, "hello", "flood")
    turns(working, 1)
    for _ in range(60):
        writes(store, "hello", "flood")
    writes(store, "hello from somebody else", "else")
    assert turns(working, 1) == ["hello from somebody else"]
    writes(store, "he has a knife", "flood")
    writes(store, "hello again", "else")
    assert turns(working, 2)[-2:] == ["he has a knife", "hello again"]
