"""One text as several views, all pure functions in linear time: what the encoder reads, what patterns and n-grams read."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from bot.understanding.romanise import romanise, skeleton

MAX_LENGTH = 10_000  # characters; beyond it the beginning and the end are read
_TAIL = 2_000

_EMOJI = {
    "🆘": "sos", "🔪": "knife", "🗡": "knife", "🔫": "gun", "🚓": "police", "🚔": "police", "👮": "police", "🚑": "ambulance", "🩸": "blood",
    "👍": "ok", "👎": "no", "✅": "ok", "❌": "no", "🤫": "quiet", "🤐": "quiet", "📞": "call", "☎": "call", "👋": "hello",
}  # fmt: skip
_KEEP_CONTROLS = {"\n": " ", "\t": " ", "\r": " ", "\u200c": " ", "\u2028": " ", "\u2029": " ", "\u0640": "", "\u200b": "", "\ufeff": ""}


class _Clean(dict[int, str]):
    """Character → what is left of it; fills itself."""

    def __missing__(self, point: int) -> str:
        character = chr(point)
        category = unicodedata.category(character)
        if character in _KEEP_CONTROLS:
            made = _KEEP_CONTROLS[character]
        elif character in _EMOJI:
            made = f" {_EMOJI[character]} "
        elif category in ("Cc", "Cf", "Cs", "Co", "Cn") or 0xFE00 <= point <= 0xFE0F:
            made = ""
        elif category == "Zs":
            made = " "
        elif category == "So" or 0x1F3FB <= point <= 0x1F3FF:
            made = " "
        elif 0x64B <= point <= 0x65F or point == 0x670:
            made = ""  # Arabic vowel signs
        elif category == "Nd":
            made = str(unicodedata.digit(character))
        else:
            made = character
        self[point] = made
        return made


class _Words(dict[int, str]):
    """Letters, marks and digits stay; an apostrophe vanishes; everything else parts words."""

    def __missing__(self, point: int) -> str:
        character = chr(point)
        made = character if unicodedata.category(character)[0] in "LMN" else ("" if character in "'’`´ʼʻ" else " ")
        self[point] = made
        return made


_FOLDS = {
    "ё": "е", "أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ی", "ي": "ی", "ئ": "ی", "ك": "ک", "ة": "ه", "ۀ": "ه", "ە": "ه", "ؤ": "و", "ھ": "ه",
    "ß": "ss", "æ": "ae", "ø": "o", "đ": "d", "ł": "l", "ı": "i", "œ": "oe",
}  # fmt: skip


class _Fold(dict[int, str]):
    """Latin diacritics, Arabic letter variants, Thai tone marks."""

    def __missing__(self, point: int) -> str:
        character = chr(point)
        if character in _FOLDS:
            made = _FOLDS[character]
        elif 0xC0 <= point < 0x250 or 0x1E00 <= point < 0x1F00:
            made = "".join(c for c in unicodedata.normalize("NFKD", character) if not unicodedata.combining(c))
        elif 0x300 <= point < 0x370 or 0xE47 <= point <= 0xE4E:
            made = ""
        else:
            made = character
        self[point] = made
        return made


_CLEAN, _WORDS, _FOLD = _Clean(), _Words(), _Fold()
_STRETCHED = re.compile(r"([^\W\d_])\1{2,}")
_REPEATED_SIGN = re.compile(r"([^\w\s])\1+")
_LONG_DIGITS = re.compile(r"\d{25,}")
_SPACES = re.compile(r"\s+")
_DOTTED = re.compile(r"(?<!\w)[^\W\d_](?:([.\-_*/+~])[^\W\d_])(?:\1[^\W\d_]){1,}(?!\w)")
_SPACED = re.compile(r"(?<!\w)[a-zà-žа-яё](?: [a-zà-žа-яё]){3,}(?!\w)")
_MASKED = re.compile(r"(?<=[^\W\d_])[@$](?=[^\W\d_])")
_LEET = re.compile(r"[a-z0-9]{3,}")
_LEET_LETTERS = str.maketrans("013457", "oieast")


def cut(text: str) -> str:
    """At most `MAX_LENGTH` characters: the beginning and the end, where the wish usually stands."""
    return text if len(text) <= MAX_LENGTH else text[: MAX_LENGTH - _TAIL - 1] + " " + text[-_TAIL:]


def clean(text: str) -> str:
    """For the encoder: NFKC, lower case, no control, zero-width or bidi characters, no lone surrogates, stretched letters and hidden words undone."""
    text = unicodedata.normalize("NFKC", cut(text).translate(_CLEAN))[: 4 * MAX_LENGTH].lower()
    if "ё" in text:
        text = text.replace("ё", "е")
    text = _STRETCHED.sub(r"\1", text)
    text = _REPEATED_SIGN.sub(r"\1", text)
    text = _DOTTED.sub(lambda m: m.group().replace(m.group(1), ""), text)
    text = _SPACED.sub(lambda m: m.group().replace(" ", ""), text)
    if "@" in text or "$" in text:
        text = _MASKED.sub(lambda m: "a" if m.group() == "@" else "s", text)
    text = _LONG_DIGITS.sub(lambda m: m.group()[:25], text)
    return _SPACES.sub(" ", text).strip()[:MAX_LENGTH]


def words(cleaned: str) -> str:
    """Letters, marks and digits of a clean text, parted by single spaces."""
    return " ".join(cleaned.translate(_WORDS).split())


def fold(text: str) -> str:
    """Without Latin diacritics, Arabic letter variants and Thai tone marks."""
    return " ".join(text.translate(_FOLD).split())


def unleet(text: str) -> str:
    """``h3lp`` → ``help``: digits inside Latin words read as the letters they look like."""
    return _LEET.sub(lambda m: m.group() if m.group().isdigit() else m.group().translate(_LEET_LETTERS), text)


@dataclass(frozen=True)
class Views:
    """One message, seen in every way that somebody needs. ``clean`` keeps punctuation; the others are words and single spaces."""

    clean: str
    words: str
    folded: str
    latin: str
    skeleton: str


def views(text: str) -> Views:
    """All views of a text; bounded time for any ``str``."""
    cleaned = clean(text)
    plain = words(cleaned)
    latin = " ".join(romanise(plain).split())
    return Views(cleaned, plain, fold(plain), latin, " ".join(skeleton(latin).split()))
