"""SMS segments: how many a text takes, and cutting a text that takes too many.

The counting is the library smsutil's: GSM 03.38 with its extension table (160 septets, 153 a part), else UTF-16 (70
units, 67 a part), per 3GPP TS 23.038 and 23.040.
"""

from __future__ import annotations

import re

import smsutil

MAX_SEGMENTS = 3
_SENTENCE_END = re.compile(r"(?<=[.!?؟。।။])\s+|\n+")


def count_segments(text: str) -> int:
    """Return the number of SMS segments that ``text`` takes (at least 1). Lone surrogates count as one unit each."""
    clean = text.encode("utf-16-be", "replace").decode("utf-16-be")
    return max(1, len(smsutil.split(clean).parts))


def fits_gsm(text: str) -> bool:
    """Whether ``text`` needs nothing but the GSM 03.38 alphabet: 160 characters a segment instead of 70."""
    return bool(smsutil.is_valid_gsm(text))


def cut_to_segments(text: str, limit: int = MAX_SEGMENTS) -> list[str]:
    """Split ``text`` at sentence ends into texts of at most ``limit`` segments each, never inside a number or a link.

    A single sentence that is too long by itself is split at spaces; a word without spaces that is too long (no phrase
    of ours) is returned whole.
    """
    if count_segments(text) <= limit:
        return [text]
    pieces = [piece for piece in _SENTENCE_END.split(text) if piece]
    if len(pieces) == 1:
        pieces = _words(text)
        if len(pieces) == 1:
            return [text]
    result: list[str] = []
    current = ""
    for piece in pieces:
        candidate = f"{current} {piece}" if current else piece
        if current and count_segments(candidate) > limit:
            result.append(current)
            current = piece
        else:
            current = candidate
    result.append(current)
    return [part for whole in result for part in ([whole] if count_segments(whole) <= limit else cut_to_segments(whole, limit))]


def _words(text: str) -> list[str]:
    """Words of ``text``; digits separated by single spaces (a phone number) stay together."""
    return [word for word in re.split(r"(?<![0-9+])\s+|\s+(?![0-9])", text) if word]
