"""Texts on their way into Rasa."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.engine.dialogue_text import neutralise, parse_data
from bot.model import Danger, Flag, Understanding

INVISIBLE = " \t\n\u200b\u200d\u2060\ufeff\u202e\u00ad\0"


@pytest.mark.parametrize("text", ["/restart", "／restart", " / /restart", "\u200b\u2044restart", "\ufeff∕⧸restart"])
def test_a_command_loses_its_slashes_however_they_are_written(text: str) -> None:
    assert neutralise(text) == "restart"


def test_slashes_inside_a_text_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    assert neutralise("he/she 24/7") == "he/she 24/7"
    assert neutralise("  hello") == "  hello"


@given(st.text(alphabet=st.one_of(st.sampled_from("/／⁄∕⧸╱" + INVISIBLE), st.characters()), max_size=60))
def test_no_text_begins_with_a_slash_after_any_normalising(text: str) -> None:
    clean = neutralise(text)
    clean.encode("utf-8")
    assert "\0" not in clean
    for form in ("NFC", "NFKC", "NFKD"):
        visible = "".join(c for c in unicodedata.normalize(form, clean) if unicodedata.category(c) not in {"Cc", "Cf", "Mn", "Me"})  # type: ignore[arg-type]
        assert not visible.strip().startswith("/")


def test_an_understanding_becomes_rasas_parse_data() -> None:
    seen = Understanding("/hi", "fi", 0.9, "greet", 0.8, Danger.NONE, frozenset({Flag.MINOR}), (("greet", 0.8), ("thank", 0.1)))
    data = parse_data(seen)
    assert data["text"] == "hi"
    assert data["intent"] == {"name": "greet", "confidence": 0.8}
    assert data["flags"] == ["minor"]
    assert parse_data(seen, "nlu_fallback")["intent"]["name"] == "nlu_fallback"
