"""Fixtures for all tests. No test reaches an outside network: a connection to anything but this machine raises."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.model import LoadedModel

os.environ.setdefault("RASA_TELEMETRY_ENABLED", "false")
_HERE = ("127.", "::1", "localhost", "0.0.0.0", "/")


@pytest.fixture(autouse=True, scope="session")
def only_this_machine() -> Iterator[None]:
    """Refuse connections to outside hosts."""
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else address
        if self.family in (socket.AF_INET, socket.AF_INET6) and not str(host).startswith(_HERE):
            raise OSError(f"a test tried to reach an outside host ({type(host).__name__})")
        real(self, address)

    socket.socket.connect = connect  # type: ignore[method-assign]
    yield
    socket.socket.connect = real  # type: ignore[method-assign]


@pytest.fixture(scope="session")
def model() -> Iterator[LoadedModel]:
    """The trained model; a test that needs it skips, and says so, where the set-up has not made one. CI fails instead."""
    from bot.engine.agent_model import ModelError
    from tests.model import load_model

    try:
        loaded = load_model()
    except ModelError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no trained model: {error}")
    yield loaded
    loaded.parts.dialogue.close()
