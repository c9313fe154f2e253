"""What every catalog must keep, in every language."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from actions import say
from bot.engine.compose import Composer
from bot.engine.dialogue import Said
from bot.engine.options import expand
from bot.model import Channel
from bot.phrases.catalog import MissingPhrase, Phrases
from bot.phrases.check import check_catalogs, check_erase_words, known_facts
from bot.phrases.facts import fact_values
from bot.settings import load
from tests.actions.test_say import named

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "translations"
FACTS = fact_values(load({}))
PHRASES = Phrases.load(FOLDER, FACTS)
LANGUAGES = sorted(PHRASES.languages)
RESPONSES = {
    name: variants[0] for path in sorted((ROOT / "domain").glob("*.yml")) for name, variants in (yaml.safe_load(path.read_text(encoding="utf-8")).get("responses") or {}).items()
} | {name: {"text": name, "metadata": {"options": list(say.OFFERS.get(name, ()))}} for name in sorted({*named(), *say.OFFERS}) if not name.startswith("utter_")}
"""What rules say and what actions say, each with its options."""


def test_no_catalog_has_anything_to_mend() -> None:
    assert check_catalogs(FOLDER, FACTS, known_facts(ROOT / "docs" / "facts.md")) == []
    assert check_erase_words(FOLDER, ROOT / "data" / "keywords") == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("staffed", [True, False])
def test_every_answer_fits_three_sms_segments_with_its_choices(language: str, staffed: bool) -> None:
    composer = Composer(PHRASES)
    for name, response in RESPONSES.items():
        said = Said(response["text"], params={"count": "30"})
        options = expand(tuple((response.get("metadata") or {}).get("options", ())), staffed=staffed, call_back=True, languages=tuple(LANGUAGES))
        replies, offered = composer.compose([said], options, language, Channel.SMS)
        assert all(reply.segments is not None and reply.segments <= 3 for reply in replies), name
        assert not options or offered, f"{name}: none of its choices fits"
        assert len(offered) <= 5


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_person_in_danger_reads_112_first_in_every_language(language: str) -> None:
    for phrase in ("emergency.now", "emergency.again", "emergency.text", "emergency.no_speech", "media.location_danger"):
        for form in ("full", "short"):
            assert PHRASES.text(phrase, language, form).startswith("112")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_line_is_written_with_plain_spaces_and_112_needs_no_mark(language: str) -> None:
    assert "+358 2954 63177" in PHRASES.text("contact", language)
    assert "\u2066112" not in PHRASES.text("contact", language)


@pytest.mark.parametrize("language", [code for code in LANGUAGES if PHRASES.direction(code) == "rtl"])
def test_a_number_in_a_right_to_left_text_stands_in_isolates(language: str) -> None:
    assert "\u2066+358 2954 63177\u2069" in PHRASES.text("contact", language)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("days", [1, 2, 3, 11, 30, 101])
def test_what_is_kept_is_said_in_the_right_number(language: str, days: int) -> None:
    assert str(days) in PHRASES.text("privacy.kept", language, count=days)


def test_somebody_is_never_shown_a_phrase_that_no_catalog_has() -> None:
    with pytest.raises(MissingPhrase):
        PHRASES.text("no.such.phrase", "fi")
    with pytest.raises(MissingPhrase):
        PHRASES.text("contact", "xx")


def test_the_check_finds_each_kind_of_mistake(tmp_path: Path) -> None:
    folder = tmp_path / "translations"
    shutil.copytree(FOLDER, folder)
    catalog = folder / "sv.po"
    lines = catalog.read_text(encoding="utf-8").split("\n")

    def answer(context: str, text: str) -> None:
        at = lines.index(f'msgctxt "{context}"')
        lines[next(n for n in range(at, len(lines)) if lines[n].startswith("msgstr "))] = f'msgstr "{text}"'

    answer("emergency.again", "Ring nu {emergency}!")
    answer("worker.not_yet", "Ring +358 1234.")
    answer("worker.asking", "")
    answer("option.yes:full", "Ja, det vill jag verkligen att ni gör")
    lines[lines.index('msgid "A worker has been told."')] = 'msgid "An older wording."'
    catalog.write_text("\n".join(lines), encoding="utf-8")
    found = [problem.what for problem in check_catalogs(folder, FACTS, known_facts(ROOT / "docs" / "facts.md")) if problem.language == "sv"]
    for wanted in ("must begin with", "exclamation mark", "placeholders", "other numbers", "is missing", "at most 26", "older wording"):
        assert any(wanted in what for what in found), wanted


def test_the_check_finds_an_address_that_names_the_subject_on_a_locked_phone(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(FOLDER, tmp_path / "translations"))
    text = (copy / "sv.po").read_text(encoding="utf-8")
    assert text.count('msgstr "Du kan läsa mer på') == 1
    (copy / "sv.po").write_text(text.replace('msgstr "Du kan läsa mer på', 'msgstr "{site}: Du kan läsa mer på'), encoding="utf-8")
    found = [problem for problem in check_catalogs(copy, FACTS, known_facts(ROOT / "docs" / "facts.md")) if "addresses are filled in" in problem.what]
    assert [(problem.language, problem.context) for problem in found] == [("sv", "information:full")]


# The name of the subject itself, which the person must have named first, and the phrases that answer exactly that.
THE_SUBJECT = {"fi": "ihmiskaup", "sv": "människohand", "en": "traffick", "ru": "торговл", "ar": "اتجار", "so": "tahriib", "fa": "قاچاق", "th": "ค้ามนุษย์"}
ONLY_WHEN_ASKED = {"trafficking", "information", "contact.email", "residence.detained"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_answer_names_the_subject_to_somebody_who_has_not_asked_for_it(language: str) -> None:
    for name, response in RESPONSES.items():
        text = PHRASES.text(response["text"], language, "full", count=30, erase_word="X", name="Info").casefold()
        if any(word in text for word in (THE_SUBJECT[language], "ihmiskaup")):
            assert response["text"] in ONLY_WHEN_ASKED, name


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_message_put_together_names_the_subject_where_a_locked_phone_shows_it(language: str) -> None:
    composer = Composer(PHRASES)
    for response in RESPONSES.values():
        for before in ("danger.line", "first.contact", "freely.go_on"):
            said = [Said(before), Said(response["text"], params={"count": "30"})]
            for reply in composer.compose(said, (), language, Channel.TELEGRAM)[0]:
                assert not any(word in reply.text[:60].casefold() for word in (THE_SUBJECT[language], "ihmiskaup")), response["text"]
