"""What goes into Rasa as a message: text without command slashes, and an understanding in Rasa's shape."""

from __future__ import annotations

import unicodedata
from typing import Any

from bot.model import Understanding

# Solidus look-alikes that a normaliser would turn into "/": full-width, fraction, division, big, and box-drawing ones.
_SLASHES = frozenset("/／⁄∕⧸╱〳")
# Rasa's own commands: never taken from a person's message.
RESERVED_INTENTS = frozenset({"restart", "back", "session_start", "out_of_context"})


def neutralise(text: str) -> str:
    """Return ``text`` such that Rasa cannot read a command from it: no leading slash of any form, no NUL, no lone surrogate.

    Invisible characters and spaces in front of and between leading slashes go with them. Nothing else changes.
    """
    clean = "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in text if character != "\0")
    start = 0
    seen = False
    while start < len(clean) and (clean[start] in _SLASHES or _is_invisible(clean[start])):
        seen = seen or clean[start] in _SLASHES
        start += 1
    return clean[start:] if seen else clean


def _is_invisible(character: str) -> bool:
    return character.isspace() or unicodedata.category(character) in {"Cc", "Cf", "Mn", "Me", "Zs", "Zl", "Zp"}


def parse_data(understanding: Understanding, intent: str | None = None) -> dict[str, Any]:
    """Return Rasa's parse data of an understanding; ``intent`` takes the place of the understood one (a button, a fallback)."""
    name = intent if intent is not None else understanding.intent
    confidence = 1.0 if intent is not None else understanding.confidence
    return {
        "text": neutralise(understanding.text),
        "intent": {"name": name, "confidence": confidence},
        "intent_ranking": [{"name": other, "confidence": probability} for other, probability in understanding.ranking],
        "entities": [],
        "language": understanding.language,
        "danger": understanding.danger.value,
        "flags": sorted(flag.value for flag in understanding.flags),
    }
