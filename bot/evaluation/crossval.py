"""Cross-validation on the training texts: ``python -m bot.evaluation.crossval [--folds N] [--one] [--leave-style latin] [--html FILE]``.

For choosing features and thresholds. It flatters, since the same writers wrote both halves: the kept-apart texts are the measure.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

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


def held_out(examples: Sequence[Example], folds: int, only_first: bool = False, leave_style: str | None = None) -> tuple[list[Row], list[Understanding]]:
    """Every text understood by a model that was trained without its fold, or without its whole style."""
    var = default_var()
    encoder = CachedEncoder(project_encoder(var), var / "encoder")
    part = np.random.default_rng(9).permutation(np.arange(len(examples)) % folds)
    rows: list[Row] = []
    found: list[Understanding] = []
    for k in range(1 if only_first or leave_style else folds):
        outside = [leave_style == e.style if leave_style else p == k for e, p in zip(examples, part, strict=False)]
        parts = train([e for e, out in zip(examples, outside, strict=False) if not out], encoder, ROOT / "data")
        understander = Understander(encoder, parts)
        rows += [row_of(e) for e, out in zip(examples, outside, strict=False) if out]
        found += understander.parse_batch([e.text for e, out in zip(examples, outside, strict=False) if out])
    return rows, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--one", action="store_true", help="the first fold only")
    parser.add_argument("--leave-style")
    parser.add_argument("--html", type=Path)
    given = parser.parse_args()
    rows, found = held_out(corpus.read(ROOT / "data" / "nlu"), given.folds, given.one, given.leave_style)
    result = evaluate(rows, found)
    print(table(result))  # noqa: T201 - this is the command's output
    if given.html:
        given.html.write_text(page(result, rows, found), encoding="utf-8")


if __name__ == "__main__":
    main()
