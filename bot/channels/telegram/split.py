"""Cutting a long text into messages that Telegram takes."""

from __future__ import annotations

import re

MOST_UNITS = 4096
"""Characters of one message, counted in UTF-16 code units as Telegram does (Bot API, ``sendMessage``: 1-4096 characters after entities parsing)."""

# Where a text may be cut, the best first: between paragraphs, lines, sentences (also of scripts without a full stop of ours), words.
_CUTS = (re.compile(r"\n\s*\n"), re.compile(r"\n"), re.compile(r"(?<=[.?!…؟۔।])\s+"), re.compile(r"\s+"))
# A space inside a number is no place to cut: "+358 2954 63177".
_IN_NUMBER = re.compile(r"(?<=[0-9)])[ \u00a0\u202f](?=[0-9(])")
_GLUE = "\u2060"


def units(text: str) -> int:
    """Length in UTF-16 code units; half of a surrogate pair counts as one."""
    return sum(2 if ord(character) > 0xFFFF else 1 for character in text)


def split(text: str, most: int = MOST_UNITS) -> list[str]:
    """``text`` in parts of at most ``most`` units, cut at the ends of paragraphs, lines, sentences or words; numbers and links stay whole.

    Only a single word that is longer than a message is cut inside.
    """
    parts: list[str] = []
    rest = text
    while units(rest) > most:
        window = rest[: _reach(rest, most)]
        at, after = _cut(rest, len(window))
        if rest[:at].strip():
            parts.append(rest[:at].rstrip())
        rest = rest[after:]
    if rest.strip() or not parts:
        parts.append(rest)
    return parts


def _reach(text: str, most: int) -> int:
    """How many characters fit."""
    used = 0
    for count, character in enumerate(text):
        used += 2 if ord(character) > 0xFFFF else 1
        if used > most:
            return count
    return len(text)


def _cut(text: str, fits: int) -> tuple[int, int]:
    """(end of the part, begin of the rest), the part at most ``fits`` characters long and where possible at least a third of that."""
    # the glue stands for a space that must stay: same length, and nothing that is cut at
    seen = _IN_NUMBER.sub(_GLUE, text[: fits + 1])
    last: tuple[int, int] | None = None
    for cut in _CUTS:
        found = [match for match in cut.finditer(seen) if 0 < match.start() <= fits]
        if found:
            last = (found[-1].start(), found[-1].end())
            if last[0] >= fits // 3:
                return last
    return last if last is not None else (fits, fits)
