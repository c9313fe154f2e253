"""Made variants of training texts: close to what thumbs write, and the same for the same seed."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bot.understanding.augment import slipped, varied
from bot.understanding.corpus import held_from_fitting


@given(st.text(max_size=200), st.integers(min_value=0, max_value=2**31))
def test_any_text_can_be_varied_and_a_seed_gives_the_same_again(text: str, seed: int) -> None:
    assert varied(text, np.random.default_rng(seed)) == varied(text, np.random.default_rng(seed))


@given(st.text(alphabet="abcdefgh ", min_size=12, max_size=60), st.integers(min_value=0, max_value=2**31))
def test_a_slip_changes_a_word_by_few_letters(text: str, seed: int) -> None:
    made = slipped(text, np.random.default_rng(seed))
    assert abs(len(made) - len(text)) <= max(1, len(text) // 12)


def test_a_thai_cry_for_help_is_also_shown_in_latin_letters() -> None:
    made = {varied("ช่วยด้วย", np.random.default_rng(seed)) for seed in range(60)}
    assert any(text.isascii() and text for text in made)


def test_one_text_in_eight_is_kept_from_the_encoder_whatever_the_order() -> None:
    share = np.mean([held_from_fitting(f"text {n}") for n in range(4000)])
    assert 0.1 < share < 0.15
    assert all(held_from_fitting(f"text {n}") for n in range(4000) if held_from_fitting(f"text {n}", 16))
