"""A small network with several outputs, trained with Adam in numpy. Deterministic for a seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from bot.understanding.base import FloatArray

SMOOTHING = 0.05


@dataclass(frozen=True)
class Sizes:
    """How many outputs: intents (one of them), danger grades (one of them), flags (each for itself)."""

    intents: int
    grades: int
    flags: int

    @property
    def total(self) -> int:
        return self.intents + self.grades + self.flags


class Network:
    """Input → hidden units → logits of all outputs side by side, shape (texts, ``Sizes.total``)."""

    def __init__(self, parameters: Mapping[str, FloatArray], sizes: Sizes) -> None:
        self.parameters = dict(parameters)
        self.sizes = sizes

    def logits(self, inputs: FloatArray) -> FloatArray:
        p = self.parameters
        hidden = np.maximum(((inputs - p["mean"]) / p["spread"]) @ p["w1"] + p["b1"], 0.0)
        return cast(FloatArray, hidden @ p["w2"] + p["b2"])

    @classmethod
    def train(
        cls,
        inputs: FloatArray,
        intents: npt.NDArray[np.int64],
        grades: npt.NDArray[np.int64],
        flags: FloatArray,
        sizes: Sizes,
        weights: FloatArray | None = None,
        hidden: int = 512,
        epochs: int = 18,
        rate: float = 2e-3,
        dropout: float = 0.5,
        decay: float = 2e-4,
        batch: int = 192,
        seed: int = 5,
    ) -> Network:
        """``inputs`` (texts, features), ``flags`` (texts, flags) of 0 and 1, ``weights`` (texts,) of the examples."""
        generator = np.random.default_rng(seed)
        mean, spread = inputs.mean(axis=0), inputs.std(axis=0) + 1e-6
        x_all = ((inputs - mean) / spread).astype(np.float32)
        width = inputs.shape[1]
        w = [
            generator.normal(0, np.sqrt(2 / width), (width, hidden)).astype(np.float32),
            np.zeros(hidden, np.float32),
            generator.normal(0, np.sqrt(1 / hidden), (hidden, sizes.total)).astype(np.float32),
            np.zeros(sizes.total, np.float32),
        ]
        target = _targets(intents, grades, flags, sizes)
        per_text = np.ones(len(inputs), np.float32) if weights is None else weights.astype(np.float32)
        first = [np.zeros_like(p) for p in w]
        second = [np.zeros_like(p) for p in w]
        a, b = sizes.intents, sizes.intents + sizes.grades
        step, steps = 0, epochs * (-(-len(inputs) // batch))
        for _ in range(epochs):
            order = generator.permutation(len(inputs))
            for start in range(0, len(inputs), batch):
                chosen = order[start : start + batch]
                x = x_all[chosen]
                raw = x @ w[0] + w[1]
                mask = ((generator.random(raw.shape, dtype=np.float32) > dropout) & (raw > 0)).astype(np.float32) / (1 - dropout)
                h = raw * mask
                out = h @ w[2] + w[3]
                out[:, :a] = softmax(out[:, :a])
                out[:, a:b] = softmax(out[:, a:b])
                out[:, b:] = 1 / (1 + np.exp(-np.clip(out[:, b:], -30, 30)))
                slope = (out - target[chosen]) * per_text[chosen, None] / len(chosen)
                slope[:, a:b] *= 0.7
                back = (slope @ w[2].T) * mask
                gradients = [x.T @ back, back.sum(axis=0), h.T @ slope, slope.sum(axis=0)]
                step += 1
                pace = rate * (1 - step / (steps + 1)) * min(1.0, step / 50)
                for k, gradient in enumerate(gradients):
                    first[k] += 0.1 * (gradient - first[k])
                    second[k] += 0.001 * (gradient * gradient - second[k])
                    move = first[k] / (1 - 0.9**step) / (np.sqrt(second[k] / (1 - 0.999**step)) + 1e-8)
                    w[k] -= pace * (move + (decay * w[k] if w[k].ndim == 2 else 0.0))
        names = ("w1", "b1", "w2", "b2")
        return cls({"mean": mean.astype(np.float32), "spread": spread.astype(np.float32), **dict(zip(names, w, strict=False))}, sizes)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {**self.parameters, "sizes": np.array([self.sizes.intents, self.sizes.grades, self.sizes.flags])}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Network:
        sizes = Sizes(*(int(n) for n in arrays["sizes"]))
        return cls({k: v for k, v in arrays.items() if k != "sizes"}, sizes)


def softmax(logits: FloatArray) -> FloatArray:
    """Along the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return cast(FloatArray, shifted / shifted.sum(axis=-1, keepdims=True))


def log_softmax(logits: FloatArray) -> FloatArray:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return cast(FloatArray, shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def _targets(intents: npt.NDArray[np.int64], grades: npt.NDArray[np.int64], flags: FloatArray, sizes: Sizes) -> FloatArray:
    n = len(intents)
    target = np.zeros((n, sizes.total), np.float32)
    a, b = sizes.intents, sizes.intents + sizes.grades
    target[:, :a] = SMOOTHING / a
    target[np.arange(n), intents] += 1 - SMOOTHING
    target[np.arange(n), a + grades] = 1.0
    target[:, b:] = flags
    return target
