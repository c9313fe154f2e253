"""The doors' application in this process: no network, the requests go straight in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio

from bot.clock import ManualClock
from bot.mailbox import Turn, TurnOutcome, commit, take
from bot.model import ConversationState, Reply
from bot.settings import Settings, load
from bot.storage import Store
from bot.vault import SecretKeys, Vault
from bot.web.app import Doors

ALICE = "a" * 64
BOB = "b" * 64


@dataclass
class House:
    """The doors, a client, and a store to play the engine with."""

    client: httpx.AsyncClient
    store: Store
    clock: ManualClock
    doors: Doors

    async def send(self, body: Any, token: str | None = ALICE, path: str = "/channels/web/messages") -> httpx.Response:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        if isinstance(body, bytes):
            return await self.client.post(path, content=body, headers=headers)
        return await self.client.post(path, json=body, headers=headers)

    async def poll(self, after: int = 0, token: str | None = ALICE) -> httpx.Response:
        return await self.send({"after": after}, token, "/channels/web/poll")

    def turn(self) -> Turn:
        turn = take(self.store, "engine-1", 10)
        assert turn is not None
        return turn

    def answer(self, *replies: Reply, state: ConversationState | None = None) -> None:
        commit(self.store, self.turn(), TurnOutcome(state if state is not None else ConversationState(), replies))


@pytest.fixture
def settings() -> Settings:
    return load({})


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(clock: ManualClock) -> Iterator[Store]:
    store = Store.throwaway(Vault(SecretKeys.parse(SecretKeys.generate())), clock)
    yield store
    store.close()


@pytest_asyncio.fixture
async def house(settings: Settings, store: Store, clock: ManualClock) -> AsyncIterator[House]:
    doors = Doors(settings, store)
    transport = httpx.ASGITransport(doors.app, raise_app_exceptions=False, client=("198.51.100.7", 4711))
    async with doors.app.router.lifespan_context(doors.app), httpx.AsyncClient(transport=transport, base_url="http://helpline.test") as client:
        yield House(client, store, clock, doors)
