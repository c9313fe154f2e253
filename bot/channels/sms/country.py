"""A guess of the language from the country of a number. Only a guess: what somebody writes always wins."""

from __future__ import annotations

import re

ANSWERABLE = re.compile(r"\+[1-9][0-9]{6,14}")
"""A number in E.164. Short codes and names of senders cannot be answered."""

# Country calling codes (ITU E.164) where one language is by far the likeliest among those of the table of languages. Not here: Finland,
# where everybody may live, and countries that say too little.
_LANGUAGES = {
    "46": "sv", "7": "ru", "375": "ru", "996": "ru", "252": "so", "253": "so", "66": "th", "98": "fa", "93": "fa", "992": "fa",
    "964": "ar", "963": "ar", "962": "ar", "961": "ar", "965": "ar", "966": "ar", "967": "ar", "968": "ar", "970": "ar", "971": "ar", "973": "ar",
    "974": "ar", "20": "ar", "212": "ar", "213": "ar", "216": "ar", "218": "ar", "249": "ar",
    "380": "uk", "372": "et", "84": "vi", "86": "zh", "90": "tr", "34": "es", "33": "fr", "40": "ro", "359": "bg", "36": "hu", "977": "ne",
    "880": "bn", "91": "hi", "92": "ur", "63": "tl", "48": "pl", "351": "pt", "55": "pt", "355": "sq", "383": "sq", "251": "am",
}


def language_of(number: str) -> str | None:
    """The likeliest language of an E.164 number's country, or ``None``."""
    if ANSWERABLE.fullmatch(number) is None:
        return None
    digits = number[1:]
    # calling codes are prefix-free: at most one length fits
    return next((_LANGUAGES[digits[:length]] for length in (1, 2, 3) if digits[:length] in _LANGUAGES), None)
