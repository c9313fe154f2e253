"""`helpline evaluate`: a table on the console, JSON, and one HTML file that needs nothing beside it. No message text in any of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from bot.evaluation.metrics import Figures, Result, Row, evaluate
from bot.model import Understanding

# What the design asks for: (field, name in the table, limit, whether more is better).
TARGETS: tuple[tuple[str, str, float, bool], ...] = (
    ("intent", "intent", 0.92, True),
    ("language", "lang", 0.95, True),
    ("language_longer", "lang3+", 0.98, True),
    ("missed_now", "missed", 0.02, False),
    ("missed", "unseen", 0.01, False),
    ("false_now", "false", 0.015, False),
    ("near_now", "near", 0.10, False),
    ("calm_possible", "calm?", 0.08, False),
)
RARE_LIMIT = 0.003
BATCH = 256


class Understands(Protocol):
    """What is evaluated: `bot.understanding.understand.Understander` or a fake."""

    def parse_batch(self, texts: Sequence[str], contexts: Sequence[Any] | None = None) -> list[Understanding]: ...


def read_rows(files: Sequence[str | Path]) -> list[Row]:
    """Labelled texts of JSON-lines files, parted by ``\\n`` only. Raises ``ValueError`` naming file and line, never the text."""
    rows = []
    for file in files:
        for number, line in enumerate(Path(file).read_bytes().decode("utf-8").split("\n"), 1):
            if line.strip():
                try:
                    rows.append(Row.of(json.loads(line)))
                except (ValueError, AttributeError) as error:
                    reason = "not JSON" if isinstance(error, json.JSONDecodeError) else str(error)
                    raise ValueError(f"{file}, line {number}: {reason}") from None
    return rows


def _cell(value: float | None, limit: float, more: bool) -> str:
    """Per cent with one decimal; ``!`` where the limit is not kept."""
    if value is None:
        return "–"
    return f"{100 * value:.1f}" + ("" if (value >= limit if more else value <= limit) else "!")


def _line(name: str, f: Figures) -> list[str]:
    cells = [_cell(getattr(f, key), limit, more) for key, _, limit, more in TARGETS]
    return [name, str(f.texts), *cells, *(_cell(f.false_rare.get(n), RARE_LIMIT, False) for n in ("cannot_talk_now", "stop_messages"))]


def _rows_of(result: Result) -> Iterator[list[str]]:
    yield ["", "texts", *(name for _, name, _, _ in TARGETS), "quiet", "stop"]
    yield _line("all", result.overall)
    for title, groups in (("language", result.by_language), ("style", result.by_style)):
        yield [f"by {title}"]
        for name, f in groups.items():
            yield _line(name, f)


def table(result: Result) -> str:
    """The printed table: per cent; ``!`` marks what misses its target."""
    rows = list(_rows_of(result))
    widths = [max(len(r[i]) for r in rows if len(r) > i and len(r) > 1) for i in range(max(map(len, rows)))]
    lines = []
    for r in rows:
        lines.append(r[0] if len(r) == 1 else "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(r, widths, strict=False))).rstrip())
    lines += ["", "worst confusions (meant → understood)"]
    lines += [f"  {n:4}  {a} → {b}" for a, b, n in result.confusions[:15]]
    if result.language_confusions:
        lines += ["languages taken for others"] + [f"  {n:4}  {a} → {b}" for a, b, n in result.language_confusions[:8]]
    lines += _flags(result.overall)
    lines += [
        f"calibration error {100 * result.calibration_error:.1f}",
        "missed: emergencies not graded now; unseen: graded none; false/near: others/frightening texts graded now; calm?: calm texts graded "
        "possible; quiet/stop: others silenced; all in per cent, ! misses its target",
    ]
    return "\n".join(lines)


def _flags(f: Figures) -> list[str]:
    def shown(value: float | None) -> str:
        return "–" if value is None else f"{100 * value:.1f}"

    return [f"flag {n}: found {shown(f.flag_recall[n])}, false {shown(f.flag_false.get(n))}" for n in f.flag_recall]


def run(
    files: Sequence[str | Path],
    understander: Understands,
    json_path: str | Path | None = None,
    html_path: str | Path | None = None,
) -> str:
    """Evaluates labelled files; writes JSON and HTML where asked; gives the printed table. Raises ``ValueError`` for a bad line or no line."""
    rows = read_rows(files)
    if not rows:
        raise ValueError("no labelled texts")
    found: list[Understanding] = []
    for start in range(0, len(rows), BATCH):
        found += understander.parse_batch([r.text for r in rows[start : start + BATCH]])
    result = evaluate(rows, found)
    if json_path is not None:
        Path(json_path).write_text(json.dumps(_json(result), ensure_ascii=False, indent=1), encoding="utf-8")
    if html_path is not None:
        from bot.evaluation.page import page

        Path(html_path).write_text(page(result, rows, found), encoding="utf-8")
    return table(result)


def _json(result: Result) -> Mapping[str, Any]:
    return {"targets": {key: limit for key, _, limit, _ in TARGETS}, **result.as_json()}
