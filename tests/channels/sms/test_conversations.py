"""Whole conversations over the stand-in: real HTTP in and out, the trained model, the real rules, digits and words as choices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from bot.engine.acts import ActReader
from bot.engine.turn import TurnEngine
from bot.engine.worker import Worker
from bot.phrases.catalog import Phrases
from tests.channels.sms.conftest import ALICE, House
from tests.model import LoadedModel
from tests.stand_ins.serving import until

pytestmark = pytest.mark.trained


@dataclass
class Phone:
    """Somebody's phone. ``got`` is what arrived, ``offered`` the choices under the last message."""

    house: House
    worker: Worker
    phrases: Phrases
    language: str
    seen: int = 0
    offered: tuple[str, ...] = ()

    def writes(self, *texts: str, times: int = 1) -> str:
        """Send fragments, let the engine answer and the answer arrive; its text."""
        for text in texts:
            self.house.twilio.incoming(ALICE, text, times=times)
        self.house.clock.advance(3)
        while self.worker.step():
            pass
        wanted = [text for text in self._queued()]
        until(lambda: len(self.house.twilio.texts(ALICE)) >= self.seen + len(wanted), "the answer did not arrive")
        # the clock stands while a message is on its way: moved, it would look like a sender that died
        until(lambda: not {"queued", "sending"} & {state for state, _ in self.house.states()}, "it was not marked")
        arrived = self.house.twilio.sent[self.seen:]
        self.seen = len(self.house.twilio.sent)
        assert [one["Body"] for one in arrived] == wanted
        for one in arrived:
            self.house.twilio.status(one["sid"], "delivered")
        return "\n".join(wanted)

    def chooses(self, option: str, digits: str = "0123456789") -> str:
        """Answer with the digit of an option that was offered."""
        return self.writes(digits[self.offered.index(option) + 1])

    def names(self, option: str) -> str:
        """Answer with the option's word, as it stood in the message."""
        assert option in self.offered
        return self.writes(self.phrases.text(f"option.{option}", self.language, "short"))

    def says(self, phrase: str) -> str:
        return self.phrases.text(phrase, self.language, "short", count=30, erase_word=self.phrases.text("word.erase", self.language))

    def _queued(self) -> list[str]:
        """What the engine has made since last time, from the store."""
        from bot.storage import conversations, outgoing
        from bot.storage.sealed import Sealed, out_place, reply_of, state_of

        store = self.house.store
        with store.read() as tx:
            row = conversations.find(tx, "sms", store.vault.pseudonyms("sms", ALICE))
            assert row is not None
            sealed = Sealed.open(store.vault, row.id, row.wrapped)
            assert row.state is not None
            self.offered = state_of(sealed.unseal_json("state", row.state)).options
            rows = sorted(outgoing.newest(tx, row.id, 500), key=lambda one: one.sequence)
            return [reply_of(sealed.unseal_json(out_place(one.sequence), one.body)).text for one in rows][self.seen:]


@pytest.fixture
def phone(house: House, model: LoadedModel) -> Iterator[Callable[[str], Phone]]:
    workers: list[Worker] = []

    def with_language(language: str) -> Phone:
        settings = replace(house.settings, burst_seconds=2.0)
        parts = model.parts
        acts = ActReader(parts.understander, parts.composer.phrases, model.names, parts.dialogue.intents)
        engine = TurnEngine(parts.dialogue, acts, parts.composer, settings, house.clock, model.assault_words)
        worker = Worker(house.store, engine, owner="engine-1", lease_seconds=10, burst_seconds=2.0, safe=parts.safe, grade=parts.grade, clock=house.clock)
        workers.append(worker)
        return Phone(house, worker, parts.composer.phrases, language)

    yield with_language
    for worker in workers:
        worker.close()


TALKS = {
    "fi": ("Hei", "pomo vei mun passin eikä maksa palkkaa", "0123456789"),
    "ar": ("السلام عليكم", "صاحب العمل اخذ جوازي ولا يدفع لي راتبي", "٠١٢٣٤٥٦٧٨٩"),
    "so": ("Salaan, ma i caawin kartaa fadlan", "Shaqo bixiyuhu wuu iga qaatay baasaboorkayga lacagna ima siiyo", "0123456789"),
}


@pytest.mark.parametrize("language", TALKS)
def test_a_whole_talk_with_choices_by_digit_and_by_word(phone: Callable[[str], Phone], language: str) -> None:
    hello, story, digits = TALKS[language]
    person = phone(language)
    first = person.writes(hello)
    assert person.says("first.contact")[:40] in first
    assert person.says("disclose") in person.writes(story, times=3)
    assert person.offered
    help_ = person.chooses("ask_what_help", digits) if "ask_what_help" in person.offered else person.writes(digits[1])
    assert help_
    contact = person.names("ask_contact") if "ask_contact" in person.offered else person.writes(person.says("option.ask_contact"))
    assert "+358 2954 63177" in contact
    assert person.writes("STOP") == person.says("stop.done")
    assert {state for state, _ in person.house.states()} == {"delivered"}
    assert person.house.doubled() == [False] * len(person.house.states())


@pytest.mark.parametrize(("language", "text"), [
    ("fi", "apua se tulee nyt tappamaan mut"), ("ar", "الحقوني راح يقتلني هسه ماسك سكين"), ("so", "i caawi hadda ayuu i dilayaa mindi buu haystaa"),
])
def test_danger_gets_112_first_and_does_not_wait_for_the_rest_of_a_burst(phone: Callable[[str], Phone], language: str, text: str) -> None:
    person = phone(language)
    person.house.twilio.incoming(ALICE, text)
    while person.worker.step():
        pass
    until(lambda: person.house.twilio.texts(ALICE))
    assert person.house.twilio.texts(ALICE)[0].startswith("112")


def test_somebody_who_is_watched_gets_nothing_and_what_waits_is_taken_back(phone: Callable[[str], Phone]) -> None:
    from tests.stand_ins.twilio import Bad

    person = phone("en")
    person.house.twilio.bad.append(Bad(429, 20429, retry_after="60"))
    person.house.twilio.incoming(ALICE, "hello, can somebody help me with my papers")
    person.house.clock.advance(3)
    while person.worker.step():
        pass
    until(lambda: person.house.twilio.refused)
    person.house.twilio.incoming(ALICE, "stop writing he is next to me and reads my phone")
    person.house.clock.advance(3)
    while person.worker.step():
        pass
    person.house.clock.advance(120)
    until(lambda: {state for state, _ in person.house.states()} <= {"cancelled", "expired"})
    assert person.house.twilio.texts(ALICE) == []
