"""The seam between us and whatever turns a text into a vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


@runtime_checkable
class SentenceEncoder(Protocol):
    """Texts in, unit vectors out; the same text gives the same vector (up to rounding) alone and in a batch."""

    @property
    def dim(self) -> int:
        """Length of one vector."""
        ...

    @property
    def fingerprint(self) -> str:
        """Changes whenever the vectors would: names the weights, their quantisation and any update merged into them."""
        ...

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Float32 array of shape (len(texts), dim); every row has length 1. Never raises for any ``str``."""
        ...
