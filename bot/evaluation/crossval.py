"""How well the training texts teach: ``python -m bot.evaluation.crossval [--leave-style latin] [--html FILE]``.

A model is trained without one text in sixteen, among those that the encoder was never fitted to, and judged on these. For choosing features;
it flatters, since the same writers wrote both halves: the kept-apart texts are the measure.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from bot.evaluation.metrics import Row, evaluate
from bot.evaluation.page import page
from bot.evaluation.report import table
from bot.model import Understanding
from bot.understanding import corpus
from bot.understanding.corpus import Example
from bot.understanding.encoder_cache import CachedEncoder
from bot.understanding.parts import train
from bot.understanding.understand import ROOT, Understander, default_var, project_encoder


def row_of(example: Example) -> Row:
    return Row(example.text, example.intent, example.language, example.danger, example.style, example.flags)


def held_out(examples: Sequence[Example], leave_style: str | None = None) -> tuple[list[Row], list[Understanding]]:
    """One text in sixteen, or those of them of one style, understood by a model that was trained without them (without the whole style)."""
    var = default_var()
    encoder = CachedEncoder(project_encoder(var), var / "encoder")
    judged = [e for e in examples if corpus.held_from_fitting(e.text, 16) and leave_style in (None, e.style)]
    without = [e for e in examples if not corpus.held_from_fitting(e.text, 16) and (leave_style is None or e.style != leave_style)]
    found = Understander(encoder, train(without, encoder, ROOT / "data")).parse_batch([e.text for e in judged])
    return [row_of(e) for e in judged], found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leave-style")
    parser.add_argument("--html", type=Path)
    given = parser.parse_args()
    rows, found = held_out(corpus.read(ROOT / "data" / "nlu"), given.leave_style)
    result = evaluate(rows, found)
    print(table(result))  # noqa: T201 - this is the command's output
    if given.html:
        given.html.write_text(page(result, rows, found), encoding="utf-8")


if __name__ == "__main__":
    main()
