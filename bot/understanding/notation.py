"""The small notation of ``data/danger/*.yml`` → elements. Words are folded here, so that patterns may be written naturally."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from bot.understanding.corpus import LOADER
from bot.understanding.normalise import clean, fold, words
from bot.understanding.scripts import main_script

SECTIONS = ("now", "possible", "quiet", "minor", "self_harm", "text_only", "not_now", "fishing")
UNSPACED = {"Thai", "Han", "Kana", "Lao", "Khmer", "Myanmar"}
_PART = re.compile(r"\([^()]*\)\??|[^\s()]+")
_EXPANSIONS = 64


class PatternError(ValueError):
    """A pattern file does not keep to docs/data-formats.md."""


@dataclass(frozen=True)
class Element:
    """A gap, or one word of several: whole words and beginnings of words, folded."""

    words: frozenset[str] = frozenset()
    stems: frozenset[str] = frozenset()
    gap: bool = False
    optional: bool = False


@dataclass(frozen=True)
class Pattern:
    """One line of a file. ``spaced`` is false where words are not parted by spaces; each element is then one literal."""

    language: str
    section: str
    elements: tuple[Element, ...]
    spaced: bool = True


def _folded(text: str) -> str:
    return fold(words(clean_word(text)))


def clean_word(word: str) -> str:
    """A pattern's word as a message's word is cleaned, save that stretched letters are the writer's own."""
    return clean(word)


def _alternatives(part: str) -> tuple[list[str], bool]:
    optional = part.endswith("?") and len(part) > 1
    part = part[:-1] if optional else part
    return [a.strip() for a in part.strip("()").split("|") if a.strip()], optional


def parse(line: str, language: str, section: str) -> Iterator[Pattern]:
    """Patterns of one line: several when alternatives of more than one word have to be written out. Raises ``PatternError``."""
    parts = [_alternatives(p) for p in _PART.findall(line)]
    wide = [i for i, (choices, _) in enumerate(parts) if any(" " in c for c in choices)]
    choices_of = [parts[i][0] + ([""] if parts[i][1] else []) for i in wide]
    total = 1
    for c in choices_of:
        total *= len(c)
    if total > _EXPANSIONS:
        raise PatternError(f"{language}/{section}: a pattern with {total} variants")
    for picked in product(*choices_of):
        elements: list[Element] = []
        for i, (choices, optional) in enumerate(parts):
            if i in wide:
                elements += [_element([w], False) for w in picked[wide.index(i)].split()]
            else:
                elements.append(_element(choices, optional))
        elements = [e for e in elements if e.gap or e.words or e.stems]
        while elements and elements[0].gap:
            elements.pop(0)
        while elements and elements[-1].gap:
            elements.pop()
        if any(not e.gap and not e.optional for e in elements):
            letters = "".join(w for e in elements for w in e.words | e.stems)
            yield Pattern(language, section, tuple(elements), main_script(letters) not in UNSPACED)


def _element(choices: list[str], optional: bool) -> Element:
    if choices == ["_"]:
        return Element(gap=True)
    whole: set[str] = set()
    stems: set[str] = set()
    for choice in choices:
        folded = _folded(choice.rstrip("*").lstrip("*"))
        if folded:
            (stems if choice.endswith("*") else whole).add(folded.replace(" ", "") if choice.endswith("*") else folded)
    return Element(frozenset(whole), frozenset(stems), optional=optional)


def _lines(data: Mapping[str, Any], code: str, where: str) -> Iterator[Pattern]:
    for section, lines in data.items():
        if section in ("language", "latin"):
            continue
        if section not in SECTIONS:
            raise PatternError(f"{where}: unknown section {section}")
        for line in lines or []:
            yield from parse(str(line), code, section)


def read(path: Path) -> list[Pattern]:
    """All patterns of a file, those of its ``latin`` part included. Raises ``PatternError``."""
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER) or {}  # noqa: S506 - BaseLoader makes strings only
    except yaml.YAMLError as error:
        raise PatternError(f"{path} is not YAML") from error
    code = str(data.get("language", path.stem))
    return [*_lines(data, code, str(path)), *_lines(data.get("latin") or {}, code, f"{path}, latin")]
