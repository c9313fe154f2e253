"""The slow fitting of the encoder starts from the very network that it is merged into."""

from __future__ import annotations

import numpy as np
import pytest

from bot.understanding.encoder import E5Encoder
from bot.understanding.encoder_build import weights

pytest.importorskip("jax")


def test_an_update_that_says_nothing_yet_leaves_what_sentences_mean() -> None:
    from bot.understanding.finetune import Batches, pooled, stacked, start_update

    encoder, texts = E5Encoder(), ["he took my passport", "mitä tämä maksaa mulle"]
    header, flat = encoder.header, dict(weights(encoder.packed, {}))
    frozen = {"layers": stacked(flat, header.layers), "norm.w": flat["norm.w"], "norm.b": flat["norm.b"]}
    update = stacked(start_update(header.layers, header.hidden, header.feed_forward, 2), header.layers)
    vectors, mask = Batches(encoder, texts).make(np.array([0, 1]))
    made = np.asarray(pooled(frozen, update, vectors, mask, header.heads, header.epsilon))
    assert (made * encoder.embed(texts)).sum(axis=1).min() > 0.99
