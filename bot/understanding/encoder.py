"""multilingual-e5-small as int8 ONNX on one thread: about 3 ms a lifelike text on an idle machine.

A vector is the token means of three layers side by side, each of equal length; its first third is the model's usual sentence vector."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import onnxruntime
from tokenizers import Tokenizer, models, pre_tokenizers

from bot.understanding.base import FloatArray
from bot.understanding.encoder_build import POOLED_LAYERS, build, default_source
from bot.understanding.encoder_file import Header, PackedFile, unpack

PREFIX = "query: "
MAX_TOKENS = 192  # messages are short; longer ones are read at their beginning and their end
BATCH_TOKENS = 2048


def default_folder() -> Path:
    """``encoder/`` under ``HELPLINE_VAR`` (default ``var/``)."""
    return Path(os.environ.get("HELPLINE_VAR", "var")) / "encoder"


class E5Encoder:
    """The bundled `base.SentenceEncoder`. Thread-safe: nothing is written after construction."""

    def __init__(self, folder: Path | None = None, source: Path | None = None, update: Path | None = None, threads: int = 1) -> None:
        source = source or default_source()
        self._packed = PackedFile(source, verify=False)  # build() below verifies the bytes
        path = build(folder or default_folder(), source, update)
        self._fingerprint = path.stem.rsplit("-", 1)[1]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        head = self._packed.header
        self._words = self._packed.blocks("emb.word", head.words, head.hidden)
        positions = self._packed.vector("emb.pos").reshape(head.positions, head.hidden)
        self._positions = positions + self._packed.vector("emb.type")[: head.hidden]
        self._characters = self._packed.character_map()
        model = models.Unigram(self._packed.pieces(), unk_id=self._packed.unk, byte_fallback=False)
        self._tokenizer = Tokenizer(model)
        self._tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=False)

    @property
    def dim(self) -> int:
        return self._packed.header.hidden * len(POOLED_LAYERS)

    @property
    def fingerprint(self) -> str:
        return self._fingerprint

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids with the two special ones; at most ``MAX_TOKENS`` each."""
        shown = []
        for text in texts:
            clean = text.encode("utf-8", "ignore").decode("utf-8")[:10_000].translate(self._characters)
            shown.append(" ".join((PREFIX + clean).split(" ")) if "  " not in clean else " ".join((PREFIX + clean).split()))
        rows = []
        for encoding in self._tokenizer.encode_batch(shown, add_special_tokens=False):
            ids = encoding.ids
            if len(ids) > MAX_TOKENS - 2:
                half = (MAX_TOKENS - 2) // 2
                ids = ids[:half] + ids[-half:]
            rows.append([self._packed.bos, *ids, self._packed.eos])
        return rows

    @property
    def packed(self) -> PackedFile:
        """The weights' file."""
        return self._packed

    @property
    def header(self) -> Header:
        """Sizes of the network."""
        return self._packed.header

    @property
    def pad(self) -> int:
        """Id of the token that fills up short rows."""
        return int(self._packed.pad)

    def input_vectors(self, ids: npt.NDArray[np.int64]) -> FloatArray:
        """Word and position vectors summed, shape (batch, length, hidden); each distinct word is read once."""
        distinct, where = np.unique(ids, return_inverse=True)
        words = unpack(self._words[distinct])[where].reshape(*ids.shape, -1)
        return cast(FloatArray, words + self._positions[: ids.shape[1]])

    def _run(self, rows: Sequence[list[int]]) -> FloatArray:
        length = max(map(len, rows))
        ids = np.full((len(rows), length), self._packed.pad, np.int64)
        mask = np.zeros((len(rows), length), np.float32)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
            mask[i, : len(row)] = 1.0
        vectors = self.input_vectors(ids)
        layers = self._session.run(None, {"vectors": vectors, "mask": mask})
        unit = [part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-9) for part in layers]
        return cast(FloatArray, (np.hstack(unit) / np.sqrt(len(unit))).astype(np.float32))

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Sorted by length and run in batches, so that padding costs little; given back in the caller's order."""
        result = np.empty((len(texts), self.dim), np.float32)
        if not texts:
            return result
        rows = self.token_ids(texts)
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        start = 0
        while start < len(order):
            stop = start + 1
            while stop < len(order) and (stop - start + 1) * len(rows[order[stop]]) <= BATCH_TOKENS:
                stop += 1
            chosen = order[start:stop]
            result[chosen] = self._run([rows[i] for i in chosen])
            start = stop
        return result
