"""Catalogs: the only source of wording. One gettext file a language, read once, rendered with the settings' facts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

from bot.phrases.languages import LanguageRow, load_languages

SOURCE = "helpline.pot"
SOURCE_LANGUAGE = "en"
FORMS = ("full", "short")
LEFT_TO_RIGHT_ISOLATE, POP_ISOLATE = "\u2066", "\u2069"
PLACEHOLDER = re.compile(r"\{([a-z_0-9]+)\}")
_FACTS = re.compile(r"facts:\s*((?:[SP]\d+)(?:,\s*[SP]\d+)*)")
# A number with spaces or a link would be torn apart by the bidi algorithm in right-to-left text; 112 alone is not.
_NEEDS_ISOLATE = re.compile(r"\d\s+\d|\+\d|[A-Za-z]")


class MissingPhrase(LookupError):
    """A phrase, or a form of it, is in no catalog. The turn that asked for it is void."""


@dataclass(frozen=True)
class Source:
    """One entry of the source: its English text, its facts and what it says to translators."""

    text: str
    plural: str | None
    facts: tuple[str, ...]
    comment: str


def _plural_index(language: str, catalog: Catalog) -> Callable[[int], int]:
    """Map a count to the index of the catalog's plural form, by the catalog's own ``Plural-Forms`` header."""
    from gettext import c2py

    function: Callable[[int], int] = c2py(catalog.plural_expr)
    return function


def read_source(folder: Path) -> dict[str, Source]:
    """Read ``helpline.pot``: context → source entry, in the file's order."""
    with (folder / SOURCE).open("rb") as file:
        catalog = read_po(file)
    result: dict[str, Source] = {}
    for message in catalog:
        if not message.id or message.context is None:
            continue
        comment = " ".join(message.auto_comments)
        found = _FACTS.search(comment)
        facts = tuple(part.strip() for part in found.group(1).split(",")) if found else ()
        singular, plural = (message.id, None) if isinstance(message.id, str) else (message.id[0], message.id[1])
        result[message.context] = Source(singular, plural, facts, comment)
    return result


def read_catalog(folder: Path, language: str) -> tuple[dict[str, tuple[str, ...]], Callable[[int], int]]:
    """Read one language's file: context → its forms (one, or one a plural form), and the count → index function.

    Fuzzy entries (the source changed under them) are still used: an old sentence is better than none; checks name them.
    """
    with (folder / f"{language}.po").open("rb") as file:
        catalog = read_po(file, locale=language)
    texts: dict[str, tuple[str, ...]] = {}
    for message in catalog:
        if not message.id or message.context is None:
            continue
        strings = (message.string,) if isinstance(message.string, str) else tuple(message.string or ())
        if strings and all(strings):
            texts[message.context] = strings
    return texts, _plural_index(language, catalog)


class Phrases:
    """All catalogs, ready to speak. ``facts`` are the settings' numbers and addresses, by placeholder name."""

    def __init__(
        self,
        languages: Mapping[str, LanguageRow],
        texts: Mapping[str, Mapping[str, tuple[str, ...]]],
        plurals: Mapping[str, Callable[[int], int]],
        facts: Mapping[str, str],
    ) -> None:
        self.languages = dict(languages)
        self._texts = texts
        self._plurals = plurals
        self._facts = {"ltr": dict(facts), "rtl": {name: isolated(value) for name, value in facts.items()}}

    @classmethod
    def load(cls, folder: Path, facts: Mapping[str, str]) -> Phrases:
        """Read the table of languages and every language's catalog. Raises ``FileNotFoundError`` for one that lacks a file."""
        languages = load_languages(folder)
        read = {code: read_catalog(folder, code) for code in languages}
        return cls(languages, {code: pair[0] for code, pair in read.items()}, {code: pair[1] for code, pair in read.items()}, facts)

    def direction(self, language: str) -> str:
        """``rtl`` or ``ltr``; an unknown language is ``ltr``."""
        row = self.languages.get(language)
        return row.direction if row else "ltr"

    def has(self, phrase: str, form: str = "full") -> bool:
        """True when the source language has this phrase in this form or as one for both."""
        texts = self._texts[SOURCE_LANGUAGE]
        return f"{phrase}:{form}" in texts or phrase in texts

    def fact(self, name: str) -> str:
        """A value of the settings by its placeholder's name, without isolates."""
        return self._facts["ltr"][name]

    def missing(self, context: str, language: str) -> bool:
        """Whether ``language`` lacks this entry (phrase, or phrase and form)."""
        return not self._texts.get(language, {}).get(context)

    def text(self, phrase: str, language: str, form: str = "full", *, count: int | None = None, **params: str) -> str:
        """Render a phrase. ``form`` is ``full`` or ``short``; ``count`` chooses the plural form and fills ``{days}``.

        Raises ``MissingPhrase`` when the language's catalog has no such phrase or the text wants a value that nobody gave.
        """
        texts = self._texts.get(language)
        if texts is None:
            raise MissingPhrase(f"no catalog for language {language!r}")
        strings = texts.get(f"{phrase}:{form}") or texts.get(phrase)
        if not strings:
            raise MissingPhrase(f"{language}: no phrase {phrase!r} in form {form!r}")
        direction = self.direction(language)
        index = 0 if count is None else min(self._plurals[language](count), len(strings) - 1)
        values: dict[str, Any] = {**self._facts[direction], **params}
        if count is not None:
            values.setdefault("days", str(count))
        try:
            return PLACEHOLDER.sub(lambda found: str(values[found.group(1)]), strings[index])
        except KeyError as missing:
            raise MissingPhrase(f"{language}: phrase {phrase!r} wants {missing}, which was not given") from None


def isolated(value: str) -> str:
    """Wrap a number with spaces or an address so that right-to-left text around it leaves it readable (UAX #9 isolates)."""
    return f"{LEFT_TO_RIGHT_ISOLATE}{value}{POP_ISOLATE}" if _NEEDS_ISOLATE.search(value) else value
