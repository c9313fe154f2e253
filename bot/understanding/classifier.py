"""Intent, danger grade and flags of a text: a network on sentence vectors and linear machines on n-grams, joined late and calibrated.

Sentence vectors carry meaning over languages, n-grams carry spelling within one; they err differently. The n-grams are read on the folded
native view and on the consonant skeleton, which native and Latin-letter spelling share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.sparse import csr_matrix, hstack

from bot.understanding import ngrams
from bot.understanding.base import FloatArray
from bot.understanding.heads import Network, Sizes, log_softmax, softmax
from bot.understanding.normalise import Views

BITS = 17
GRADES = ("none", "near", "possible", "now")
FLAGS = ("minor", "self_harm", "text_only")
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Targets:
    """What texts are: indices of intents and grades, shape (texts,); flags of 0 and 1, shape (texts, 3)."""

    intents: IntArray
    grades: IntArray
    flags: FloatArray

    def at(self, chosen: npt.NDArray[Any]) -> Targets:
        return Targets(self.intents[chosen], self.grades[chosen], self.flags[chosen])


@dataclass(frozen=True)
class Raw:
    """Uncalibrated outputs, shape (texts, intents + grades + flags) each."""

    network: FloatArray
    machines: FloatArray


def grams(seen: Sequence[Views]) -> csr_matrix:
    """Sparse features of the views, shape (texts, 4 · 2**BITS)."""
    height, width = len(seen), 1 << BITS
    parts = []
    for texts, low, high, salt in (([v.folded for v in seen], 2, 5, 1), ([v.skeleton for v in seen], 2, 4, 2)):
        rows, buckets, _ = ngrams.hashed(texts, low, high, BITS, salt)
        parts.append(ngrams.matrix(rows, buckets, height, width))
    for texts, salt, weight in (([v.folded for v in seen], 3, 1.0), ([v.skeleton for v in seen], 4, 0.5)):
        rows, buckets, _ = ngrams.words(texts, 2, BITS, salt)
        parts.append(ngrams.matrix(rows, buckets, height, width) * weight)
    return hstack(parts, format="csr", dtype=np.float32)


def grams_of_one(seen: Views) -> tuple[IntArray, FloatArray]:
    """Indices and values of the same features for one text, without the weight of sparse matrices."""
    indices, values = [], []
    found = (
        (ngrams.hashed([seen.folded], 2, 5, BITS, 1)[1], 1.0),
        (ngrams.hashed([seen.skeleton], 2, 4, BITS, 2)[1], 1.0),
        (ngrams.words([seen.folded], 2, BITS, 3)[1], 1.0),
        (ngrams.words([seen.skeleton], 2, BITS, 4)[1], 0.5),
    )
    for part, (buckets, weight) in enumerate(found):
        distinct, counts = np.unique(buckets, return_counts=True)
        data = 1.0 + np.log(counts)
        indices.append(distinct + (part << BITS))
        values.append(data * (weight / max(float(np.sqrt(data @ data)), 1e-9)))
    return np.concatenate(indices), np.concatenate(values).astype(np.float32)


def train_machines(features: csr_matrix, targets: Targets, sizes: Sizes, strength: float = 1.0) -> FloatArray:
    """Weights of one linear machine an output, shape (features + 1, outputs); the last row is the bias."""
    from sklearn.svm import LinearSVC

    weights = np.zeros((features.shape[1] + 1, sizes.total), np.float32)

    def fill(columns: slice, labels: IntArray, count: int, balanced: bool) -> None:
        present = np.unique(labels)
        if len(present) < 2:
            return
        machine = LinearSVC(C=strength, dual=True, max_iter=60, tol=1e-2, random_state=3, class_weight="balanced" if balanced else None)
        machine.fit(features, labels)
        made = np.full((features.shape[1] + 1, count), 0.0, np.float32)
        made[-1] = -1.0
        if len(present) == 2:
            made[:-1, present[1]], made[-1, present[1]] = machine.coef_[0], machine.intercept_[0]
            made[:, present[0]] = -made[:, present[1]]
        else:
            made[:-1, present], made[-1, present] = machine.coef_.T, machine.intercept_
        weights[:, columns] = made

    fill(slice(0, sizes.intents), targets.intents, sizes.intents, False)
    fill(slice(sizes.intents, sizes.intents + sizes.grades), targets.grades, sizes.grades, False)
    for k in range(sizes.flags):
        column = sizes.intents + sizes.grades + k
        labels = targets.flags[:, k].astype(np.int64)
        if 0 < labels.sum() < len(labels):
            machine = LinearSVC(C=strength, dual=True, max_iter=60, tol=1e-2, random_state=3)
            machine.fit(features, labels)
            weights[:-1, column], weights[-1, column] = machine.coef_[0], machine.intercept_[0]
        else:
            weights[-1, column] = -1.0
    return weights


class Classifier:
    """Both halves and the weights that join them."""

    def __init__(
        self,
        intents: Sequence[str],
        network: Network,
        machines: npt.NDArray[np.float16],
        join: npt.NDArray[np.float64],
    ) -> None:
        self.intents = list(intents)
        self.network = network
        self.machines = machines
        self.join = join

    @property
    def sizes(self) -> Sizes:
        return self.network.sizes

    def raw(self, seen: Sequence[Views], vectors: FloatArray) -> Raw:
        """Of any number of texts; rows do not depend on each other."""
        network = self.network.logits(vectors)
        scores = np.zeros_like(network)
        for row, view in enumerate(seen):
            indices, values = grams_of_one(view)
            scores[row] = values @ self.machines[indices].astype(np.float32)
        return Raw(network, cast(FloatArray, scores + self.machines[-1].astype(np.float32)))

    def joined(self, raw: Raw) -> FloatArray:
        """Calibrated log probabilities of intents, shape (texts, intents)."""
        return joined_intents(raw, self.sizes, self.join)

    @classmethod
    def train(
        cls, intents: Sequence[str], seen: Sequence[Views], vectors: FloatArray, targets: Targets,
        weights: FloatArray | None = None, join: npt.NDArray[np.float64] | None = None, features: csr_matrix | None = None,
    ) -> Classifier:  # fmt: skip
        sizes = Sizes(len(intents), len(GRADES), len(FLAGS))
        network = Network.train(vectors, targets.intents, targets.grades, targets.flags, sizes, weights)
        machines = train_machines(grams(seen) if features is None else features, targets, sizes)
        return cls(intents, network, machines.astype(np.float16), np.array([1.0, 4.0]) if join is None else join)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        kept = np.flatnonzero(np.abs(self.machines[:-1]).max(axis=1) > 0)
        return {
            "intents": np.array(self.intents),
            "machine_rows": kept.astype(np.int32),
            "machines": self.machines[kept],
            "machine_bias": self.machines[-1],
            "machine_height": np.array(len(self.machines)),
            "join": self.join,
            **{f"network_{k}": v for k, v in self.network.arrays().items()},
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Classifier:
        machines = np.zeros((int(arrays["machine_height"]), arrays["machines"].shape[1]), np.float16)
        machines[arrays["machine_rows"]] = arrays["machines"]
        machines[-1] = arrays["machine_bias"]
        network = Network.from_arrays({k[8:]: v for k, v in arrays.items() if k.startswith("network_")})
        return cls([str(i) for i in arrays["intents"]], network, machines, arrays["join"])


def joined_intents(raw: Raw, sizes: Sizes, join: npt.NDArray[np.float64]) -> FloatArray:
    n = sizes.intents
    return log_softmax((join[0] * log_softmax(raw.network[:, :n]) + join[1] * raw.machines[:, :n]).astype(np.float32))


def fit_join(raw: Raw, targets: Targets, sizes: Sizes) -> npt.NDArray[np.float64]:
    """The two weights of least log loss on texts that the halves have not seen: join and calibration in one."""
    n = sizes.intents
    network, machines = log_softmax(raw.network[:, :n]), raw.machines[:, :n]

    def loss(weights: npt.NDArray[np.float64]) -> float:
        shares = log_softmax((weights[0] * network + weights[1] * machines).astype(np.float32))
        return float(-shares[np.arange(len(shares)), targets.intents].mean())

    found = minimize(loss, np.array([1.0, 4.0]), method="Nelder-Mead", options={"maxiter": 80, "xatol": 0.01, "fatol": 1e-4})
    return cast("npt.NDArray[np.float64]", np.maximum(found.x, 0.05))


def danger_features(raw: Raw, sizes: Sizes, log_intents: FloatArray, intents: Sequence[str], hits: Sequence[frozenset[str]]) -> FloatArray:
    """Inputs of the danger join, shape (texts, 16): both halves' grades, the intent's odds, which patterns matched."""
    a, b = sizes.intents, sizes.intents + sizes.grades
    grades = log_softmax(raw.network[:, a:b])
    machines = raw.machines[:, a:b]
    emergency = list(intents).index("report_emergency")
    p = np.exp(log_intents[:, emergency]).clip(1e-4, 1 - 1e-4)
    marks = np.array([[s in h for s in ("now", "possible", "not_now", "self_harm", "quiet")] for h in hits], np.float32).reshape(-1, 5)
    both_ways = (marks[:, 0] * (1 - marks[:, 2]))[:, None]
    return np.hstack([grades, machines, np.log(p / (1 - p))[:, None], marks, both_ways, softmax(grades)[:, 3:]]).astype(np.float32)


def flag_features(raw: Raw, sizes: Sizes, hits: Sequence[frozenset[str]]) -> FloatArray:
    """Shape (texts, flags, 3): both halves and the pattern."""
    b = sizes.intents + sizes.grades
    marks = np.array([[f in h for f in FLAGS] for h in hits], np.float32).reshape(-1, len(FLAGS))
    return cast(FloatArray, np.stack([raw.network[:, b:], raw.machines[:, b:], marks], axis=-1).astype(np.float32))
