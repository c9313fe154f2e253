"""SMS segments as a person's phone bill and screen see them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.phrases.segments import count_segments, cut_to_segments


@pytest.mark.parametrize(
    ("text", "segments"),
    [("a" * 160, 1), ("a" * 161, 2), ("ä" * 160, 1), ("€" * 80, 1), ("€" * 81, 2), ("а" * 70, 1), ("а" * 71, 2), ("а" * 134, 2), ("а" * 135, 3), ("", 1), ("\ud800", 1)],
)
def test_segments_are_counted_as_the_network_does(text: str, segments: int) -> None:
    assert count_segments(text) == segments


@given(st.text(max_size=2000))
def test_any_text_can_be_counted(text: str) -> None:
    assert count_segments(text) >= 1


SENTENCE = st.lists(st.text(alphabet="abcdeåäö", min_size=1, max_size=12), min_size=1, max_size=25).map(lambda words: " ".join(words) + ".")


@given(st.lists(SENTENCE, min_size=1, max_size=30))
def test_a_long_answer_is_cut_into_parts_that_fit_and_loses_no_word(sentences: list[str]) -> None:
    text = " ".join(sentences)
    parts = cut_to_segments(text)
    assert all(count_segments(part) <= 3 for part in parts)
    assert " ".join(parts).split() == text.split()


@given(st.integers(min_value=1, max_value=60), st.integers(min_value=1, max_value=60))
def test_a_phone_number_is_never_cut(before: int, after: int) -> None:
    text = "word " * before * 6 + "+358 2954 63177 " + "word " * after * 6
    assert sum("+358 2954 63177" in part for part in cut_to_segments(text.strip())) == 1
    assert all(re.search(r"\d", part) is None or "+358 2954 63177" in part for part in cut_to_segments(text.strip()))
