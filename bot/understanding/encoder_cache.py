"""Vectors of training texts kept on disk between trainings: keyed by encoder and text, plain numpy, never pickle."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from bot.understanding.base import FloatArray, SentenceEncoder

PART = 512


def _key(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


class CachedEncoder:
    """Wraps another encoder for training. Holds hashes of texts and float16 vectors only; delete the file at any time."""

    def __init__(self, inner: SentenceEncoder, folder: Path) -> None:
        self._inner = inner
        self._path = folder / f"vectors-{inner.fingerprint}.npz"
        self._known: dict[int, int] = {}
        self._vectors = np.zeros((0, inner.dim), np.float16)
        try:
            with np.load(self._path, allow_pickle=False) as stored:
                keys, vectors = stored["keys"], stored["vectors"]
            if vectors.shape == (len(keys), inner.dim):
                self._known = {int(k): i for i, k in enumerate(keys)}
                self._vectors = vectors
        except (OSError, ValueError, KeyError, EOFError):
            pass  # none yet, or cut short: embed again

    @property
    def dim(self) -> int:
        return self._inner.dim

    @property
    def fingerprint(self) -> str:
        return self._inner.fingerprint

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """As the inner encoder; new texts are embedded (about 3 ms each) and kept."""
        keys = [_key(t) for t in texts]
        new = {k: t for k, t in zip(keys, texts, strict=False) if k not in self._known}
        if new:
            fresh = self._embed_new(list(new.values())).astype(np.float16)
            base = len(self._vectors)
            self._vectors = np.concatenate([self._vectors, fresh])
            self._known.update({k: base + i for i, k in enumerate(new)})
            self._save()
        return self._vectors[[self._known[k] for k in keys]].astype(np.float32)

    def _embed_new(self, texts: list[str]) -> FloatArray:
        """On all processors: the encoder works outside Python's lock, so threads are enough. Texts of like length go together."""
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        parts = [order[i : i + PART] for i in range(0, len(order), PART)]
        result = np.empty((len(texts), self.dim), np.float32)
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            for part, vectors in zip(parts, pool.map(lambda part: self._inner.embed([texts[i] for i in part]), parts), strict=True):
                result[part] = vectors
        return result

    def _save(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        keys = np.array(list(self._known), np.uint64)
        handle, name = tempfile.mkstemp(dir=self._path.parent, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as out:
                np.savez(out, keys=keys, vectors=self._vectors)
            os.replace(name, self._path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
