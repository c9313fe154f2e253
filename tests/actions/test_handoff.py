"""Numbers as people type them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.handoff import parse_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("+1 202 555 0143", "+12025550143"),
        ("my number is +1 (202) 555-0143 thanks", "+12025550143"),
        ("001 202 555 0143", "+12025550143"),
        ("+١ ٢٠٢ ٥٥٥ ٠١٤٣", "+12025550143"),
        ("tomorrow at 18", None),
        ("112", None),
        ("12345", None),
        ("", None),
    ],
)
def test_a_number_is_taken_only_when_it_is_one(text: str, number: str | None) -> None:
    assert parse_number(text) == number


@given(st.text(max_size=300))
def test_anything_may_be_written_where_a_number_was_asked(text: str) -> None:
    found = parse_number(text)
    assert found is None or found.startswith("+")
