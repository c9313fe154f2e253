"""The table of languages: own name, script, direction and status, read from ``translations/languages.toml``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tomli


@dataclass(frozen=True)
class LanguageRow:
    """One language that the helpline answers in.

    ``code`` is ISO 639; ``name`` is the language's own name in its own script; ``direction`` is ``ltr`` or ``rtl``;
    ``status`` is ``draft`` until a named human reviewer has signed the catalog, then ``reviewed``.
    ``countries`` are the ISO 3166 codes whose phone numbers make this language a likely guess.
    """

    code: str
    name: str
    english: str
    script: str
    direction: str
    status: str
    countries: tuple[str, ...] = ()


def load_languages(folder: Path) -> dict[str, LanguageRow]:
    """Read the table, in its own order. Raises ``ValueError`` for a row that lacks something."""
    raw = tomli.loads((folder / "languages.toml").read_text(encoding="utf-8"))
    table: dict[str, LanguageRow] = {}
    for code, row in raw.items():
        try:
            table[code] = LanguageRow(
                code=code,
                name=row["name"],
                english=row["english"],
                script=row["script"],
                direction=row["direction"],
                status=row["status"],
                countries=tuple(row.get("countries", ())),
            )
        except KeyError as missing:
            raise ValueError(f"translations/languages.toml: [{code}] lacks {missing}") from None
    return table
