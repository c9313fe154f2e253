"""Made variants of a training text: slips of the thumb, lost diacritics, another script in Latin letters. Only for training."""

from __future__ import annotations

import numpy as np

from bot.understanding.normalise import fold
from bot.understanding.romanise import romanise

SHARE_SLIPS, SHARE_PLAIN_LETTERS = 0.2, 0.2


def varied(text: str, generator: np.random.Generator) -> str:
    """The text as it is (mostly), with slips, or in plain Latin letters."""
    chance = generator.random()
    if chance < SHARE_SLIPS:
        return slipped(text, generator)
    if chance < SHARE_SLIPS + SHARE_PLAIN_LETTERS:
        latin = romanise(text.casefold()) if not text.isascii() else text.casefold()
        return fold(latin) or text
    return text


def slipped(text: str, generator: np.random.Generator) -> str:
    """One slip for about every twelve letters: a letter lost, doubled, swapped with the next, or a space lost."""
    letters = list(text)
    for _ in range(max(1, len(letters) // 12)):
        if len(letters) < 4:
            break
        at = int(generator.integers(0, len(letters) - 1))
        kind = generator.random()
        if kind < 0.35:
            del letters[at]
        elif kind < 0.55:
            letters.insert(at, letters[at])
        elif kind < 0.85:
            letters[at], letters[at + 1] = letters[at + 1], letters[at]
        elif letters[at] == " ":
            del letters[at]
    return "".join(letters)
