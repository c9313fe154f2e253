"""From probabilities, patterns and keywords to one answer. The order of these rules is the safety of the service.

1. Danger now wins over everything but quiet. "112" alone is danger now.
2. Danger and quiet compete: a pattern of an act (``now``) → danger; else, somebody is near or reading and quiet is the likelier → quiet.
3. ``cannot_talk_now`` and ``stop_messages`` silence us: only above their own thresholds, else the next intent.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from bot.model import Danger, Flag
from bot.understanding.classifier import FLAGS
from bot.understanding.grader import Grades, Thresholds
from bot.understanding.keywords import Keyword, Keywords

EMERGENCY, QUIET, STOP, NOTHING = "report_emergency", "cannot_talk_now", "stop_messages", "out_of_scope"
NUMBERS = {"112", "911", "999"}
AROUND_NUMBER = {"call", "now", "please", "sos", "apua", "hätä", "help", "police", "poliisi", "soita", "nyt", "akut", "nu", "ring", "hjälp"}
KEYWORD_CONFIDENCE = 0.97
PATTERN_FLOOR = 0.03  # below this probability an act's pattern raises to ``possible`` only


@dataclass(frozen=True)
class Decision:
    """``ranking``: (intent, probability), best first, the chosen intent at its head."""

    intent: str
    confidence: float
    danger: Danger
    flags: frozenset[Flag]
    ranking: tuple[tuple[str, float], ...]
    fishing: bool = False


def is_bare_number(words: str, keywords: Keywords) -> bool:
    """``112``, ``112 112``, ``hätä 112``: an emergency number alone or with cries for help around it, in up to four words."""
    parts = words.split()
    if not parts or len(parts) > 4 or not any(p in NUMBERS for p in parts):
        return False
    return all(p in NUMBERS or p in AROUND_NUMBER or keywords.is_help(p) for p in parts)


def decide(
    shares: Mapping[str, float],
    grades: Grades,
    hits: Collection[str],
    thresholds: Thresholds,
    keyword: Keyword | None,
    bare_number: bool,
) -> Decision:
    """``shares``: calibrated probabilities of all intents, adding up to 1."""
    flags = _flags(grades, hits, thresholds)
    if bare_number:
        return _now(shares, 0.99, flags)
    if keyword is not None:
        danger = Danger.POSSIBLE if keyword.possible else Danger.NONE
        rest = _without(shares, {keyword.intent, EMERGENCY})
        left = [(i, p * (1 - KEYWORD_CONFIDENCE)) for i, p in rest]
        return Decision(keyword.intent, KEYWORD_CONFIDENCE, danger, frozenset(), ((keyword.intent, KEYWORD_CONFIDENCE), *left))
    act = "now" in hits and "not_now" not in hits
    now = grades.now >= thresholds.now or (act and grades.now >= PATTERN_FLOOR)
    quiet = shares.get(QUIET, 0.0)
    near = "quiet" in hits
    if now and not act and quiet * (3.0 if near else 1.0) > max(shares.get(EMERGENCY, 0.0), grades.now if not near else 0.0) and quiet >= 0.2:
        now = False
    if now:
        return _now(shares, max(grades.now, shares.get(EMERGENCY, 0.0)), flags)
    barred = {EMERGENCY}
    for name in (QUIET, STOP):
        limit = thresholds.rare.get(name, 0.5)
        if name == QUIET and near:
            limit = min(limit, 0.45)
        if shares.get(name, 0.0) < limit:
            barred.add(name)
    ranking = _without(shares, barred)
    raised = (
        grades.raised >= thresholds.raised
        or "possible" in hits and "not_now" not in hits and grades.raised >= thresholds.raised / 3
        or (act or Flag.SELF_HARM in flags)
    )  # fmt: skip
    intent, confidence = ranking[0]
    low = [(name, shares.get(name, 0.0)) for name in sorted(barred, key=lambda n: -shares.get(n, 0.0)) if name in shares]
    return Decision(intent, confidence, Danger.POSSIBLE if raised else Danger.NONE, flags, (*ranking, *low))


def nothing_said(shares: Mapping[str, float]) -> Decision:
    """No word and no digit: not understood, whatever the classifier makes of nothing."""
    rest = tuple((i, p * 0.7) for i, p in _without(shares, {NOTHING, EMERGENCY, QUIET, STOP}))
    return Decision(NOTHING, 0.3, Danger.NONE, frozenset(), ((NOTHING, 0.3), *rest))


def _flags(grades: Grades, hits: Collection[str], thresholds: Thresholds) -> frozenset[Flag]:
    found = set()
    for name, p, limit in zip(FLAGS, grades.flags, thresholds.flags, strict=False):
        if p >= limit or (name in hits and p >= limit / 4):
            found.add(Flag(name))
    return frozenset(found)


def _now(shares: Mapping[str, float], confidence: float, flags: frozenset[Flag]) -> Decision:
    rest = tuple((i, p * (1 - confidence)) for i, p in _without(shares, {EMERGENCY}))
    return Decision(EMERGENCY, confidence, Danger.NOW, flags, ((EMERGENCY, confidence), *rest))


def _without(shares: Mapping[str, float], barred: Collection[str]) -> Sequence[tuple[str, float]]:
    """Best first, the barred left out and their share spread over the others."""
    kept = [(i, p) for i, p in shares.items() if i not in barred]
    total = sum(p for _, p in kept) or 1.0
    return sorted(((i, p / total) for i, p in kept), key=lambda pair: -pair[1])
