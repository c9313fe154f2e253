"""Words of a message, in any language."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.understanding.tokens import tokenize


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [("help me now", "en", ["help", "me", "now"]), ("ช่วยฉันด้วย", "th", ["ช่วย", "ฉัน", "ด้วย"]), ("帮帮我", "zh", ["帮", "帮", "我"])],
)
def test_a_message_is_cut_into_the_words_of_its_language(text: str, language: str, expected: list[str]) -> None:
    assert [word for word, _ in tokenize(text, language)] == expected


@given(st.text(max_size=80), st.sampled_from(["en", "fi", "so", "ckb", "th", "vi", "xx", "und", "../etc"]))
def test_every_sign_that_a_person_wrote_stands_where_it_was(text: str, language: str) -> None:
    for word, start in tokenize(text, language):
        assert text[start : start + len(word)] == word
