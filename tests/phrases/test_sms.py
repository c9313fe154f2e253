"""SMS as they lie on a locked phone and on a phone bill, in every language."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from bot.engine.compose import Composer
from bot.engine.dialogue import Said
from bot.engine.options import expand, typed
from bot.model import Channel, Reply
from bot.phrases.check import PREVIEW, check_catalogs, known_facts
from bot.phrases.segments import count_segments, cut_to_segments, fits_gsm
from tests.phrases.test_catalogs import FACTS, FOLDER, LANGUAGES, PHRASES, RESPONSES, ROOT

SUBJECT = tomli.loads((FOLDER / "subject-words.toml").read_text(encoding="utf-8"))
GSM_LANGUAGES = ("fi", "sv", "en", "so")
DIGITS = {"ar": "٠١٢٣٤٥", "fa": "۰۱۲۳۴۵", "th": "๐๑๒๓๔๕"}


def replies(language: str) -> Iterator[tuple[str, Reply]]:
    """Every answer of the rules with its choices, staffed and not, alone and after the line about danger."""
    composer = Composer(PHRASES)
    for name, response in RESPONSES.items():
        for staffed in (True, False):
            options = expand(tuple((response.get("metadata") or {}).get("options", ())), staffed=staffed, call_back=True, languages=tuple(LANGUAGES))
            said = Said(response["text"], params={"count": "30"})
            for whole in ([said], [Said("danger.line"), said]):
                for reply in composer.compose(whole, options, language, Channel.SMS)[0]:
                    yield name, reply


def test_an_answer_takes_two_segments_in_the_mean_and_never_more_than_three() -> None:
    found = {language: [reply.segments or 0 for _, reply in replies(language)] for language in LANGUAGES}
    everything = [segments for one in found.values() for segments in one]
    print({language: round(mean(one), 2) for language, one in found.items()}, round(mean(everything), 2))
    assert mean(everything) <= 2.2
    assert max(mean(one) for one in found.values()) <= 2.4
    assert max(everything) <= 3


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_locked_phone_shows_nothing_of_the_subject(language: str) -> None:
    words = [*SUBJECT[language], "ihmiskaup", "@", PHRASES.fact("site")]
    for name, reply in replies(language):
        shown = reply.text[:PREVIEW].casefold()
        for word in words:
            assert not re.search(rf"(?<!\w){re.escape(word)}" if word.isascii() else re.escape(word), shown), (name, word)


@pytest.mark.parametrize("language", GSM_LANGUAGES)
def test_where_the_language_allows_it_an_sms_is_plain_and_holds_twice_as_much(language: str) -> None:
    for name, reply in replies(language):
        if not any(code in reply.text for code in ("ไ", "р", "ع", "ف")):  # the list of languages names each in its own script
            assert fits_gsm(reply.text), name


@pytest.mark.parametrize(("text", "told"), [
    ("Soita \u2013 heti.", "U+2013"), ("Soita\u00a0heti.", "U+00A0"), ("Hän sanoi \u201dapua\u201d.", "U+201D"), ("Odota\u2026", "U+2026"),
])
def test_a_translator_is_told_which_mark_makes_an_sms_cost_twice(tmp_path: Path, text: str, told: str) -> None:
    assert any(told in what for what in problems(tmp_path, "worker.not_yet", text))


def test_a_translator_is_told_that_an_address_names_the_subject_too_early(tmp_path: Path) -> None:
    assert any("{site}" in what for what in problems(tmp_path, "information:short", "Lue lisää: {site}"))


def problems(folder: Path, context: str, text: str) -> list[str]:
    shutil.copytree(FOLDER, folder / "t")
    path = folder / "t" / "fi.po"
    lines = path.read_text(encoding="utf-8").split("\n")
    at = lines.index(f'msgctxt "{context}"')
    lines[next(n for n in range(at, len(lines)) if lines[n].startswith("msgstr "))] = f'msgstr "{text}"'
    path.write_text("\n".join(lines), encoding="utf-8")
    return [problem.what for problem in check_catalogs(folder / "t", FACTS, known_facts(ROOT / "docs" / "facts.md")) if problem.language == "fi"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_choice_is_named_by_its_digit_or_its_word_in_the_persons_script(language: str) -> None:
    options = ("ask_what_help", "ask_contact", "delete_conversation")
    digits = DIGITS.get(language, "012345")
    for number, option in enumerate(options, 1):
        for text in (str(number), digits[number], f" {digits[number]}. ", f"{number})", PHRASES.text(f"option.{option}", language, "short")):
            assert typed(text, options, PHRASES, language) == option, text
    assert typed(digits[4], options, PHRASES, language) is None


@given(st.lists(st.sampled_from(["Soita.", "+358 2954 63177", "112.", "ihmiskauppa.fi", "ихтияр", "مساعدة", "sana", "\u2066+358 2954 63177\u2069"]), min_size=1, max_size=200))
def test_a_number_or_an_address_is_never_torn_apart(parts: list[str]) -> None:
    text = " ".join(parts)
    cut = cut_to_segments(text)
    for whole in ("+358 2954 63177", "ihmiskauppa.fi"):
        assert sum(one.count(whole) for one in cut) == text.count(whole)
    assert " ".join(cut).split() == text.split()
    assert all(count_segments(one) <= 3 for one in cut)
