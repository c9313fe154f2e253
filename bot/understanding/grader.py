"""Danger now, possible or none, and the flags: classifier and patterns joined by small logistic models, with thresholds chosen for recall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from bot.understanding.base import FloatArray
from bot.understanding.classifier import FLAGS, GRADES, Classifier, Raw, Targets, danger_features, flag_features, joined_intents
from bot.understanding.heads import Sizes

# What a miss and a false alarm may cost, as shares (design: emergencies graded now ≥ 98 %, now or possible ≥ 99 %; others now ≤ 1.5 %,
# frightening ones ≤ 10 %; calm ones possible ≤ 8 %; others taken for quiet or stop ≤ 0.3 %). Chosen a little inside.
MAX_FALSE_NOW, MAX_NEAR_NOW, MIN_RECALL_NOW = 0.012, 0.09, 0.985
MAX_CALM_POSSIBLE, MIN_RECALL_RAISED = 0.055, 0.995
MAX_FALSE_RARE = 0.002
RARE = ("cannot_talk_now", "stop_messages")
FLAG_PRECISION = 0.85


@dataclass(frozen=True)
class Thresholds:
    """Probabilities from which a text is graded ``now``, ``possible``, flagged, or taken for one of the rare intents."""

    now: float
    raised: float
    flags: tuple[float, ...]
    rare: Mapping[str, float]


@dataclass(frozen=True)
class Grades:
    """Probabilities of one text: danger now; now or possible; each flag."""

    now: float
    raised: float
    flags: tuple[float, ...]


def _sigmoid(x: FloatArray) -> FloatArray:
    return cast(FloatArray, 1 / (1 + np.exp(-np.clip(x, -30, 30))))


class Grader:
    """Logistic weights: ``now`` and ``raised`` of shape (features + 1,), ``flags`` of shape (flags, 4); the last of each is the bias."""

    def __init__(self, now: FloatArray, raised: FloatArray, flags: FloatArray, thresholds: Thresholds) -> None:
        self.now, self.raised, self.flags, self.thresholds = now, raised, flags, thresholds

    def grade(self, raw: Raw, sizes: Sizes, log_intents: FloatArray, intents: Sequence[str], hits: Sequence[frozenset[str]]) -> list[Grades]:
        features = danger_features(raw, sizes, log_intents, intents, hits)
        now = _sigmoid(features @ self.now[:-1] + self.now[-1])
        raised = np.maximum(_sigmoid(features @ self.raised[:-1] + self.raised[-1]), now)
        signs = flag_features(raw, sizes, hits)
        flags = _sigmoid(np.einsum("nfk,fk->nf", signs, self.flags[:, :-1]) + self.flags[:, -1])
        return [Grades(float(a), float(b), tuple(float(x) for x in c)) for a, b, c in zip(now, raised, flags, strict=False)]

    @classmethod
    def train(cls, raw: Raw, classifier: Classifier, targets: Targets, hits: Sequence[frozenset[str]]) -> Grader:
        """``raw`` and ``hits`` of texts that the classifier halves had not seen (out of fold)."""
        sizes, intents = classifier.sizes, classifier.intents
        # Every text twice, once as if no pattern had matched: whoever wrote the patterns wrote the texts, and strangers use other words.
        raw = Raw(np.concatenate([raw.network] * 2), np.concatenate([raw.machines] * 2))
        targets = targets.at(np.tile(np.arange(len(targets.intents)), 2))
        hits = [*hits, *[frozenset[str]()] * len(hits)]
        log_intents = joined_intents(raw, sizes, classifier.join)
        features = danger_features(raw, sizes, log_intents, intents, hits)
        is_now, is_raised = targets.grades == GRADES.index("now"), targets.grades >= GRADES.index("possible")
        now, raised = _logistic(features, is_now), _logistic(features, is_raised)
        signs = flag_features(raw, sizes, hits)
        flags = np.stack([_logistic(signs[:, k], targets.flags[:, k] > 0) for k in range(len(FLAGS))])
        made = cls(now, raised, flags, Thresholds(0.5, 0.5, (0.5,) * len(FLAGS), {}))
        grades = made.grade(raw, sizes, log_intents, intents, hits)
        p_now, p_raised = np.array([g.now for g in grades]), np.array([g.raised for g in grades])
        near = targets.grades == GRADES.index("near")
        calm = targets.grades == GRADES.index("none")
        quiet_intent = targets.intents == list(intents).index("cannot_talk_now") if "cannot_talk_now" in intents else np.zeros_like(near)
        t_now = _threshold(p_now, is_now, ((~is_now & ~quiet_intent, MAX_FALSE_NOW), (near, MAX_NEAR_NOW)), MIN_RECALL_NOW)
        t_raised = min(_threshold(p_raised, is_now, ((calm, MAX_CALM_POSSIBLE),), MIN_RECALL_RAISED), t_now)
        p_flags = np.array([g.flags for g in grades])
        t_flags = tuple(_precise(p_flags[:, k], targets.flags[:, k] > 0, FLAG_PRECISION) for k in range(len(FLAGS)))
        shares = np.exp(log_intents)
        rare = {}
        for name in RARE:
            if name in intents:
                index = list(intents).index(name)
                others = np.where((shares.argmax(axis=1) == index) & (targets.intents != index), shares[:, index], 0.0)
                allowed = int(MAX_FALSE_RARE * (targets.intents != index).sum())
                rare[name] = float(np.sort(others)[::-1][allowed]) + 1e-6 if len(others) > allowed else 0.5
        made.thresholds = Thresholds(t_now, t_raised, t_flags, rare)
        return made

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        t = self.thresholds
        return {
            "now": self.now, "raised": self.raised, "flags": self.flags, "t_now": np.array(t.now), "t_raised": np.array(t.raised),
            "t_flags": np.array(t.flags), "rare": np.array(list(t.rare)), "t_rare": np.array(list(t.rare.values())),
        }  # fmt: skip

    @classmethod
    def from_arrays(cls, a: Mapping[str, npt.NDArray[Any]]) -> Grader:
        rare = {str(k): float(v) for k, v in zip(a["rare"], a["t_rare"], strict=False)}
        thresholds = Thresholds(float(a["t_now"]), float(a["t_raised"]), tuple(float(x) for x in a["t_flags"]), rare)
        return cls(a["now"], a["raised"], a["flags"], thresholds)


def _logistic(features: FloatArray, truth: npt.NDArray[np.bool_]) -> FloatArray:
    """Weights and bias, shape (features + 1,); a constant where only one answer occurs."""
    from sklearn.linear_model import LogisticRegression

    if truth.all() or not truth.any():
        return np.append(np.zeros(features.shape[1]), 4.0 if truth.all() else -4.0).astype(np.float32)
    model = LogisticRegression(C=0.3, max_iter=400).fit(features, truth)
    return np.append(model.coef_[0], model.intercept_).astype(np.float32)


def _threshold(
    p: npt.NDArray[np.float64],
    wanted: npt.NDArray[np.bool_],
    limits: Sequence[tuple[npt.NDArray[np.bool_], float]],
    recall: float,
) -> float:
    """The lowest threshold that keeps every limit; lower still where ``recall`` of the wanted would not be reached, at most to half of it."""
    lowest = 0.01
    for others, share in limits:
        if others.any():
            values = np.sort(p[others])[::-1]
            lowest = max(lowest, float(values[min(int(share * len(values)), len(values) - 1)]) + 1e-6)
    if not wanted.any():
        return lowest
    enough = float(np.quantile(p[wanted], 1 - recall))
    return max(min(lowest, max(enough, lowest / 2)), 0.01)


def _precise(p: npt.NDArray[np.float64], truth: npt.NDArray[np.bool_], precision: float) -> float:
    """The lowest threshold from 0.25 up with the asked precision, at most 0.6."""
    for threshold in np.arange(0.25, 0.6, 0.01):
        found = p >= threshold
        if found.any() and truth[found].mean() >= precision:
            return float(threshold)
    return 0.6
