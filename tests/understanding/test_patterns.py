"""Words that must never be missed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.understanding.normalise import views
from bot.understanding.notation import PatternError, parse
from bot.understanding.patterns import PatternIndex


def index(*lines: str, code: str = "en", section: str = "now", known: tuple[str, ...] = ()) -> PatternIndex:
    return PatternIndex([p for line in lines for p in parse(line, code, section)], known)


def hit(found: PatternIndex, text: str, code: str = "en") -> bool:
    return bool(found.hits(views(text), {code}))


@pytest.mark.parametrize("text", ["he has a knife", "HE HAS A BIG KNIFE!!", "he has knife", "he has a knfie", "he has a kn1fe"])
def test_a_person_in_danger_is_heard_with_gaps_and_slips_of_the_thumb(text: str) -> None:
    assert hit(index("he has _ knife"), text)


@pytest.mark.parametrize("text", ["he has a wife", "he has one two three four knife", "knife has he", "the knife"])
def test_a_person_who_says_something_else_is_not_taken_for_one_in_danger(text: str) -> None:
    assert not hit(index("he has _ knife"), text)


def test_a_common_word_is_nobodys_slip() -> None:
    assert hit(index("a weapon"), "a weapons")
    assert not hit(index("a weapon", known=("weapons",)), "a weapons")


def test_alternatives_beginnings_and_missing_words_are_understood() -> None:
    found = index("hän|ne (tulee|tulevat) _ tapp* minut?", code="fi")
    assert hit(found, "ne tulevat kohta tappamaan", "fi")
    assert not hit(found, "me tulemme kohta tappamaan", "fi")


def test_alternatives_of_several_words_are_written_out() -> None:
    found = index("(going to|gonna) kill me")
    assert hit(found, "he is gonna kill me")
    assert hit(found, "going to kill me")
    assert not hit(found, "to kill me")


def test_a_thai_person_writes_without_spaces() -> None:
    found = index("เขา _ ฆ่าฉัน", code="th")
    assert hit(found, "เขาจะมาฆ่าฉันแล้ว", "th")
    assert not hit(found, "เขาจะมาฆ่า", "th")


def test_patterns_of_a_language_that_the_person_does_not_write_stay_silent() -> None:
    assert not hit(index("he has _ knife"), "he has a knife", "fi")


def test_a_pattern_with_endless_variants_is_refused() -> None:
    with pytest.raises(PatternError):
        list(parse(" ".join(["(a b|c d|e f)"] * 6), "en", "now"))


SEVERAL = index("he has _ knife", "beat*", "เขา _ ฆ่า")


@given(st.text(max_size=200))
def test_no_text_whatever_breaks_the_matching(text: str) -> None:
    assert SEVERAL.hits(views(text), {"en"}) <= {"now"}


def test_no_word_of_a_message_stays_behind_in_spacys_memory() -> None:
    found = index("he has _ knife")
    hit(found, "he has a secretword knife")
    assert "secretword" not in found._vocab.strings
