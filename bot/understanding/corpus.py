"""The project's own training texts, read from ``data/nlu/*.yml``. Message text stays in these objects and in no log."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

# Everything is a string: "no" is Norwegian or a refusal, never false.
LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


class CorpusError(ValueError):
    """A training file does not keep to docs/data-formats.md; the message names file and block, never a text."""


@dataclass(frozen=True)
class Example:
    """One training text. ``danger`` is ``now``, ``possible``, ``near`` or ``none``; ``flags`` the values of `bot.model.Flag`."""

    text: str
    intent: str
    language: str
    style: str = "plain"
    danger: str = "none"
    flags: frozenset[str] = frozenset()


def parse_file(path: Path) -> list[Example]:
    """Examples of one file, in order. Raises ``CorpusError``."""
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER)  # noqa: S506 - BaseLoader makes strings only
    except yaml.YAMLError as error:
        raise CorpusError(f"{path} is not YAML") from error
    found: list[Example] = []
    for number, block in enumerate((data or {}).get("nlu") or []):
        if "intent" not in block:
            continue
        meta = block.get("metadata") or {}
        if not meta.get("language"):
            raise CorpusError(f"{path}, block {number}: no language in its metadata")
        danger = meta.get("danger", "now" if block["intent"] == "report_emergency" else "none")
        for line in str(block.get("examples", "")).split("\n"):
            if line.startswith("- ") and line[2:].strip():
                found.append(
                    Example(
                        line[2:].strip(),
                        block["intent"],
                        str(meta["language"]),
                        meta.get("style", "plain"),
                        danger,
                        frozenset(meta.get("flags", ())),
                    )
                )
    return found


def read(folder: Path = Path("data/nlu"), languages: Iterable[str] | None = None) -> list[Example]:
    """Examples of all files (or of some languages), in the order of file names; a text under one intent only once."""
    wanted = None if languages is None else set(languages)
    found: dict[str, Example] = {}
    for path in sorted(folder.glob("*.yml")):
        if wanted is None or path.stem in wanted:
            for example in parse_file(path):
                found.setdefault(f"{example.language}\0{example.text}", example)
    return list(found.values())


def held_from_fitting(text: str, below: int = 32) -> bool:
    """True for one text in eight (``below`` in 256), by its hash: the encoder is never fitted to it, so that joins and thresholds can be chosen on it."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[0] < below


def texts(examples: Sequence[Example]) -> list[str]:
    return [e.text for e in examples]
