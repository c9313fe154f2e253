"""Whole messages of one or two words that mean one thing: ``data/keywords/*.yml``."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bot.understanding.corpus import LOADER
from bot.understanding.normalise import Views, unleet, views

INTENTS = {
    "yes": "affirm",
    "no": "deny",
    "stop": "stop_messages",
    "help": "ask_human",
    "erase": "delete_conversation",
    "language": "change_language",
    "languages": "change_language",
    "number": "ask_contact",
    "worker": "ask_human",
    "call": "ask_human",
    "quiet": "cannot_talk_now",
}
POSSIBLE_DANGER = {"help"}
MAX_WORDS = 4


@dataclass(frozen=True)
class Keyword:
    """``kind`` is the key of the file, ``intent`` what it means, ``possible`` whether danger is possible."""

    kind: str
    intent: str
    possible: bool


class Keywords:
    """Look-up by the conversation's language first, else by all languages when they agree."""

    def __init__(self, entries: dict[str, dict[str, str]]) -> None:
        self.entries = entries
        self._all: dict[str, set[str]] = defaultdict(set)
        for table in entries.values():
            for word, kind in table.items():
                self._all[word].add(kind)

    @classmethod
    def read(cls, folder: Path) -> Keywords:
        """All files of a folder; a missing folder gives an empty table."""
        entries: dict[str, dict[str, str]] = {}
        for path in sorted(folder.glob("*.yml")):
            data: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER) or {}  # noqa: S506 - BaseLoader makes strings only
            table: dict[str, str] = {}
            for kind in INTENTS:
                value = data.get(kind) or []
                if kind == "languages":
                    value = [w for names in value.values() for w in names or []] if isinstance(value, dict) else []
                for word in value:
                    seen = views(str(word))
                    for form in (seen.words, seen.folded):
                        if form:
                            table.setdefault(form, kind)
            entries[str(data.get("language", path.stem))] = table
        return cls(entries)

    def find(self, seen: Views, language: str | None) -> Keyword | None:
        """What the whole message means as a keyword, if it is one; ``language`` is the conversation's, or the identified one."""
        if not seen.words or seen.words.count(" ") >= MAX_WORDS:
            return None
        for form in (seen.words, seen.folded, unleet(seen.folded)):
            kind = self.entries.get(language or "", {}).get(form)
            if kind is None and len(self._intents(form)) == 1:
                kind = sorted(self._all[form])[0]
            if kind is not None:
                return Keyword(kind, INTENTS[kind], kind in POSSIBLE_DANGER)
        return None

    def _intents(self, form: str) -> set[str]:
        return {INTENTS[k] for k in self._all.get(form, ())}

    def is_help(self, word: str) -> bool:
        """Whether a word is a cry for help in any language."""
        return "help" in self._all.get(word, ())
