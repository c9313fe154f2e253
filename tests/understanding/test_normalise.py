"""Messages as thumbs, keyboards and people who hide write them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.understanding.normalise import MAX_LENGTH, clean, fold, unleet, views
from bot.understanding.romanise import romanise, skeleton


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("HEEELP!!!", "help!"),
        ("h.e.l.p me", "help me"),
        ("h e l p", "help"),
        ("ｈｅｌｐ", "help"),
        ("he\u200blp", "help"),
        ("\u202ehelp\u202c", "help"),
        ("p@ssport", "passport"),
        ("١١٢", "112"),
        ("سـاعـدني", "ساعدني"),
        ("سَاعِدْنِي", "ساعدني"),
        ("Ёлка", "елка"),
        ("🆘", "sos"),
        ("hi \ud83d there", "hi there"),
        ("300000", "300000"),
    ],
)
def test_a_person_who_writes_it_strangely_is_read_plainly(written: str, meant: str) -> None:
    assert clean(written) == meant


def test_a_person_with_a_persian_keyboard_and_one_with_an_arabic_one_write_the_same_word() -> None:
    assert fold("كتابي") == fold("کتابی")


def test_a_person_who_swaps_letters_for_digits_is_understood_but_112_stays_a_number() -> None:
    assert unleet("h3lp 112") == "help 112"


@pytest.mark.parametrize(
    ("native", "latin"),
    [("помогите мне", "pomogite mne"), ("ساعدني", "sa3edni"), ("کمک کنید", "komak konid"), ("пожалуйста", "pozhaluysta")],
)
def test_a_person_without_their_own_keyboard_shares_a_skeleton_with_one_who_has_it(native: str, latin: str) -> None:
    assert views(native).skeleton == views(latin).skeleton


@given(st.text(max_size=300))
def test_no_text_whatever_breaks_the_reading_of_it(text: str) -> None:
    seen = views(text)
    assert len(seen.clean) <= MAX_LENGTH
    assert all(part == " ".join(part.split()) for part in (seen.words, seen.folded, seen.latin, seen.skeleton))
    assert clean(seen.clean.replace("\u0307", "")) == clean(clean(seen.clean.replace("\u0307", "")))


@given(st.text(alphabet=st.characters(blacklist_categories=("Cs",)), max_size=100))
def test_what_a_person_wrote_in_latin_letters_stays_latin(text: str) -> None:
    ascii_part = "".join(c for c in text.lower() if c.isascii() and c != "\0")
    assert romanise(ascii_part) == ascii_part
    assert skeleton(ascii_part).isascii()


@settings(deadline=None, max_examples=20)
@given(st.text(min_size=1, max_size=4))
def test_ten_thousand_characters_of_anything_keep_nobody_waiting(piece: str) -> None:
    start = time.process_time()
    views((piece * MAX_LENGTH)[:MAX_LENGTH])
    assert time.process_time() - start < 1.0
