"""Fixtures for all tests. No test reaches an outside network: a connection to anything but this machine raises."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.model import LoadedModel
    from tests.postgres import Server

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
def postgres() -> Iterator[Server]:
    """A throw-away PostgreSQL server; a test that needs it skips, and says so, where there is none. CI fails instead."""
    from tests.postgres import NoServer, Server

    try:
        server = Server()
    except NoServer as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    yield server
    server.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh database with its tables, once on each of the two."""
    if request.param == "sqlite":
        from bot.storage import Store
        from bot.vault import SecretKeys, Vault

        url = f"sqlite:///{tmp_path / 'helpline.sqlite3'}"
        store = Store(url, Vault(SecretKeys.parse(SecretKeys.generate())))
        store.migrate()
        store.close()
        yield url
        return
    server: Server = request.getfixturevalue("postgres")
    with server.database() as url:
        yield url


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
