"""Figures from labelled texts and what they were understood as. Pure; nothing here sees a model."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from bot.model import Danger, Understanding

GRADES = ("now", "near", "possible", "none")
RARE = ("cannot_talk_now", "stop_messages")
BINS = 10
SHORT_WORDS = 3
UNSPACED = {"th", "zh", "ja", "lo", "km", "my"}


@dataclass(frozen=True)
class Row:
    """A labelled text. ``danger`` also ``near``: frightening words, no emergency; counts as not now."""

    text: str
    intent: str
    language: str
    danger: str = "none"
    style: str = "plain"
    flags: frozenset[str] = frozenset()

    @classmethod
    def of(cls, data: dict[str, Any]) -> Row:
        """From one JSON object. Raises ``ValueError`` that names the field, never the text."""
        for key in ("text", "intent", "language"):
            if not isinstance(data.get(key), str):
                raise ValueError(f"no {key}")
        danger = data.get("danger") or ("now" if data["intent"] == "report_emergency" else "none")
        if danger not in GRADES:
            raise ValueError("unknown danger")
        return cls(data["text"], data["intent"], data["language"], danger, data.get("style") or "plain", frozenset(data.get("flags") or ()))


@dataclass(frozen=True)
class Figures:
    """Shares in 0–1, ``None`` where no text could tell. Names: of emergencies ``missed_now`` were not graded now and ``missed`` graded none;
    ``false_now`` of all others, ``near_now`` of the frightening ones; ``calm_possible`` of those labelled none."""

    texts: int
    intent: float | None
    language: float | None
    language_longer: float | None
    emergencies: int
    missed_now: float | None
    missed: float | None
    false_now: float | None
    near_now: float | None
    calm_possible: float | None
    false_rare: dict[str, float | None] = field(default_factory=dict)
    flag_recall: dict[str, float | None] = field(default_factory=dict)
    flag_false: dict[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Bin:
    """Texts whose confidence fell into one tenth: how many, mean confidence, share right."""

    count: int
    confidence: float
    right: float


@dataclass(frozen=True)
class Result:
    """Everything that a report shows."""

    overall: Figures
    by_language: dict[str, Figures]
    by_style: dict[str, Figures]
    by_intent: dict[str, Figures]
    confusions: list[tuple[str, str, int]]
    language_confusions: list[tuple[str, str, int]]
    calibration: list[Bin]
    calibration_error: float
    matrix: dict[str, dict[str, int]]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def _share(values: Sequence[bool]) -> float | None:
    return sum(values) / len(values) if values else None


def _longer(row: Row) -> bool:
    return len(row.text.split()) >= SHORT_WORDS or (row.language in UNSPACED and len(row.text) >= 12)


def figures(rows: Sequence[Row], found: Sequence[Understanding]) -> Figures:
    """All shares of one group of texts."""
    pairs = list(zip(rows, found, strict=False))
    now = [(r, u) for r, u in pairs if r.danger == "now"]
    rest = [(r, u) for r, u in pairs if r.danger != "now"]
    names = sorted({f for r in rows for f in r.flags} | {f.value for u in found for f in u.flags})
    return Figures(
        texts=len(pairs),
        intent=_share([r.intent == u.intent for r, u in pairs]),
        language=_share([r.language == u.language for r, u in pairs]),
        language_longer=_share([r.language == u.language for r, u in pairs if _longer(r)]),
        emergencies=len(now),
        missed_now=_share([u.danger is not Danger.NOW for _, u in now]),
        missed=_share([u.danger is Danger.NONE for _, u in now]),
        false_now=_share([u.danger is Danger.NOW for _, u in rest]),
        near_now=_share([u.danger is Danger.NOW for r, u in rest if r.danger == "near"]),
        calm_possible=_share([u.danger is Danger.POSSIBLE for r, u in rest if r.danger == "none"]),
        false_rare={name: _share([u.intent == name for r, u in pairs if r.intent != name]) for name in RARE},
        flag_recall={n: _share([n in {f.value for f in u.flags} for r, u in pairs if n in r.flags]) for n in names},
        flag_false={n: _share([n in {f.value for f in u.flags} for r, u in pairs if n not in r.flags]) for n in names},
    )


def calibration(rows: Sequence[Row], found: Sequence[Understanding]) -> tuple[list[Bin], float]:
    """Tenths of confidence, empty ones left out, and the expected calibration error in 0–1."""
    groups: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for row, seen in zip(rows, found, strict=False):
        groups[min(int(seen.confidence * BINS), BINS - 1)].append((seen.confidence, row.intent == seen.intent))
    bins = [Bin(len(g), sum(c for c, _ in g) / len(g), sum(ok for _, ok in g) / len(g)) for _, g in sorted(groups.items())]
    total = sum(b.count for b in bins) or 1
    return bins, sum(b.count * abs(b.confidence - b.right) for b in bins) / total


def evaluate(rows: Sequence[Row], found: Sequence[Understanding]) -> Result:
    """``rows`` and ``found`` in the same order. Raises ``ValueError`` when their numbers differ."""
    if len(rows) != len(found):
        raise ValueError(f"{len(rows)} texts but {len(found)} answers")

    def grouped(key: Callable[[Row], str]) -> dict[str, Figures]:
        places: dict[str, list[int]] = defaultdict(list)
        for i, row in enumerate(rows):
            places[key(row)].append(i)
        return {name: figures([rows[i] for i in at], [found[i] for i in at]) for name, at in sorted(places.items())}

    wrong = Counter((r.intent, u.intent) for r, u in zip(rows, found, strict=False) if r.intent != u.intent)
    tongues = Counter((r.language, u.language) for r, u in zip(rows, found, strict=False) if r.language != u.language)
    matrix: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row, seen in zip(rows, found, strict=False):
        matrix[row.intent][seen.intent] += 1
    bins, error = calibration(rows, found)
    return Result(
        figures(rows, found),
        grouped(lambda r: r.language),
        grouped(lambda r: r.style),
        grouped(lambda r: r.intent),
        [(a, b, n) for (a, b), n in wrong.most_common(25)],
        [(a, b, n) for (a, b), n in tongues.most_common(15)],
        bins,
        error,
        {k: dict(v) for k, v in matrix.items()},
    )
