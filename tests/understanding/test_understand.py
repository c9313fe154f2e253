"""A message from its letters to what it means, with a small trained model."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.model import Danger
from bot.understanding.corpus import CorpusError, Example, parse_file, read
from bot.understanding.encoder_cache import CachedEncoder
from bot.understanding.keywords import Keywords
from bot.understanding.normalise import views
from bot.understanding.parts import ModelError, Parts, load, save, trained
from bot.understanding.understand import Context, Understander

from .conftest import FakeEncoder


@pytest.mark.parametrize(
    ("text", "intent", "language"),
    [
        ("help he has a knife here", "report_emergency", "en"),
        ("paljonko tämä apu maksaa", "ask_cost", "fi"),
        ("сколько стоит ваша помощь", "ask_cost", "ru"),
        ("kuka voitti eilen jalkapallon", "out_of_scope", "fi"),
        ("112", "report_emergency", "und"),
        ("apua", "ask_human", "fi"),
    ],
)
def test_a_person_is_understood_in_their_language(understander: Understander, text: str, intent: str, language: str) -> None:
    found = understander.parse(text)
    assert found.intent == intent
    if intent != "ask_human":  # one word may be anybody's
        assert found.language == language


def test_a_person_who_writes_only_help_may_be_in_danger(understander: Understander) -> None:
    assert understander.parse("help").danger is Danger.POSSIBLE


def test_joo_is_yes_to_a_finn_and_no_to_an_albanian(understander: Understander) -> None:
    assert understander.parse("joo", {"language": "fi"}).intent == "affirm"
    assert understander.parse("joo", {"language": "sq"}).intent == "deny"


def test_a_person_who_sends_nothing_but_a_smile_is_not_taken_for_somebody_in_danger(understander: Understander) -> None:
    assert understander.parse("😀").danger is Danger.NONE


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=200), language=st.sampled_from([None, "fi", "xx", ""]))
def test_no_text_whatever_goes_unanswered(understander: Understander, text: str, language: str | None) -> None:
    found = understander.parse(text, {"language": language, "question": 3, "other": "x"})
    assert found.text == text
    assert found.intent in understander.parts.classifier.intents or found.intent in {
        "ask_contact",
        "delete_conversation",
        "change_language",
    }
    assert (found.danger is Danger.NOW) == (found.intent == "report_emergency")
    assert 0 <= found.language_confidence <= 1


def test_messages_understood_together_are_understood_as_alone(understander: Understander) -> None:
    texts = ["is this free", "apua sillä on puukko", "", "112", "kerro vitsi"]
    alone = [understander.parse(t) for t in texts]
    assert [(u.intent, u.danger, u.language) for u in understander.parse_batch(texts)] == [(u.intent, u.danger, u.language) for u in alone]


def test_a_model_read_back_says_the_same(parts: Parts, understander: Understander, tmp_path: Path) -> None:
    save(parts, tmp_path / "model")
    again = Understander(FakeEncoder(), load(tmp_path / "model"))
    for text in ("is this free", "hän hakkaa mua nyt", "unsubscribe me"):
        assert again.parse(text) == understander.parse(text)


@pytest.mark.parametrize("name", ["classifier.npz", "grader.npz", "language.npz", "rest.json"])
def test_an_altered_model_is_refused(parts: Parts, tmp_path: Path, name: str) -> None:
    save(parts, tmp_path / "model")
    raw = bytearray((tmp_path / "model" / name).read_bytes())
    raw[len(raw) // 2] ^= 1
    (tmp_path / "model" / name).write_bytes(bytes(raw))
    with pytest.raises(ModelError):
        load(tmp_path / "model")


def test_training_twice_on_the_same_texts_happens_once(examples: list[Example], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = trained(examples, FakeEncoder(), data, tmp_path)
    monkeypatch.setattr("bot.understanding.parts.train", lambda *_: pytest.fail("trained again"))
    again = trained(examples, FakeEncoder(), data, tmp_path)
    assert again.classifier.intents == first.classifier.intents


def test_vectors_are_kept_and_a_broken_file_is_made_anew(tmp_path: Path) -> None:
    first = CachedEncoder(FakeEncoder(), tmp_path).embed(["one two", "three"])
    again = CachedEncoder(FakeEncoder(), tmp_path).embed(["three", "one two"])
    assert abs(again[::-1] - first).max() < 1e-3
    [stored] = tmp_path.glob("*.npz")
    assert b"three" not in stored.read_bytes()
    stored.write_bytes(b"PK broken")
    assert abs(CachedEncoder(FakeEncoder(), tmp_path).embed(["one two"])[0] - first[0]).max() < 1e-3


def test_a_language_is_added_by_a_file_of_texts(tmp_path: Path) -> None:
    (tmp_path / "xx.yml").write_text(
        "nlu:\n- intent: ask_cost\n  metadata: {language: xx, danger: near, flags: [minor]}\n  examples: |\n    - how much\n    - what price\n",
        encoding="utf-8",
    )
    assert read(tmp_path)[1] == Example("what price", "ask_cost", "xx", "plain", "near", frozenset({"minor"}))


def test_a_file_without_its_language_is_refused_without_showing_a_text(tmp_path: Path) -> None:
    (tmp_path / "xx.yml").write_text("nlu:\n- intent: ask_cost\n  examples: |\n    - secret words\n", encoding="utf-8")
    with pytest.raises(CorpusError) as error:
        parse_file(tmp_path / "xx.yml")
    assert "secret" not in str(error.value)


def test_a_keyword_that_languages_disagree_on_says_nothing_by_itself() -> None:
    found = Keywords({"fi": {"joo": "yes"}, "sq": {"joo": "no"}, "sv": {"ja": "yes"}})
    assert found.find(views("joo"), None) is None
    yes = found.find(views("Ja!"), None)
    assert yes is not None
    assert yes.intent == "affirm"


def test_metadata_of_the_wrong_kind_is_no_context() -> None:
    assert Context.of({"language": 3, "expects": "yes_no", "junk": "x"}) == Context(expects="yes_no")
