"""What is wrong with the catalogs, said so that a translator can mend it. ``helpline check`` prints it; CI wants none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import tomli
import yaml
from babel.messages.pofile import read_po

from bot.phrases.catalog import PLACEHOLDER, SOURCE, Phrases, Source, read_catalog, read_source
from bot.phrases.languages import load_languages
from bot.phrases.segments import MAX_SEGMENTS, count_segments, fits_gsm

PREVIEW = 60
# A message of two full forms, or of a form and its choices, still fits one screen of a small phone.
FULL_LIMIT = 680
LABEL_LIMIT, SHORT_LABEL_LIMIT = 26, 12
# Values of the settings that name the subject by themselves.
NAMING = ("email", "site")
# The short form leaves the third segment to the choices under it.
SHORT_SEGMENTS = 2
_FACT_ROW = re.compile(r"^\|\s*([SP]\d+)\s*\|", re.MULTILINE)


@dataclass(frozen=True)
class Problem:
    """One thing to mend: the language's code, the phrase's context, and what to do."""

    language: str
    context: str
    what: str

    def __str__(self) -> str:
        return f"{self.language}: {self.context}: {self.what}"


def known_facts(document: Path) -> frozenset[str]:
    """The ids of the tables in ``docs/facts.md``."""
    return frozenset(_FACT_ROW.findall(document.read_text(encoding="utf-8")))


def check_catalogs(folder: Path, facts: Mapping[str, str], fact_ids: frozenset[str]) -> list[Problem]:
    """All problems of all catalogs. ``facts``: placeholder → value; ``fact_ids``: the ids that may be named."""
    source = read_source(folder)
    problems = list(_check_source(source, facts, fact_ids))
    languages = load_languages(folder)
    subject = tomli.loads((folder / "subject-words.toml").read_text(encoding="utf-8"))
    for code in languages:
        if not (folder / f"{code}.po").exists():
            problems.append(Problem(code, "catalog", f"translations/{code}.po is missing"))
    if any(problem.context == "catalog" for problem in problems):
        return problems
    phrases = Phrases.load(folder, facts)
    every = tuple(word for words in subject.values() for word in words if not word.isascii() or len(word) > 5)
    for code in languages:
        problems += _check_language(folder, code, source, phrases, tuple(subject.get(code, ())))
        problems += _check_previews(code, source, phrases, (*subject.get(code, ()), *every))
    return problems


def check_repository(root: Path, facts: Mapping[str, str]) -> list[Problem]:
    """All checks of a whole copy of the repository at ``root``."""
    catalogs = root / "translations"
    return [*check_catalogs(catalogs, facts, known_facts(root / "docs" / "facts.md")), *check_erase_words(catalogs, root / "data" / "keywords")]


def check_erase_words(folder: Path, keywords: Path) -> list[Problem]:
    """The word that people are told to write in order to erase must be one that is understood: in ``data/keywords`` under ``erase``."""
    problems = []
    for code in load_languages(folder):
        word = read_catalog(folder, code)[0].get("word.erase", ("",))[0]
        table = yaml.load((keywords / f"{code}.yml").read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # noqa: S506 - strings only
        if word.casefold() not in {str(one).casefold() for one in table.get("erase") or ()}:
            problems.append(Problem(code, "word.erase", f"is not under erase in data/keywords/{code}.yml"))
    return problems


def _check_source(source: Mapping[str, Source], facts: Mapping[str, str], fact_ids: frozenset[str]) -> Iterator[Problem]:
    known = set(facts) | {"days", "erase_word", "name"}
    for context, entry in source.items():
        for fact in entry.facts:
            if fact not in fact_ids:
                yield Problem("source", context, f"names the fact {fact}, which docs/facts.md does not have")
        for name in PLACEHOLDER.findall(entry.text):
            if name not in known:
                yield Problem("source", context, f"has the placeholder {{{name}}}, which nothing fills")
        if PLACEHOLDER.search(entry.text) and "facts:" not in entry.comment and set(PLACEHOLDER.findall(entry.text)) & {"line", "emergency", "email"}:
            if not context.startswith("page."):
                yield Problem("source", context, "states a number or an address, and names no fact")


def _check_language(folder: Path, code: str, source: Mapping[str, Source], phrases: Phrases, subject: tuple[str, ...]) -> Iterator[Problem]:
    texts, _ = read_catalog(folder, code)
    with (folder / f"{code}.po").open("rb") as file:
        catalog = read_po(file, locale=code)
    for message in catalog:
        if message.id and message.context is not None:
            entry = source.get(message.context)
            wanted = None if entry is None else (entry.text if entry.plural is None else (entry.text, entry.plural))
            if entry is None:
                yield Problem(code, message.context, f"is not in {SOURCE} any more: remove it")
            elif (message.id if isinstance(message.id, str) else tuple(message.id)) != wanted:
                yield Problem(code, message.context, "was translated from an older wording: read the new one")
            elif message.fuzzy:
                yield Problem(code, message.context, "is marked fuzzy: read it and take the mark away")
    if not subject:
        yield Problem(code, "subject-words.toml", "has no words for this language")
    short_labels: dict[str, str] = {}
    for context, entry in source.items():
        strings = texts.get(context)
        if strings is None:
            yield Problem(code, context, "is missing")
            continue
        if entry.plural is not None and len(strings) != catalog.num_plurals:
            yield Problem(code, context, f"needs {catalog.num_plurals} plural forms")
        for text in strings:
            yield from _check_text(code, context, text, entry, subject)
        yield from _check_lengths(code, context, phrases, short_labels)
        yield from _check_sms(code, context, phrases)


def _check_text(code: str, context: str, text: str, entry: Source, subject: tuple[str, ...]) -> Iterator[Problem]:
    wanted, found = set(PLACEHOLDER.findall(entry.text)), set(PLACEHOLDER.findall(text))
    if wanted != found:
        yield Problem(code, context, f"must hold exactly the placeholders {sorted(wanted)}; it holds {sorted(found)}")
    bare, source_bare = PLACEHOLDER.sub("", text), PLACEHOLDER.sub("", entry.text)
    if set(re.findall(r"[0-9]+", bare)) != set(re.findall(r"[0-9]+", source_bare)):
        yield Problem(code, context, "has other numbers than the source: numbers are placeholders, digits are 0-9")
    if any(character.isdecimal() and not character.isascii() for character in bare):
        yield Problem(code, context, "has digits of another script: use 0-9")
    if entry.text.startswith("{emergency}") and not text.startswith("{emergency}"):
        yield Problem(code, context, "must begin with {emergency}")
    if any(mark in text for mark in "!！¡"):
        yield Problem(code, context, "has an exclamation mark")
    if any("\U0001f300" <= character <= "\U0001faff" for character in text):
        yield Problem(code, context, "has an emoji")
    preview = bare[:PREVIEW].casefold()
    if not context.startswith("option.") and any(_has_word(preview, word) for word in subject):
        yield Problem(code, context, f"names the subject in its first {PREVIEW} characters, where a locked phone shows it")


def _check_previews(code: str, source: Mapping[str, Source], phrases: Phrases, words: tuple[str, ...]) -> Iterator[Problem]:
    """A full form as a locked phone shows it, with its numbers and addresses filled in: an address in Finnish names the subject in every language.

    Messages are put together from whole phrases, so each phrase that is neutral at its beginning keeps every message so.
    """
    for context in source:
        name, _, form = context.partition(":")
        if form == "short" or name.startswith(("page.", "option.")) or phrases.missing(context, code):
            continue
        preview = phrases.text(name, code, "full", count=30, erase_word=phrases.text("word.erase", code), name="")[:PREVIEW].casefold()
        if any(_has_word(preview, word) for word in words):
            yield Problem(code, context, f"names the subject in the first {PREVIEW} characters that a locked phone shows, once its addresses are filled in")


def _has_word(text: str, word: str) -> bool:
    """Whether a word of ``text`` begins with ``word``; scripts without spaces: anywhere."""
    return re.search(rf"(?<!\w){re.escape(word)}" if word.isascii() else re.escape(word), text) is not None


def _check_lengths(code: str, context: str, phrases: Phrases, short_labels: dict[str, str]) -> Iterator[Problem]:
    name, _, form = context.partition(":")
    rendered = phrases.text(name, code, form or "full", count=30, erase_word=phrases.text("word.erase", code))
    if name.startswith("option."):
        limit = SHORT_LABEL_LIMIT if form == "short" else LABEL_LIMIT
        if len(rendered) > limit:
            yield Problem(code, context, f"is a label of {len(rendered)} characters; at most {limit}")
        if form == "short" and (other := short_labels.setdefault(rendered.casefold(), context)) != context:
            yield Problem(code, context, f"has the same label as {other}")
    elif name.startswith("page."):
        return
    elif form == "full":
        if len(rendered) > FULL_LIMIT:
            yield Problem(code, context, f"is {len(rendered)} characters; at most {FULL_LIMIT}")
    elif (segments := count_segments(rendered)) > SHORT_SEGMENTS:
        yield Problem(code, context, f"takes {segments} SMS segments; at most {SHORT_SEGMENTS}, so that its choices fit within {MAX_SEGMENTS}")


def _check_sms(code: str, context: str, phrases: Phrases) -> Iterator[Problem]:
    """What a locked phone shows with the settings' values filled in, and what makes an SMS cost twice."""
    name, _, form = context.partition(":")
    if name.startswith("page."):
        return
    rendered = phrases.text(name, code, form or "short", count=30, erase_word=phrases.text("word.erase", code))
    shown = rendered[:PREVIEW]
    for fact in NAMING:
        if any(part in shown for part in phrases.fact(fact).split("@")):
            yield Problem(code, context, f"shows {{{fact}}}, which names the subject, in its first {PREVIEW} characters")
    if form == "full":
        return
    odd = {character for character in rendered if not fits_gsm(character)}
    if odd and not any(character.isalpha() for character in odd):
        found = ", ".join(f"U+{ord(character):04X}" for character in sorted(odd))
        yield Problem(code, context, f"has {found}, for which each SMS takes twice the room: write it plainly")


def main() -> None:
    """``python -m bot.phrases.check``: print every problem; exit 1 when there is one."""
    import os
    import sys

    from bot.phrases.facts import fact_values
    from bot.settings import load

    root = Path(__file__).resolve().parents[2]
    found = check_repository(root, fact_values(load(os.environ)))
    for problem in found:
        print(problem)  # noqa: T201 - the command's output
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
