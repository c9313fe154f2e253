"""Pictures, voice, places and edits among texts of one turn, through the real engine."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from collections.abc import Iterator

import pytest

from bot import mailbox
from bot.clock import ManualClock
from bot.engine.acts import ActReader
from bot.engine.turn import TurnEngine
from bot.mailbox import TurnOutcome
from bot.model import Channel, Incoming, MessageKind, Priority, StoredMessage
from bot.storage import Store
from bot.vault import SecretKeys, Vault
from tests.model import LoadedModel

pytestmark = pytest.mark.trained
TEXT, PHOTO, VOICE, LOCATION = MessageKind.TEXT, MessageKind.PHOTO, MessageKind.VOICE, MessageKind.LOCATION
DANGER, QUIET, COST = "he is going to kill me now", "don't write to me now, he is reading this", "what does it cost?"
_NUMBERS = itertools.count(1)


class Person:
    def __init__(self, model: LoadedModel, staffed: bool = False) -> None:
        self.clock = ManualClock()
        self.store = Store.throwaway(Vault(SecretKeys.parse(SecretKeys.generate())), self.clock)
        settings = dataclasses.replace(model.settings, desk_staffed=staffed)
        parts = model.parts
        acts = ActReader(parts.understander, parts.composer.phrases, model.names, parts.dialogue.intents)
        self.engine = TurnEngine(parts.dialogue, acts, parts.composer, settings, self.clock, model.assault_words)
        self.phrases = parts.composer.phrases

    def sends(self, *burst: tuple[MessageKind, str], edited: bool = False) -> TurnOutcome:
        """All of a burst in one turn."""
        for kind, text in burst:
            mailbox.receive(self.store, Incoming(Channel.TELEGRAM, "1", str(next(_NUMBERS)), kind, text, hint="en", edited=edited))
        turn = mailbox.take(self.store, "engine", 10.0)
        assert turn is not None
        assert len(turn.messages) == len(burst)
        outcome = asyncio.run(self.engine.run(turn)).outcome
        mailbox.commit(self.store, turn, outcome)
        self.clock.advance(10)
        return outcome

    def count(self, outcome: TurnOutcome, phrase: str) -> int:
        return "\n".join(reply.text for reply in outcome.replies).count(self.phrases.text(phrase, "en"))


@pytest.fixture
def person(model: LoadedModel) -> Iterator[Person]:
    found = Person(model)
    yield found
    found.store.close()


def test_an_album_is_answered_once_and_what_is_written_under_it_too(person: Person) -> None:
    outcome = person.sends((PHOTO, ""), (PHOTO, COST), (PHOTO, ""))
    assert person.count(outcome, "media.other_unstaffed") == 1
    assert person.count(outcome, "cost") == 1


def test_danger_comes_first_whatever_was_sent_before_it_in_the_same_breath(person: Person) -> None:
    for burst in ([(PHOTO, ""), (TEXT, DANGER)], [(VOICE, ""), (PHOTO, DANGER)], [(TEXT, "hello"), (PHOTO, ""), (TEXT, DANGER), (PHOTO, "")]):
        assert person.sends(*burst).replies[0].text.startswith("112")


def test_a_picture_sent_in_the_same_breath_as_a_wish_for_quiet_gets_no_answer(person: Person) -> None:
    assert person.sends((TEXT, QUIET), (PHOTO, "")).replies == ()
    assert person.sends((PHOTO, ""), (TEXT, QUIET)).replies == ()
    later = person.sends((PHOTO, ""))
    assert person.count(later, "freely.ask") == 1
    assert person.count(later, "media.other_unstaffed") == 0


def test_whether_a_worker_may_listen_is_asked_only_where_a_worker_is(model: LoadedModel) -> None:
    for staffed, phrase in ((True, "media.voice"), (False, "media.voice_unstaffed")):
        someone = Person(model, staffed)
        outcome = someone.sends((VOICE, ""))
        assert someone.count(outcome, phrase) == 1
        assert ("May a worker listen" in "".join(reply.text for reply in outcome.replies)) is staffed
        someone.store.close()


def test_a_voice_message_in_danger_hears_112_first(person: Person) -> None:
    person.sends((TEXT, DANGER))
    outcome = person.sends((VOICE, ""))
    assert outcome.replies[0].text.startswith(person.phrases.text("danger.line", "en"))


@pytest.mark.parametrize(("cry", "priority"), [(DANGER, Priority.DANGER_NOW), ("help", Priority.HIGH)])
def test_a_place_in_danger_brings_a_worker_to_the_top(person: Person, cry: str, priority: Priority) -> None:
    person.sends((TEXT, cry))
    outcome = person.sends((LOCATION, ""))
    assert outcome.replies[0].text == person.phrases.text("media.location_danger", "en")
    assert outcome.handoff is not None
    assert outcome.handoff.priority == priority


def test_an_edit_that_only_now_shows_that_a_child_writes_is_remembered_though_it_is_not_answered(person: Person) -> None:
    person.sends((TEXT, COST))
    outcome = person.sends((TEXT, "what does it cost? I am 15"), edited=True)
    assert "minor" in {flag.value for flag in outcome.state.flags}


def test_an_edit_stays_apart_from_what_was_written_new() -> None:
    def stored(kind: MessageKind, text: str, edited: bool = False) -> StoredMessage:
        return StoredMessage(next(_NUMBERS), 1, kind, text, None, None, 0.0, edited)

    row = [stored(TEXT, "a"), stored(TEXT, "b"), stored(TEXT, "c", True), stored(PHOTO, ""), stored(PHOTO, ""), stored(VOICE, ""), stored(PHOTO, "d"), stored(TEXT, "e"),
           stored(MessageKind.BUTTON, ""), stored(MessageKind.BUTTON, "")]
    assert [len(group) for group in ActReader.group(row)] == [2, 1, 2, 1, 2, 1, 1]
