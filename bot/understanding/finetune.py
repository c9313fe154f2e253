"""Fits the encoder's own weights to the training texts: ``python -m bot.understanding.finetune [--epochs 3] [--rank 16] [--out FILE]``.

Offline and slow (about half an hour for 20,000 texts on two idle cores), run by hand when texts have changed much; its outcome, low-rank
updates of every layer's matrices, is committed as ``data/encoder/update.npz`` and merged when the encoder is built. Needs jax, which
Rasa's TensorFlow brings along; nothing else imports this file.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bot.understanding import corpus
from bot.understanding.encoder import E5Encoder
from bot.understanding.encoder_build import POOLED_LAYERS, weights
from bot.understanding.normalise import views
from bot.understanding.understand import ROOT, default_var

MAX_TOKENS = 64
BATCH = 32
Tree = dict[str, Any]


def shapes(hidden: int, wide: int) -> dict[str, tuple[int, int]]:
    """(out, in) of every matrix of a layer, as in the packed file."""
    return {"q": (hidden, hidden), "k": (hidden, hidden), "v": (hidden, hidden), "ao": (hidden, hidden), "fi": (wide, hidden), "fo": (hidden, wide)}


def start_update(layers: int, hidden: int, wide: int, rank: int, seed: int = 3) -> Tree:
    """Updates that change nothing yet: ``down`` random, ``up`` zero."""
    generator = np.random.default_rng(seed)
    made: Tree = {}
    for layer in range(layers):
        for name, (out, into) in shapes(hidden, wide).items():
            made[f"l{layer}.{name}.w.down"] = jnp.asarray(generator.normal(0, into**-0.5, (rank, into)), jnp.float32)
            made[f"l{layer}.{name}.w.up"] = jnp.zeros((out, rank), jnp.float32)
    return made


def pooled(frozen: Tree, update: Tree, vectors: Any, mask: Any, heads: int, epsilon: float) -> Any:
    """Pooled layers side by side, shape (batch, 3 · hidden); the network of `encoder_build.graph` with the updates beside the weights."""

    def norm(x: Any, weight: Any, shift: Any) -> Any:
        centred = x - x.mean(-1, keepdims=True)
        return centred / jnp.sqrt((centred**2).mean(-1, keepdims=True) + epsilon) * weight + shift

    batch, length, hidden = vectors.shape
    size = hidden // heads
    bias = (mask - 1.0)[:, None, None, :] * 1e4

    def layer(x: Any, both: tuple[Tree, Tree]) -> tuple[Any, Any]:
        w, u = both

        def extra(value: Any, name: str) -> Any:
            return (value @ u[f"{name}.w.down"].T) @ u[f"{name}.w.up"].T

        q, k, v = jnp.split(x @ w["qkv.w"] + w["qkv.b"], 3, axis=-1)
        q, k, v = q + extra(x, "q") * size**-0.5, k + extra(x, "k"), v + extra(x, "v")
        q, k, v = (t.reshape(batch, length, heads, size).transpose(0, 2, 1, 3) for t in (q, k, v))
        attention = jax.nn.softmax(q @ k.transpose(0, 1, 3, 2) + bias, axis=-1)
        context = (attention @ v).transpose(0, 2, 1, 3).reshape(batch, length, hidden)
        x = norm(x + context @ w["ao.w"] + w["ao.b"] + extra(context, "ao"), w["aln.w"], w["aln.b"])
        wide = jax.nn.gelu(x @ w["fi.w"] + w["fi.b"] + extra(x, "fi"), approximate=False)
        x = norm(x + wide @ w["fo.w"] + w["fo.b"] + extra(wide, "fo"), w["oln.w"], w["oln.b"])
        mean = (x * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
        return x, mean / jnp.linalg.norm(mean, axis=-1, keepdims=True)

    start = norm(vectors, frozen["norm.w"], frozen["norm.b"])
    _, means = jax.lax.scan(layer, start, (frozen["layers"], update))
    return jnp.concatenate([means[i] for i in POOLED_LAYERS], axis=-1) / len(POOLED_LAYERS) ** 0.5


def stacked(flat: Tree, layers: int) -> Tree:
    """``l0.q.w`` … ``l11.q.w`` as one array ``q.w`` with the layer in front, so that one layer is compiled instead of twelve."""
    names = sorted({k.split(".", 1)[1] for k in flat if k.startswith("l0.")})
    return {name: jnp.stack([jnp.asarray(flat[f"l{i}.{name}"]) for i in range(layers)]) for name in names}


class Batches:
    """Texts as summed word and position vectors, of like length together, padded to a multiple of sixteen (four shapes to compile)."""

    def __init__(self, encoder: E5Encoder, texts: Sequence[str]) -> None:
        self._encoder = encoder
        self._rows = [r[: MAX_TOKENS - 1] + r[-1:] if len(r) > MAX_TOKENS else r for r in encoder.token_ids(texts)]

    def order(self, generator: np.random.Generator) -> list[np.ndarray[Any, np.dtype[np.int64]]]:
        lengths = np.array([len(r) for r in self._rows]) + generator.uniform(0, 3, len(self._rows))
        by_length = np.argsort(lengths)
        whole = len(by_length) // BATCH * BATCH
        groups = list(by_length[:whole].reshape(-1, BATCH))
        generator.shuffle(groups)
        return groups

    def make(self, chosen: np.ndarray[Any, np.dtype[np.int64]]) -> tuple[Any, Any]:
        rows = [self._rows[i] for i in chosen]
        length = -(-max(map(len, rows)) // 16) * 16
        ids = np.full((len(rows), length), self._encoder.pad, np.int64)
        mask = np.zeros((len(rows), length), np.float32)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
            mask[i, : len(row)] = 1.0
        return self._encoder.input_vectors(ids), mask


def fit(examples: Sequence[corpus.Example], encoder: E5Encoder, epochs: float, rank: int, rate: float, say: Callable[[str], None]) -> Tree:
    """The updates, float16, named as `encoder_build.read_update` wants them."""
    header = encoder.header
    flat = dict(weights(encoder.packed, {}))
    frozen = {"layers": stacked(flat, header.layers), "norm.w": flat["norm.w"], "norm.b": flat["norm.b"]}
    intents = sorted({e.intent for e in examples})
    labels = np.array([intents.index(e.intent) for e in examples])
    now = np.array([e.danger == "now" for e in examples], np.float32)
    batches = Batches(encoder, [views(e.text).clean for e in examples])
    width = header.hidden * len(POOLED_LAYERS)
    trained: Tree = {
        "update": stacked(start_update(header.layers, header.hidden, header.feed_forward, rank), header.layers),
        "head": jnp.zeros((width, len(intents) + 1), jnp.float32),
        "bias": jnp.zeros(len(intents) + 1, jnp.float32),
    }

    def loss(tree: Tree, vectors: Any, mask: Any, wanted: Any, danger: Any) -> Any:
        features = pooled(frozen, tree["update"], vectors, mask, header.heads, header.epsilon)
        logits = features * 14.0 @ tree["head"] + tree["bias"]
        smooth = jax.nn.one_hot(wanted, len(intents)) * 0.9 + 0.1 / len(intents)
        entropy = -(smooth * jax.nn.log_softmax(logits[:, :-1])).sum(-1).mean()
        alarm = logits[:, -1]
        return entropy + 0.5 * (jnp.logaddexp(0.0, alarm) - danger * alarm).mean()

    @jax.jit
    def step(tree: Tree, first: Tree, second: Tree, number: Any, pace: Any, *batch: Any) -> Any:
        value, slope = jax.value_and_grad(loss)(tree, *batch)
        first = jax.tree_util.tree_map(lambda m, g: 0.9 * m + 0.1 * g, first, slope)
        second = jax.tree_util.tree_map(lambda v, g: 0.99 * v + 0.01 * g * g, second, slope)
        paces = {"update": pace, "head": pace * 5, "bias": pace * 5}

        def move(p: Any, m: Any, v: Any, speed: Any) -> Any:
            return p - speed * (m / (1 - 0.9**number)) / (jnp.sqrt(v / (1 - 0.99**number)) + 1e-8)

        tree = {k: jax.tree_util.tree_map(lambda p, m, v, k=k: move(p, m, v, paces[k]), tree[k], first[k], second[k]) for k in tree}
        return tree, first, second, value

    zeros = jax.tree_util.tree_map(jnp.zeros_like, trained)
    first, second = zeros, zeros
    generator = np.random.default_rng(4)
    steps = max(1, int(epochs * (len(examples) // BATCH)))
    number, began, recent = 0, time.monotonic(), []
    while number < steps:
        for chosen in batches.order(generator):
            number += 1
            pace = rate * min(1.0, number / (0.06 * steps + 1)) * (1 - number / (steps + 1))
            vectors, mask = batches.make(chosen)
            trained, first, second, value = step(trained, first, second, float(number), pace, vectors, mask, labels[chosen], now[chosen])
            recent.append(float(value))
            if number % 50 == 0 or number == steps:
                say(f"{number}/{steps} loss {np.mean(recent[-50:]):.3f} {time.monotonic() - began:.0f} s")
            if number >= steps:
                break
    return {f"l{i}.{k}": np.asarray(v[i]).astype(np.float16) for k, v in trained["update"].items() for i in range(header.layers)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=float, default=3.0)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--out", type=Path, default=ROOT / "data" / "encoder" / "update.npz")
    parser.add_argument("--leave-out", type=int, help="leave out every N-th text (seed 9), for measuring")
    given = parser.parse_args()
    examples = corpus.read(ROOT / "data" / "nlu")
    if given.leave_out:
        part = np.random.default_rng(9).permutation(np.arange(len(examples)) % given.leave_out)
        examples = [e for e, p in zip(examples, part, strict=True) if p != 0]
    encoder = E5Encoder(default_var() / "encoder")
    made = fit(examples, encoder, given.epochs, given.rank, given.rate, lambda line: print(line, file=sys.stderr, flush=True))  # noqa: T201
    given.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez(given.out, **made)


if __name__ == "__main__":
    main()
