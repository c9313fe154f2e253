"""Words of a text with their places, by the tokenizer of its language: spaCy's blank pipelines, pythainlp for Thai."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

import spacy

GENERAL = "xx"
RENAMED = {"no": "nb", "ku": "kmr"}
MAX_LENGTH = 10_000


@lru_cache(maxsize=32)
def _pipeline(code: str) -> Any:
    """A blank pipeline; the general one where spaCy knows no rules or would need a further package."""
    try:
        if code == "vi":
            return spacy.blank("vi", config={"nlp": {"tokenizer": {"use_pyvi": False}}})
        if code == "zh":
            return spacy.blank("zh")  # by character: no segmenter is loaded
        if code in ("ja", "ko", "th"):
            return spacy.blank(GENERAL)
        return spacy.blank(RENAMED.get(code, code))
    except (ImportError, ValueError, OSError):
        return spacy.blank(GENERAL)


def tokenize(text: str, language: str) -> list[tuple[str, int]]:
    """(word, offset) for every word and sign; concatenated they are the text without its spaces. Any ``str`` and any code do.

    spaCy keeps the words that it has seen in its string store; the store is a new one for every call, so that no message outlives it.
    """
    text = text[:MAX_LENGTH]
    if language == "th":
        os.environ.setdefault("PYTHAINLP_OFFLINE", "1")
        from pythainlp.tokenize import word_tokenize

        found, at = [], 0
        for word in word_tokenize(text, engine="newmm", keep_whitespace=True):
            if word.strip():
                found.append((word, at))
            at += len(word)
        return found
    pipeline = _pipeline(language if language.isalpha() else GENERAL)
    with pipeline.memory_zone():
        return [(token.text, token.idx) for token in pipeline.make_doc(text) if not token.is_space]
