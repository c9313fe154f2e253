"""Which script a text is written in, and what the script alone says about its language."""

from __future__ import annotations

import unicodedata
from collections import Counter

_RANGES = (
    (0x41, 0x24F, "Latin"), (0x1E00, 0x1EFF, "Latin"), (0x370, 0x3FF, "Greek"), (0x400, 0x52F, "Cyrillic"), (0x530, 0x58F, "Armenian"),
    (0x590, 0x5FF, "Hebrew"), (0x600, 0x6FF, "Arabic"), (0x750, 0x77F, "Arabic"), (0xFB50, 0xFEFF, "Arabic"), (0x900, 0x97F, "Devanagari"),
    (0x980, 0x9FF, "Bengali"), (0xA00, 0xA7F, "Gurmukhi"), (0xA80, 0xAFF, "Gujarati"), (0xB80, 0xBFF, "Tamil"), (0xC00, 0xC7F, "Telugu"),
    (0xC80, 0xCFF, "Kannada"), (0xD00, 0xD7F, "Malayalam"), (0xD80, 0xDFF, "Sinhala"), (0xE00, 0xE7F, "Thai"), (0xE80, 0xEFF, "Lao"),
    (0xF00, 0xFFF, "Tibetan"), (0x1000, 0x109F, "Myanmar"), (0x10A0, 0x10FF, "Georgian"), (0x1200, 0x139F, "Ethiopic"), (0x1780, 0x17FF, "Khmer"),
    (0x3040, 0x30FF, "Kana"), (0x3400, 0x9FFF, "Han"), (0xAC00, 0xD7AF, "Hangul"),
)  # fmt: skip

# Scripts that (among the languages people are likely to write here) one language uses.
ONE_LANGUAGE = {
    "Greek": "el", "Armenian": "hy", "Hebrew": "he", "Bengali": "bn", "Gurmukhi": "pa", "Gujarati": "gu", "Tamil": "ta", "Telugu": "te",
    "Kannada": "kn", "Malayalam": "ml", "Sinhala": "si", "Thai": "th", "Lao": "lo", "Tibetan": "bo", "Myanmar": "my", "Georgian": "ka",
    "Khmer": "km", "Kana": "ja", "Han": "zh", "Hangul": "ko",
}  # fmt: skip

# Where a script is shared: letters that only one of its languages has.
TELLING_LETTERS = {
    "ckb": "ەۆڵڕێڤ",
    "ps": "ټډړږښځڅۍېګڼ",
    "ur": "ٹڈڑںےہھ",
    "uk": "іїєґ",
    "be": "ў",
    "kk": "әғқңөұүһ",
    "sr": "ђћџљњј",
    "mk": "ѓќѕ",
}
NON_LATIN_LANGUAGES = {
    "ru": "Cyrillic", "uk": "Cyrillic", "bg": "Cyrillic", "sr": "Cyrillic", "mk": "Cyrillic", "be": "Cyrillic", "kk": "Cyrillic", "mn": "Cyrillic",
    "ky": "Cyrillic", "ar": "Arabic", "fa": "Arabic", "ur": "Arabic", "ckb": "Arabic", "ps": "Arabic", "ug": "Arabic", "hi": "Devanagari",
    "ne": "Devanagari", "mr": "Devanagari", "am": "Ethiopic", "ti": "Ethiopic",
    **{code: script for script, code in ONE_LANGUAGE.items()},
}  # fmt: skip


def script_of(character: str) -> str | None:
    """Name of the script of a letter or mark; ``None`` for digits, punctuation and scripts that we do not tell apart."""
    point = ord(character)
    if point < 0x80:
        return "Latin" if character.isalpha() else None
    for low, high, name in _RANGES:
        if low <= point <= high:
            return name if unicodedata.category(character)[0] in "LM" else None
    return None


def language_script(code: str) -> str:
    """The script that a language is normally written in."""
    return NON_LATIN_LANGUAGES.get(code, "Latin")


def main_script(text: str) -> str | None:
    """The script of a text: another than Latin when it makes up three tenths of the letters (Latin names and brands mix in), else Latin."""
    counts: Counter[str] = Counter()
    for character in text[:2000]:
        name = script_of(character)
        if name:
            counts[name] += 1
    total = sum(counts.values())
    if not total:
        return None
    if counts["Kana"]:
        counts["Kana"] += counts.pop("Han", 0)
    others = [(n, name) for name, n in counts.items() if name != "Latin"]
    if others and max(others)[0] >= 0.3 * total:
        return max(others)[1]
    return "Latin" if counts["Latin"] else max(others)[1]


def telling_language(text: str) -> str | None:
    """A language whose own letters stand in the text, if exactly one language's do."""
    found = [code for code, letters in TELLING_LETTERS.items() if any(c in letters for c in text)]
    return found[0] if len(found) == 1 else None
