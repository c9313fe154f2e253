"""Every script in Latin letters, and a consonant skeleton that native and Latin spelling of one language share.

Own small tables in the manner of uroman: Cyrillic, Arabic and Thai letter by letter, Greek, and every script whose Unicode
names carry the sound (Indic, Ethiopic, Georgian, Armenian…). Chinese characters stay as they are.
"""

from __future__ import annotations

import re
import unicodedata

_CYRILLIC = dict(
    zip(
        "абвгдежзийклмнопрстуфхцчшщъыьэюяёєіїґўәғқңөұүһҗҳҷӣӯ",
        "a b v g d e zh z i y k l m n o p r s t u f kh ts ch sh sh _ y _ e yu ya e ye i yi g u a gh q n o u u h j h j i u".split(),
        strict=False,
    )
)
_ARABIC = dict(
    zip(
        "ابتثجحخدذرزسشصضطظعغفقكلمنهويىةءآأإؤئپچژگکیۀەێۆڕڵڤھہےںٹڈڑټډړږښګڼۍېځڅ",
        "a b t th j h kh d dh r z s sh s d t z _ gh f q k l m n h w y a h _ a a a w y p ch zh g k y h e e o r l v h h e n t d r t d r zh sh g n y e z ts".split(),
        strict=False,
    )
)
_THAI = dict(
    zip(
        "กขฃคฅฆงจฉชซฌญฎฏฐฑฒณดตถทธนบปผฝพฟภมยรลวศษสหฬอฮฤะัาิีึืุูเแโใไๅๆํ็",
        "k kh kh kh kh kh ng j ch ch s ch y d t th th th n d t th th th n b p ph f ph f ph m y r l w s s s h l o h ru a a a i i ue ue u u e ae o ai ai a _ m _".split(),
        strict=False,
    )
)
_GREEK = dict(zip("αβγδεζηθικλμνξοπρστυφχψως", "a v g d e z i th i k l m n x o p r s t y f kh ps o s".split(), strict=False))
_GEORGIAN = dict(zip("აბგდევზთიკლმნოპჟრსტუფქღყშჩცძწჭხჯჰ", "a b g d e v z t i k l m n o p zh r s t u p k gh q sh ch ts dz ts ch kh j h".split(), strict=False))
_TABLE: dict[int, str] = {}
for _letters in (_CYRILLIC, _ARABIC, _THAI, _GREEK, _GEORGIAN):
    _TABLE.update({ord(k): v.replace("_", "") for k, v in _letters.items()})
_TABLE.update({p: "" for p in (*range(0x64B, 0x660), 0x670, 0x640, *range(0xE48, 0xE4D), 0x200C, 0x200D)})
_PREPOSED = re.compile("([เแโใไ])([ก-ฮ])")
_SIGN = "\x00"  # marks a sound that replaces the inherent vowel before it
_INHERENT = re.compile(f"a{_SIGN}")


def _by_name(character: str) -> str:
    """What a letter's Unicode name says about its sound, or the character itself."""
    try:
        name = unicodedata.name(character)
    except ValueError:
        return character
    last = name.rsplit(" ", 1)[-1].lower()
    if "VOWEL SIGN" in name:
        return _SIGN + last.replace("aa", "a").replace("ii", "i").replace("uu", "u")
    if "VIRAMA" in name or "SIGN AL-LAKUNA" in name:
        return _SIGN
    if "ANUSVARA" in name or "CANDRABINDU" in name:
        return "n"
    if ("SYLLABLE" in name and "CJK" not in name and "HANGUL" not in name) or (" LETTER " in name and "LATIN" not in name):
        return last if last.isascii() and len(last) <= 6 else character
    if name.startswith("HANGUL SYLLABLE"):
        return last
    if " DIGIT " in name:
        return str(unicodedata.digit(character, 0))
    return character


class _Table(dict[int, str]):
    """Fills itself; bounded by the number of characters in Unicode."""

    def __missing__(self, point: int) -> str:
        character = chr(point)
        if point < 0x80:
            made = character
        elif point < 0x250 or 0x1E00 <= point < 0x1F00:
            made = "".join(c for c in unicodedata.normalize("NFKD", character) if c < "\x80") or _LATIN.get(character, "")
        elif 0x4E00 <= point < 0xA000 or 0x3400 <= point < 0x4DC0:
            made = character
        elif unicodedata.category(character) == "Mn" and unicodedata.combining(character) not in (0, 9):
            made = ""
        else:
            made = _by_name(character)
        self[point] = made
        return made


_LATIN = {"ß": "ss", "æ": "ae", "ø": "o", "đ": "d", "ł": "l", "ı": "i", "ŋ": "ng", "þ": "th", "ð": "d", "œ": "oe", "ə": "e", "ƒ": "f"}
_CHARACTERS = _Table(_TABLE)


def romanise(text: str) -> str:
    """Lower-case text of any script in Latin letters without diacritics; other signs stay. Linear time, about as long as the text."""
    text = _PREPOSED.sub(r"\2\1", text.replace(_SIGN, ""))
    made = text.translate(_CHARACTERS)
    if _SIGN in made:
        made = _INHERENT.sub("", made).replace(_SIGN, "")
    return made


_DIGITS = str.maketrans({"2": "", "3": "", "5": "h", "6": "t", "7": "h", "8": "g", "9": "s", "'": "", "’": "", "`": "", "ʼ": ""})
_ARABIZI = re.compile(r"[a-z2356789'’`ʼ]{2,}")
_DIGRAPHS = re.compile("shch|sch|kh|gh|sh|zh|th|dh|ch|ts|tz|tj|sj|ck|ph|ng|qu|ou|dj")
_DIGRAPH_SOUNDS = {
    "shch": "s", "sch": "s", "kh": "h", "gh": "g", "sh": "s", "zh": "z", "th": "t", "dh": "d", "ch": "c", "ts": "c", "tz": "c", "tj": "c",
    "sj": "s", "ck": "k", "ph": "p", "ng": "n", "qu": "k", "ou": "", "dj": "j",
}  # fmt: skip
_VOWELS = re.compile(r"(?<=\w)[aeiouyw]")
_FIRST_VOWEL = re.compile(r"\b[aeiouyw]+")
_SOUNDS = str.maketrans({"x": "h", "q": "k", "v": "v", "z": "z", "f": "f"})
_DOUBLED = re.compile(r"([a-z])\1+")


def _sounded(match: re.Match[str]) -> str:
    word = match.group()
    return word.translate(_DIGITS) if not word.isdigit() else word


def skeleton(latin: str) -> str:
    """Consonants of a romanised text: ``pomogite`` and ``помогите`` → ``pmgt``; ``sa3idni`` and ``ساعدني`` → ``sdn``.

    An initial vowel becomes ``a``. Chat digits (Arabizi) inside words are read as letters.
    """
    text = _ARABIZI.sub(_sounded, latin)
    text = _DIGRAPHS.sub(lambda m: _DIGRAPH_SOUNDS[m.group()], text)
    text = _VOWELS.sub("", _FIRST_VOWEL.sub("a", text))
    return _DOUBLED.sub(r"\1", text.translate(_SOUNDS))
