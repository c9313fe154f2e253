"""``helpline parse``: one text in, what it was understood as out. Imports no Rasa."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bot.engine.agent_model import load_understander
from bot.engine.converse_lines import text_of
from bot.model import Understanding
from bot.settings import Settings


def parser(settings: Settings) -> Callable[[dict[str, Any]], Mapping[str, Any]]:
    """Load what understands and return a function from a line's object to the answer's. Raises ``ModelError``."""
    understander = load_understander(settings.model)
    return lambda row: understood(understander.parse(text_of(row, "text")))


def understood(read: Understanding) -> dict[str, Any]:
    """The fields of ``helpline parse``."""
    return {
        "text": read.text,
        "language": read.language,
        "language_confidence": round(read.language_confidence, 4),
        "intent": read.intent,
        "confidence": round(read.confidence, 4),
        "danger": read.danger.value,
        "flags": sorted(flag.value for flag in read.flags),
    }
