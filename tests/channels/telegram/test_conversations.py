"""Whole conversations over Telegram's stand-in: the real doors, the real sender, the real engine with the trained model."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from bot.storage.tables import messages
from tests.channels.telegram.conftest import ALICE, Engine, House, message, update

pytestmark = pytest.mark.trained

Talking = tuple[House, Engine]
PLACE = {"latitude": 60.17, "longitude": 24.94}
PHOTO = [{"file_id": "f", "file_unique_id": "u", "width": 1, "height": 1}]
VOICE = {"file_id": "f", "file_unique_id": "u", "duration": 3}


class Person:
    """Somebody on Telegram, and what they get."""

    def __init__(self, talking: Talking, language: str | None, chat: int = ALICE) -> None:
        self.house, self.engine = talking
        self.language, self.chat = language, chat

    def _answered(self, before: int) -> list[str]:
        telegram = self.house.telegram

        def quiet() -> bool:
            with self.house.store.read() as tx:
                waits = tx.execute(sa.select(sa.func.count()).select_from(messages).where(messages.c.handled_at.is_(None))).scalar_one()
            return waits == 0 and not [s for s, _, _ in self.house.states() if s in ("queued", "sending")] or bool(self.engine.failures)

        telegram.wait(quiet, 30)
        assert not self.engine.failures
        return [call["text"] for call in telegram.of("sendMessage", self.chat)[before:]]

    def _sent(self) -> int:
        return len(self.house.telegram.of("sendMessage", self.chat))

    def writes(self, text: str | None = None, **content: Any) -> list[str]:
        before = self._sent()
        assert self.house.writes(self.chat, self.language, **({} if text is None else {"text": text}), **content).status_code == 200
        self.house.clock.advance(5)
        return self._answered(before)

    def edits(self, text: str) -> list[str]:
        before = self._sent()
        now = int(self.house.clock.now())
        self.house.post(update(edited_message={**message(self.chat, self.language, now), "edit_date": now, "text": text}))
        return self._answered(before)

    def presses(self, number: int) -> list[str]:
        before = self._sent()
        self.house.presses(self.chat, self.house.telegram.keyboard(self.chat)[number]["callback_data"], self.language)
        self.house.clock.advance(5)
        return self._answered(before)

    def labels(self) -> list[str]:
        return [str(button["text"]) for button in self.house.telegram.keyboard(self.chat)]

    def words(self, phrase: str, language: str) -> str:
        return self.engine.phrases.text(phrase, language, count=30, erase_word=self.engine.phrases.text("word.erase", language))

    def option(self, option: str, language: str) -> str:
        return self.engine.phrases.text(f"option.{option}", language)

    def says(self, said: list[str], phrase: str, language: str) -> bool:
        return self.words(phrase, language) in "\n\n".join(said)


@pytest.mark.parametrize(("language", "question", "danger"), [
    ("fi", "millaista apua täältä voi saada?", "apua hän tulee tappamaan minut nyt"),
    ("ar", "ما هي المساعدة التي يمكنني الحصول عليها؟", "ساعدوني سوف يقتلني الآن"),
    ("so", "caawimaad noocee ah ayaan heli karaa?", "i caawi hadda wuu i dilayaa"),
])
def test_a_whole_conversation_with_buttons(talking: Talking, language: str, question: str, danger: str) -> None:
    person = Person(talking, language)
    said = person.writes("/start")
    assert person.says(said[:1], "first.contact", language)
    assert person.says(said, "greet", language)
    said = person.writes(question)
    assert person.says(said, "help.what", language)
    labels = person.labels()
    assert labels
    assert all(labels)
    said = person.presses(0)
    assert said
    said = person.writes("/help")
    assert person.says(said, "danger.line", language)
    assert "+358" in "".join(said)
    assert person.labels()
    said = person.writes(danger)
    assert said[0].startswith("112")
    assert person.option("cannot_speak", language) in person.labels()
    said = person.presses(person.labels().index(person.option("cannot_speak", language)))
    assert said[0].startswith("112")
    said = person.writes("/language")
    assert person.says(said, "language.ask", language)
    said = person.presses(person.labels().index("English"))
    assert person.says(said, "language.set", "en")
    said = person.writes("/erase")
    assert said == [person.words("erase.done", "en")]
    deleted = [number for call in person.house.telegram.of("deleteMessages") for number in call["message_ids"]]
    person.house.telegram.wait(lambda: bool(person.house.telegram.of("deleteMessages")) and person.house.telegram.texts(ALICE) == said)
    assert len(deleted) == len(set(deleted))
    assert person.house.attention() == [] or set(person.house.attention()) <= {"erased_by_person"}


@pytest.mark.parametrize("language", ["fi", "sv", "en", "ru", "ar", "so", "fa", "th"])
def test_the_command_for_help_is_a_cry_for_help_in_the_language_of_the_phone(talking: Talking, language: str) -> None:
    person = Person(talking, language)
    said = person.writes("/help")
    assert person.says(said[:1], "danger.line", language)
    assert person.says(said, "human.unstaffed", language)


def test_a_command_in_no_language_that_we_have_is_answered_with_a_way_to_change(talking: Talking) -> None:
    person = Person(talking, "ja")
    said = person.writes("/start")
    assert person.says(said, "first.contact", "en")
    assert person.option("change_language", "en") in person.labels()


def test_slashes_of_a_machine_are_words_and_what_comes_after_them_works(talking: Talking) -> None:
    """Faults 21 and 22."""
    person = Person(talking, "en")
    person.writes("/start")
    for text in ("/restart", "/session_start", '/change_language{"choice": "lang:th"}', "\uff0frestart", "\u200b/session_start", "/" + '{"a":' * 601):
        said = person.writes(text)
        assert said
        assert not any("\u0e00" <= letter <= "\u0eff" for letter in "".join(said))
    assert person.says(person.writes("what does it cost?"), "cost", "en")
    assert person.house.attention() == []


@pytest.mark.parametrize("text", ["x" * 10_000, "🆘" * 300, "\u200b\u200b\u200b", "\u202eabc\u202d", "a\x00b", "what does it cost \ud83d"],
                         ids=["very long", "only emoji", "nothing that shows", "turned around", "NUL", "half a character"])
def test_whatever_a_text_is_made_of_somebody_gets_an_answer(talking: Talking, text: str) -> None:
    """Fault 23."""
    assert Person(talking, "en").writes(text)


def test_a_mended_typing_error_is_not_answered_again_and_an_edit_that_says_something_new_is(talking: Talking) -> None:
    person = Person(talking, "en")
    assert person.says(person.writes("what does it cost"), "cost", "en")
    assert person.edits("what does it cost?") == []
    said = person.edits("can I get a lawyer?")
    assert person.says(said, "help.legal", "en")
    said = person.edits("he is here and he is going to kill me now")
    assert said[0].startswith("112")


def test_whoever_makes_an_old_message_harmless_is_not_given_away(talking: Talking) -> None:
    person = Person(talking, "en")
    assert person.writes("what does it cost?")
    assert person.writes("don't write to me now, he is reading this") == []
    for harmless in ("hello", "ok", "what is the weather?", "how much is a bus ticket"):
        assert person.edits(harmless) == []
    said = person.writes("hello")
    assert person.says(said, "freely.ask", "en")


@pytest.mark.parametrize(("text", "silent"), [("don't write to me now, he is reading this", True), ("STOP", False), ("erase", False)])
def test_an_edit_that_asks_for_quiet_stop_or_erasing_is_obeyed(talking: Talking, text: str, silent: bool) -> None:
    person = Person(talking, "en")
    person.writes("what does it cost?")
    said = person.edits(text)
    assert (said == []) is silent
    if not silent:
        assert len(said) == 1


def test_a_voice_message_gets_the_number_and_no_worker_who_is_not_there(talking: Talking) -> None:
    person = Person(talking, "fi")
    said = person.writes(voice=VOICE)
    assert person.says(said, "media.voice_unstaffed", "fi")
    assert "Saako työntekijä" not in "".join(said)


@pytest.mark.parametrize(("content", "phrase"), [
    ({"photo": PHOTO}, "media.other_unstaffed"), ({"document": VOICE}, "media.other_unstaffed"), ({"location": PLACE}, "media.other_unstaffed"),
    ({"contact": {"phone_number": "+12025550143", "first_name": "M"}}, "media.other_unstaffed"), ({"sticker": VOICE}, "media.other_unstaffed"),
])
def test_a_picture_a_place_and_a_contact_are_not_stored_and_they_are_told(talking: Talking, content: dict[str, Any], phrase: str) -> None:
    """Fault 24."""
    person = Person(talking, "en")
    assert person.says(person.writes(**content), phrase, "en")


@pytest.mark.parametrize("cry", ["he is going to kill me now", "help"])
def test_whoever_shows_a_place_in_danger_hears_that_112_does_not_see_it(talking: Talking, cry: str) -> None:
    person = Person(talking, "en")
    person.writes(cry)
    said = person.writes(location=PLACE)
    assert said[0].startswith("112")
    assert person.says(said, "media.location_danger", "en")


def test_danger_written_under_a_picture_gets_112_first(talking: Talking) -> None:
    said = Person(talking, "en").writes(photo=PHOTO, caption="he is going to kill me now")
    assert said[0].startswith("112")


def test_a_question_under_a_picture_is_answered_and_the_picture_too(talking: Talking) -> None:
    person = Person(talking, "en")
    said = person.writes(photo=PHOTO, caption="what does it cost?")
    assert person.says(said, "cost", "en")
    assert person.says(said, "media.other_unstaffed", "en")


def test_a_wish_for_quiet_under_a_picture_is_kept(talking: Talking) -> None:
    person = Person(talking, "en")
    person.writes("hello")
    assert person.writes(photo=PHOTO, caption="don't write to me now, he is reading this") == []
    said = person.writes(photo=PHOTO)
    assert person.says(said, "freely.ask", "en")
    assert not person.says(said, "media.other_unstaffed", "en")


def test_a_tap_on_what_is_not_there_any_more_is_asked_back_and_helped(talking: Talking) -> None:
    person = Person(talking, "fi")
    person.writes("/start")
    before = person._sent()
    person.house.presses(ALICE, "AAAAAAAAAAAAAAAA", "fi")
    said = person._answered(before)
    assert person.says(said, "confused.once", "fi")
