"""Words that networks keep for themselves, sent as bare SMS in every language: our own answers, through the real engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from bot.engine.worker_parts import ROOT
from bot.model import Channel
from tests.conversations.test_conversations import Person
from tests.model import LoadedModel

pytestmark = pytest.mark.trained

FIRST = {
    "fi": "Hei, tarvitsen neuvoja", "sv": "Hej, jag behöver råd om mitt jobb", "en": "Hello, I need some advice please",
    "ru": "Здравствуйте, мне нужен совет", "ar": "مرحبا اريد نصيحة من فضلكم", "so": "Salaan, waxaan u baahanahay talo",
    "fa": "سلام من به مشاوره نیاز دارم", "th": "สวัสดีค่ะ อยากขอคำปรึกษา",
}
STOP = ("STOP", "END", "QUIT", "CANCEL", "UNSUBSCRIBE", "STOPALL", "REVOKE", "OPTOUT", "stop.", " Stop ", "OPT OUT", "ARRET")
WORDS = {code: yaml.load((ROOT / "data" / "keywords" / f"{code}.yml").read_text(encoding="utf-8"), Loader=yaml.BaseLoader) for code in FIRST}


@pytest.fixture
def person(model: LoadedModel) -> Iterator[Person]:
    person = Person(model.parts, model, Channel.SMS, False)
    yield person
    person.store.close()


@pytest.mark.parametrize("language", [None, *FIRST])
def test_a_word_that_stops_messages_gets_one_short_confirmation_and_then_silence(person: Person, language: str | None) -> None:
    if language:
        person.writes(FIRST[language])
    for word in [*STOP, *(WORDS[language]["stop"] if language else ())]:
        outcome, result, _ = person.writes(word)
        assert outcome.state.opted_out_at is not None, word
        assert [reply.text for reply in outcome.replies] == [person.words("stop.done", result.language)], word
        assert len(outcome.replies[0].text) <= 160
        assert outcome.cancel_unsent


@pytest.mark.parametrize("language", [None, *FIRST])
def test_help_is_a_cry_for_help_before_it_is_a_keyword(person: Person, language: str | None) -> None:
    if language:
        person.writes(FIRST[language])
    for word in ["HELP", "help", "Help!", *(WORDS[language]["help"] if language else ())]:
        outcome, result, _ = person.writes(word)
        assert (result.act.intent, result.act.danger.value) == ("ask_human", "possible"), word
        assert outcome.replies[0].text.startswith(person.words("danger.line", result.language)), word


@pytest.mark.parametrize("language", FIRST)
def test_info_asks_for_a_person_and_hears_nothing_of_the_subject(person: Person, language: str) -> None:
    person.writes(FIRST[language])
    outcome, result, committed = person.writes("INFO")
    assert (result.act.intent, result.act.danger.value) == ("ask_human", "none")
    assert "ihmiskaup" not in "".join(reply.text for reply in outcome.replies)
    assert committed.handoff is not None
    assert not outcome.state.subject_named


@pytest.mark.parametrize("language", FIRST)
@pytest.mark.parametrize("word", ["START", "UNSTOP", "YES"])
def test_whoever_writes_again_after_an_opt_out_is_answered(person: Person, language: str, word: str) -> None:
    person.writes(FIRST[language])
    person.writes("STOP")
    outcome, result, _ = person.writes(word)
    assert outcome.state.opted_out_at is None
    assert outcome.replies
    assert result.act.intent in ("greet", "affirm")
    assert result.language == language


@pytest.mark.parametrize("text", ["stop him please", "I want to end this", "stop hurting me", "please make it stop", "he will not help", "cancel my contract?", "make him stop", "start of the shift"])
def test_such_a_word_in_a_sentence_stops_nothing(person: Person, text: str) -> None:
    outcome, _, _ = person.writes(text)
    assert outcome.state.opted_out_at is None


@pytest.mark.parametrize("text", ["please stop sending me messages", "älkää lähettäkö enää viestejä", "не пишите мне больше", "لا أريد رسائل منكم بعد اليوم", "ha ii soo dirina fariimo"])
def test_a_clear_wish_in_a_sentence_is_carried_out(person: Person, text: str) -> None:
    outcome, _, _ = person.writes(text)
    assert outcome.state.opted_out_at is not None


def test_danger_is_answered_whatever_stood_before(person: Person) -> None:
    person.writes("STOP")
    outcome, _, committed = person.writes("he is going to kill me now, he has a knife")
    assert outcome.replies[0].text.startswith("112")
    assert committed.handoff is not None


def test_a_stop_that_the_provider_has_carried_out_itself_opts_out_too(person: Person) -> None:
    person.writes(FIRST["fi"])
    outcome, _, _ = person.writes("", button="stop_messages")
    assert outcome.state.opted_out_at is not None


def test_a_label_that_reads_like_a_cry_for_help_is_still_chosen_by_its_digit(person: Person) -> None:
    outcome, _, _ = person.writes(FIRST["en"])
    assert "ask_what_help" in outcome.state.options
    _, result, _ = person.writes(str(outcome.state.options.index("ask_what_help") + 1))
    assert result.act.intent == "ask_what_help"
