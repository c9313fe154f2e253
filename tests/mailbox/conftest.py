"""A store on a clock that stands still, and people who write to it. What the mailbox promises it promises on both databases."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from bot.clock import ManualClock
from bot.mailbox import Received, Turn, receive, take
from bot.model import Channel, Incoming, MessageKind
from bot.storage import Store
from bot.vault import SecretKeys, Vault
from tests.postgres import Server

ALICE = "+1 202 555 0101"


class People:
    """Writes messages with fresh provider ids, and takes turns."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.store = store
        self.clock = clock
        self._ids = itertools.count(1)

    def write(self, text: str, address: str = ALICE, channel: Channel = Channel.SMS, provider_id: str | None = None, hint: str | None = None) -> Received:
        provider_id = provider_id if provider_id is not None else f"id-{next(self._ids)}"
        return receive(self.store, Incoming(channel, address, provider_id, MessageKind.TEXT, text, hint=hint))

    def turn(self, owner: str = "engine-1", burst_seconds: float = 0.0) -> Turn:
        turn = take(self.store, owner, 10.0, burst_seconds)
        assert turn is not None
        return turn


@pytest.fixture(scope="session")
def vault() -> Vault:
    return Vault(SecretKeys.parse(SecretKeys.generate()))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, vault: Vault, clock: ManualClock) -> Iterator[Store]:
    """An open store, once on each database. A test of files asks for ``sqlite_store`` instead."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_store")
        return
    server: Server = request.getfixturevalue("postgres")
    with server.database() as url:
        store = Store(url, vault, clock)
        yield store
        store.close()


@pytest.fixture
def sqlite_store(vault: Vault, clock: ManualClock) -> Iterator[Store]:
    store = Store.throwaway(vault, clock)
    yield store
    store.close()


@pytest.fixture
def people(store: Store, clock: ManualClock) -> People:
    return People(store, clock)
