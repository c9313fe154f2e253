"""The HTML report: plots as inline SVG, a table, no message text, no outside file."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Sequence
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

from bot.evaluation.metrics import Figures, Result, Row
from bot.model import Understanding

STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222}svg{max-width:100%;height:auto}"
    "table{border-collapse:collapse}td,th{padding:.15rem .6rem;text-align:right}td:first-child,th:first-child{text-align:left}"
    "tr:nth-child(even){background:#f4f4f4}.bad{color:#a40000;font-weight:600}"
)
THRESHOLDS = np.linspace(0.0, 1.0, 101)


def svg(figure: Any) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
    return re.sub(r"^.*?(?=<svg)", "", buffer.getvalue(), flags=re.S)


def _bars(groups: dict[str, Figures], title: str, target: float) -> str:
    names = list(groups)
    figure, axes = plt.subplots(figsize=(8, 0.35 * len(names) + 1.2))
    places = np.arange(len(names))
    for shift, key, label in ((-0.2, "intent", "intent"), (0.2, "language", "language")):
        values = [100 * (getattr(groups[n], key) or 0.0) for n in names]
        axes.barh(places + shift, values, height=0.38, label=label)
    axes.axvline(100 * target, color="black", linewidth=0.8, linestyle="--")
    axes.set(yticks=places, yticklabels=names, xlim=(0, 100), xlabel="% right", title=title)
    axes.invert_yaxis()
    axes.legend(loc="lower left")
    return svg(figure)


def _confusion(result: Result) -> str:
    names = sorted(set(result.matrix) | {b for row in result.matrix.values() for b in row})
    shares = np.zeros((len(names), len(names)))
    for i, a in enumerate(names):
        total = sum(result.matrix.get(a, {}).values()) or 1
        for j, b in enumerate(names):
            shares[i, j] = result.matrix.get(a, {}).get(b, 0) / total
    side = 0.24 * len(names) + 2
    figure, axes = plt.subplots(figsize=(side, side))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(xticks=range(len(names)), yticks=range(len(names)), yticklabels=names, xlabel="understood", ylabel="meant")
    axes.set_xticklabels(names, rotation=90)
    return svg(figure)


def _danger(rows: Sequence[Row], found: Sequence[Understanding]) -> str:
    """Misses and false alarms over thresholds of the emergency's probability, and where the texts were really graded."""
    shares = np.array([dict(u.ranking).get("report_emergency", u.confidence if u.intent == "report_emergency" else 0.0) for u in found])
    now = np.array([r.danger == "now" for r in rows])
    near = np.array([r.danger == "near" for r in rows])
    figure, axes = plt.subplots(figsize=(8, 4))
    for mask, label, below in (
        (now, "emergencies missed", True),
        (~now, "others graded now", False),
        (near, "frightening graded now", False),
    ):
        if mask.any():
            lines = [100 * float(((shares[mask] < t) if below else (shares[mask] >= t)).mean()) for t in THRESHOLDS]
            axes.plot(THRESHOLDS, lines, label=label)
    axes.set(xlabel="threshold on the probability of an emergency", ylabel="%", ylim=(0, 30), title="Misses and false alarms")
    axes.legend()
    return svg(figure)


def _reliability(result: Result) -> str:
    figure, axes = plt.subplots(figsize=(4.5, 4.5))
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    axes.scatter(
        [b.confidence for b in result.calibration],
        [b.right for b in result.calibration],
        s=[10 + b.count**0.5 * 4 for b in result.calibration],
    )
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="share right", title="Reliability")
    return svg(figure)


def _table(result: Result) -> str:
    from bot.evaluation.report import _rows_of

    lines = []
    for i, row in enumerate(_rows_of(result)):
        cell = "th" if i == 0 or len(row) == 1 else "td"
        cells = "".join(f"<{cell}{' class=bad' if c.endswith('!') else ''}>{html.escape(c)}</{cell}>" for c in row)
        lines.append(f"<tr>{cells}</tr>")
    return f"<table>{''.join(lines)}</table>"


def page(result: Result, rows: Sequence[Row], found: Sequence[Understanding]) -> str:
    """A whole HTML document."""
    confusions = "".join(f"<tr><td>{html.escape(a)}</td><td>{html.escape(b)}</td><td>{n}</td></tr>" for a, b, n in result.confusions)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Evaluation</title><style>{STYLE}</style>'
        f"<h1>How well messages are understood</h1><p>{result.overall.texts} texts. Per cent; ! misses its target.</p>{_table(result)}"
        f"{_bars(result.by_language, 'By language', 0.92)}{_bars(result.by_style, 'By style', 0.92)}"
        f"<h2>Danger</h2>{_danger(rows, found)}<h2>Confidence</h2><p>Expected calibration error {100 * result.calibration_error:.1f} %.</p>"
        f"{_reliability(result)}<h2>Confusions</h2><table><tr><th>meant</th><th>understood</th><th>texts</th></tr>{confusions}</table>"
        f"{_confusion(result)}</html>"
    )
