"""Fits the encoder's own weights to the training texts: ``python -m bot.understanding.finetune [--epochs 3] [--rank 16] [--out FILE]``.

Slow (about half an hour for 20,000 texts on two idle cores), run by hand when texts have changed much. Its outcome, low-rank updates of
every layer's matrices (Hu et al. 2021, "LoRA"), is committed as ``data/encoder/update.npz`` and merged when the encoder is built. It needs
PyTorch, which nothing else here does: ``requirements-finetune.in`` says what an environment for it holds.

Texts that `held_from_fitting` names are left out, so that thresholds can be chosen on texts that the encoder has not seen either.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from bot.understanding import corpus
from bot.understanding.augment import varied
from bot.understanding.classifier import FLAGS, GRADES
from bot.understanding.encoder import E5Encoder
from bot.understanding.encoder_build import POOLED_LAYERS, weights
from bot.understanding.normalise import views

ROOT = Path(__file__).resolve().parents[2]
MAX_TOKENS = 72
BATCH = 48
SCALE = 14.0  # of unit vectors, before the head
MATRICES = ("q", "k", "v", "ao", "fi", "fo")


class Updated(nn.Module):
    """The encoder's network with low-rank updates beside its frozen weights; outputs the pooled layers side by side and the heads' logits."""

    def __init__(self, flat: dict[str, Any], layers: int, heads: int, epsilon: float, rank: int, outputs: int) -> None:
        super().__init__()
        self.layers, self.heads, self.epsilon = layers, heads, epsilon
        for name, value in flat.items():
            self.register_buffer(name.replace(".", "_"), torch.from_numpy(np.ascontiguousarray(value, np.float32)))
        hidden, wide = flat["l0.ao.w"].shape[0], flat["l0.fi.w"].shape[1]
        sizes = {"fi": (hidden, wide), "fo": (wide, hidden)}
        torch.manual_seed(3)
        self.down, self.up = nn.ParameterDict(), nn.ParameterDict()
        for layer in range(layers):
            for name in MATRICES:
                into, out = sizes.get(name, (hidden, hidden))
                self.down[f"{layer}{name}"] = nn.Parameter(torch.randn(rank, into) * into**-0.5)
                self.up[f"{layer}{name}"] = nn.Parameter(torch.zeros(out, rank))
        self.head = nn.Linear(hidden * len(POOLED_LAYERS), outputs)
        nn.init.zeros_(self.head.weight)

    def _of(self, layer: int, name: str) -> Any:
        return getattr(self, f"l{layer}_{name}")

    def _extra(self, x: Any, layer: int, name: str) -> Any:
        return F.linear(F.linear(x, self.down[f"{layer}{name}"]), self.up[f"{layer}{name}"])

    def forward(self, vectors: Any, mask: Any) -> Any:
        """``vectors`` (batch, length, hidden), ``mask`` (batch, length) of 0 and 1 → logits (batch, outputs)."""
        batch, length, hidden = vectors.shape
        size = hidden // self.heads
        allowed = mask[:, None, None, :] > 0
        x = F.layer_norm(vectors, (hidden,), self.norm_w, self.norm_b, self.epsilon)
        means = []
        for i in range(self.layers):
            q, k, v = (x @ self._of(i, "qkv_w") + self._of(i, "qkv_b")).split(hidden, dim=-1)
            q, k, v = q + self._extra(x, i, "q") * size**-0.5, k + self._extra(x, i, "k"), v + self._extra(x, i, "v")
            q, k, v = (t.reshape(batch, length, self.heads, size).transpose(1, 2) for t in (q, k, v))
            context = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed, scale=1.0).transpose(1, 2).reshape(batch, length, hidden)
            attended = x + context @ self._of(i, "ao_w") + self._of(i, "ao_b") + self._extra(context, i, "ao")
            x = F.layer_norm(attended.float(), (hidden,), self._of(i, "aln_w"), self._of(i, "aln_b"), self.epsilon)
            wide = F.gelu(x @ self._of(i, "fi_w") + self._of(i, "fi_b") + self._extra(x, i, "fi"))
            out = x + wide @ self._of(i, "fo_w") + self._of(i, "fo_b") + self._extra(wide, i, "fo")
            x = F.layer_norm(out.float(), (hidden,), self._of(i, "oln_w"), self._of(i, "oln_b"), self.epsilon)
            if i in POOLED_LAYERS:
                mean = (x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
                means.append(F.normalize(mean, dim=-1))
        features = torch.cat(means, dim=-1) / math.sqrt(len(means))
        return self.head(F.dropout(features * SCALE, 0.1, self.training))

    def update(self) -> dict[str, Any]:
        """Named as `encoder_build.read_update` wants them, float16."""
        made = {}
        for key in self.down:
            layer, name = int("".join(c for c in key if c.isdigit())), "".join(c for c in key if c.isalpha())
            made[f"l{layer}.{name}.w.down"] = self.down[key].detach().numpy().astype(np.float16)
            made[f"l{layer}.{name}.w.up"] = self.up[key].detach().numpy().astype(np.float16)
        return made


def batch_of(encoder: E5Encoder, rows: Sequence[list[int]]) -> tuple[Any, Any]:
    """Token ids as summed word and position vectors and their mask."""
    length = max(map(len, rows))
    ids = np.full((len(rows), length), encoder.pad, np.int64)
    mask = np.zeros((len(rows), length), np.float32)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
        mask[i, : len(row)] = 1.0
    return torch.from_numpy(encoder.input_vectors(ids)), torch.from_numpy(mask)


def fit(examples: Sequence[corpus.Example], encoder: E5Encoder, epochs: int, rank: int, rate: float, say: Callable[[str], None], keep: Callable[[dict[str, Any]], None]) -> None:
    """Hands the updates to ``keep`` after every epoch. Every epoch sees each text as written or varied: with slips, without diacritics, in Latin letters."""
    header = encoder.header
    intents = sorted({e.intent for e in examples})
    a, b = len(intents), len(intents) + len(GRADES)
    model = Updated(dict(weights(encoder.packed, {})), header.layers, header.heads, header.epsilon, rank, b + len(FLAGS))
    intent = torch.tensor([intents.index(e.intent) for e in examples])
    grade = torch.tensor([GRADES.index(e.danger) for e in examples])
    flags = torch.tensor([[float(f in e.flags) for f in FLAGS] for e in examples])
    slow = [p for n, p in model.named_parameters() if not n.startswith("head")]
    optimiser = torch.optim.AdamW([{"params": slow, "lr": rate}, {"params": model.head.parameters(), "lr": rate * 3}], weight_decay=0.01, betas=(0.9, 0.98))
    steps = epochs * (len(examples) // BATCH)
    pace = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda n: min(1.0, (n + 1) / (0.06 * steps)) * max(0.02, 1 - n / steps))
    generator = np.random.default_rng(4)
    number, began, recent = 0, time.monotonic(), []
    for epoch in range(epochs):
        texts = [views(varied(e.text, generator) if epoch else e.text).clean for e in examples]
        rows = [r[: MAX_TOKENS - 1] + r[-1:] if len(r) > MAX_TOKENS else r for r in encoder.token_ids(texts)]
        by_length = np.argsort(np.array([len(r) for r in rows]) + generator.uniform(0, 3, len(rows)))
        groups = list(by_length[: len(by_length) // BATCH * BATCH].reshape(-1, BATCH))
        generator.shuffle(groups)
        for chosen in groups:
            vectors, mask = batch_of(encoder, [rows[i] for i in chosen])
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = model(vectors, mask)
            logits = logits.float()
            which = torch.from_numpy(chosen)
            loss = (
                F.cross_entropy(logits[:, :a], intent[which], label_smoothing=0.1)
                + 0.5 * F.cross_entropy(logits[:, a:b], grade[which])
                + 0.5 * F.binary_cross_entropy_with_logits(logits[:, b:], flags[which])
            )
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            pace.step()
            number += 1
            recent.append(float(loss.detach()))
            if number % 50 == 0 or number == steps:
                say(f"{number}/{steps} loss {np.mean(recent[-50:]):.3f} {time.monotonic() - began:.0f} s")
        keep(model.update())


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--limit", type=int, help="only so many texts, for trying out")
    parser.add_argument("--out", type=Path, default=ROOT / "data" / "encoder" / "update.npz")
    parser.add_argument("--folder", type=Path, default=ROOT / "var" / "encoder", help="where the unchanged encoder is kept")
    given = parser.parse_args()
    examples = [e for e in corpus.read(ROOT / "data" / "nlu") if not corpus.held_from_fitting(e.text)]
    if given.limit:
        examples = [examples[i] for i in np.random.default_rng(1).permutation(len(examples))[: given.limit]]
    given.out.parent.mkdir(parents=True, exist_ok=True)

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)  # noqa: T201

    fit(examples, E5Encoder(given.folder), given.epochs, given.rank, given.rate, say, lambda made: np.savez(given.out, **made))


if __name__ == "__main__":
    main()
