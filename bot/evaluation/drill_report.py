"""A drill's report: lines for the console, one HTML file with a time line."""

from __future__ import annotations

import html

import matplotlib.pyplot as plt

from bot.evaluation.drill_count import Report
from bot.evaluation.page import STYLE, svg

_NAMES = {
    "accepted": "accepted messages", "delivered": "texts at the provider", "lost": "lost (must be 0)", "unknown": "unknown, told to staff",
    "doubled": "doubled", "doubled_unmarked": "doubled without a mark (must be 0)", "out_of_order": "out of order (must be 0)",
    "overdue": "taken over later than 15 s after a kill (must be 0)", "seconds": "seconds", "per_second": "messages a second",
    "wait_median": "accepted → provider, median, s", "wait_p95": "… p95, s", "wait_longest": "… longest, s",
}


def text(report: Report) -> str:
    """For the console."""
    lines = [f"{name:52} {getattr(report, key)}" for key, name in _NAMES.items()]
    lines += [f"{'the provider: ' + name:52} {times}" for name, times in report.faults.items()]
    lines += [f"killed at {name:42} {at:.1f} s" for at, name in report.kills]
    return "\n".join([f"seed {report.seed}", *lines, "good" if report.good else "NOT GOOD"])


def page(report: Report) -> str:
    """A whole HTML document."""
    figure, axes = plt.subplots(figsize=(10, 4.5))
    for times, label in ((report.accepted_at, "accepted"), (report.delivered_at, "at the provider")):
        axes.plot(times, range(1, len(times) + 1), label=label)
    for at, name in report.kills:
        axes.axvline(at, color="tab:red", linewidth=0.8)
        axes.annotate(name, (at, 0), rotation=90, fontsize=7, va="bottom", ha="right")
    axes.set(xlabel="seconds", ylabel="messages", title=f"Seed {report.seed}; red: a process was killed")
    axes.legend()
    rows = "".join(f"<tr><td>{html.escape(name)}</td><td>{getattr(report, key)}</td></tr>" for key, name in _NAMES.items())
    rows += "".join(f"<tr><td>the provider: {html.escape(name)}</td><td>{times}</td></tr>" for name, times in report.faults.items())
    word = "Good" if report.good else "Not good"
    return (f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Drill</title><style>{STYLE}</style><h1>Drill: {word}</h1>'
            f"<table>{rows}</table>{svg(figure)}</html>")
