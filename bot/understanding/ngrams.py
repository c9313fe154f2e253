"""Character n-grams as bucket numbers, computed for one text or thousands in a few numpy operations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

Buckets = npt.NDArray[np.int64]
_P = np.uint64(1099511628211)
_MIX = np.uint64(0x9E3779B97F4A7C15)
_SEPARATOR = 0


def _joined(texts: Sequence[str]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """Code points of `` text `` with a separator after each, and the row that every position belongs to."""
    padded = [f" {t} \0" for t in texts]
    codes = np.frombuffer("".join(padded).encode("utf-32-le", "replace"), np.uint32).astype(np.uint64)
    rows = np.repeat(np.arange(len(texts)), [len(p) for p in padded])
    return codes, rows


def hashed(texts: Sequence[str], smallest: int, largest: int, bits: int, salt: int = 0) -> tuple[Buckets, Buckets, Buckets]:
    """Rows, buckets (0 … 2**bits − 1) and orders of every n-gram of ``smallest`` to ``largest`` characters, word boundaries as spaces."""
    codes, rows = _joined(texts)
    real = codes != _SEPARATOR
    state = np.full(len(codes), np.uint64(14695981039346656037) + np.uint64(salt), np.uint64)
    whole = np.ones(len(codes), bool)
    found_rows, found_buckets, found_orders = [], [], []
    with np.errstate(over="ignore"):
        for n in range(1, largest + 1):
            count = len(codes) - n + 1
            if count <= 0:
                break
            state = (state[:count] ^ codes[n - 1 :]) * _P
            whole = whole[:count] & real[n - 1 :]
            if n < smallest:
                continue
            mixed = (state ^ (state >> np.uint64(29)) ^ np.uint64(n)) * _MIX
            buckets = (mixed >> np.uint64(64 - bits)).astype(np.int64)
            found_rows.append(rows[:count][whole])
            found_buckets.append(buckets[whole])
            found_orders.append(np.full(int(whole.sum()), n))
    if not found_rows:
        empty = np.zeros(0, np.int64)
        return empty, empty, empty
    return np.concatenate(found_rows), np.concatenate(found_buckets), np.concatenate(found_orders)


def words(texts: Sequence[str], longest: int, bits: int, salt: int = 0) -> tuple[Buckets, Buckets, Buckets]:
    """The same for runs of one to ``longest`` whole words. Python's own string hash is not used: it changes with every process."""
    rows, starts, pieces = [], [], []
    for i, text in enumerate(texts):
        parts = text.split()
        for n in range(1, longest + 1):
            for k in range(len(parts) - n + 1):
                rows.append(i)
                pieces.append(" ".join(parts[k : k + n])[:60])
                starts.append(n)
    buckets = np.array([_fnv(p, salt) >> (64 - bits) for p in pieces], np.int64)
    return np.array(rows, np.int64), buckets, np.array(starts, np.int64)


def _fnv(text: str, salt: int) -> int:
    value = 14695981039346656037 + salt
    for byte in text.encode("utf-8", "replace"):
        value = ((value ^ byte) * 1099511628211) & 0xFFFFFFFFFFFFFFFF
    value ^= value >> 29
    return (value * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF


def matrix(rows: Buckets, buckets: Buckets, height: int, width: int) -> csr_matrix:
    """Rows of (1 + log count), each scaled to length 1."""
    found = csr_matrix((np.ones(len(rows), np.float32), (rows, buckets)), shape=(height, width), dtype=np.float32)
    found.sum_duplicates()
    found.data = 1.0 + np.log(found.data)
    squares = np.asarray(found.multiply(found).sum(axis=1)).ravel()
    found.data /= np.repeat(np.sqrt(np.maximum(squares, 1e-9)), np.diff(found.indptr))
    return found
