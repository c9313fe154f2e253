"""The real application on a real socket, Telegram's stand-in beside it, and people who write through Telegram."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from bot import mailbox
from bot.channels.telegram import menu, provider
from bot.channels.telegram.pace import Pace
from bot.clock import ManualClock
from bot.engine.acts import ActReader
from bot.engine.turn import TurnEngine
from bot.mailbox import TurnOutcome
from bot.model import ConversationState, Reply, StoredMessage
from bot.phrases.catalog import Phrases
from bot.settings import Settings, load
from bot.storage import Limits, Store
from bot.storage.tables import attention, messages, outgoing, receipts
from bot.vault import SecretKeys, Vault
from bot.web.app import Doors
from tests.model import LoadedModel
from tests.stand_ins.serving import Served
from tests.stand_ins.telegram import SECRET, TOKEN, TelegramStandIn

PATH = "/channels/telegram"
_load = menu.load
ALICE, BOB = 41001, 41002
_UPDATES = itertools.count(500_000)
_MESSAGES = itertools.count(100)
DATE = 1_793_620_800


def settings_for(url: str, **more: str) -> Settings:
    return load({"HELPLINE_TELEGRAM_TOKEN": TOKEN, "HELPLINE_TELEGRAM_SECRET": SECRET, "HELPLINE_TELEGRAM_API_URL": url,
                 "HELPLINE_PUBLIC_URL": "https://help.example.org", **more})


def user(chat: int = ALICE, language: str | None = "fi") -> dict[str, Any]:
    return {"id": chat, "is_bot": False, "first_name": "A", **({} if language is None else {"language_code": language})}


def message(chat: int = ALICE, language: str | None = "fi", date: int = DATE, **content: Any) -> dict[str, Any]:
    return {"message_id": next(_MESSAGES), "from": user(chat, language), "chat": {"id": chat, "type": "private", "first_name": "A"}, "date": date, **content}


def update(**kind: Any) -> dict[str, Any]:
    return {"update_id": next(_UPDATES), **kind}


class House:
    """The doors over HTTP, and the store and the clock behind them."""

    def __init__(self, telegram: TelegramStandIn, store: Store, clock: ManualClock, settings: Settings, app: Callable[[Doors], Any] = lambda doors: doors.app) -> None:
        self.telegram, self.store, self.clock, self.settings = telegram, store, clock, settings
        self.doors = Doors(settings, store)
        self._served = Served(app(self.doors))
        self.client = httpx.Client(base_url=self._served.url, headers={"x-telegram-bot-api-secret-token": SECRET})
        telegram.wait(lambda: bool(telegram.of("setMyCommands")) or settings.telegram_mode == "none")

    def close(self) -> None:
        self.client.close()
        self._served.close()

    def restart(self) -> None:
        """The process ends and begins anew, over the same store."""
        self.close()
        self.__init__(self.telegram, self.store, self.clock, self.settings)  # type: ignore[misc]

    def post(self, body: dict[str, Any] | bytes, **headers: str) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode("ascii")
        return self.client.post(PATH, content=content, headers={"content-type": "application/json", **headers})

    def writes(self, chat: int = ALICE, language: str | None = "fi", **content: Any) -> httpx.Response:
        """Somebody sends a message now."""
        return self.post(update(message=message(chat, language, int(self.clock.now()), **content)))

    def presses(self, chat: int, token: str, language: str | None = "fi") -> httpx.Response:
        shown = {"message_id": 5, "date": int(self.clock.now()), "chat": {"id": chat, "type": "private"}, "text": "x"}
        return self.post(update(callback_query={"id": str(next(_UPDATES)), "from": user(chat, language), "message": shown, "chat_instance": "1", "data": token}))

    def waiting(self) -> list[StoredMessage]:
        """What waits for an engine, oldest first; it waits on afterwards."""
        found: list[StoredMessage] = []
        held = []
        while (turn := mailbox.take(self.store, "looking", 10.0)) is not None:
            found += turn.messages
            held.append(turn)
        for turn in held:
            mailbox.release(self.store, turn)
        return sorted(found, key=lambda one: one.id)

    def answer(self, *replies: Reply, state: ConversationState | None = None) -> None:
        """The engine answers whoever waits longest."""
        turn = mailbox.take(self.store, "engine", 10.0)
        assert turn is not None
        mailbox.commit(self.store, turn, TurnOutcome(state or ConversationState(), replies))

    def states(self) -> list[tuple[str, str | None, bool]]:
        """State, reason and whether it may be there twice, of every outgoing message in order."""
        with self.store.read() as tx:
            return [(row.state, row.reason, row.possible_duplicate) for row in tx.execute(sa.select(outgoing).order_by(outgoing.c.id))]

    def settled(self, count: int) -> None:
        """Wait until ``count`` outgoing messages have a final state."""
        self.telegram.wait(lambda: len([s for s, _, _ in self.states() if s not in ("queued", "sending")]) >= count)

    def rows(self) -> dict[str, int]:
        with self.store.read() as tx:
            return {table.name: tx.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() for table in (messages, outgoing, receipts, attention)}

    def attention(self) -> list[str]:
        with self.store.read() as tx:
            return list(tx.execute(sa.select(attention.c.kind).order_by(attention.c.id)).scalars())


@pytest.fixture(autouse=True)
def catalogs_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading all catalogs takes most of a second: once for all tests with the same settings."""
    monkeypatch.setattr(menu, "load", lambda settings: _catalogs(settings.bot_name))


@pytest.fixture(autouse=True)
def no_second_between_two_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pace itself is tried on a clock that is moved."""
    monkeypatch.setattr(provider, "Pace", partial(Pace, chat_seconds=0.02))


@lru_cache
def _catalogs(name: str) -> Phrases:
    return _load(load({"HELPLINE_BOT_NAME": name}))


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    standing = TelegramStandIn()
    yield standing
    standing.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(float(DATE))


@pytest.fixture
def store(clock: ManualClock) -> Iterator[Store]:
    store = Store.throwaway(Vault(SecretKeys.parse(SecretKeys.generate())), clock)
    yield store
    store.close()


@pytest.fixture
def house(telegram: TelegramStandIn, store: Store, clock: ManualClock) -> Iterator[House]:
    house = House(telegram, store, clock, settings_for(telegram.url))
    yield house
    house.close()


class Engine:
    """The real engine in a thread, on the house's store: bursts are joined only where they wait already."""

    def __init__(self, house: House, model: LoadedModel, staffed: bool = False) -> None:
        settings = dataclasses.replace(model.settings, desk_staffed=staffed)
        parts = model.parts
        acts = ActReader(parts.understander, parts.composer.phrases, model.names, parts.dialogue.intents)
        self._engine = TurnEngine(parts.dialogue, acts, parts.composer, settings, house.clock, model.assault_words)
        self.phrases, self._house, self._stop = parts.composer.phrases, house, threading.Event()
        self.failures: list[Exception] = []
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(20)
        assert not self.failures

    def _work(self) -> None:
        while not self._stop.is_set():
            turn = mailbox.take(self._house.store, "engine", 10.0)
            if turn is None:
                time.sleep(0.01)
                continue
            try:
                result = asyncio.run(self._engine.run(turn))
                mailbox.commit(self._house.store, turn, result.outcome)
            except Exception as error:
                self.failures.append(error)
                return


@pytest.fixture
def talking(telegram: TelegramStandIn, clock: ManualClock, model: LoadedModel) -> Iterator[tuple[House, Engine]]:
    """The doors and the real engine over one store."""
    store = Store.throwaway(Vault(SecretKeys.parse(SecretKeys.generate())), clock, Limits.of(model.settings))
    house = House(telegram, store, clock, settings_for(telegram.url))
    engine = Engine(house, model)
    yield house, engine
    engine.close()
    house.close()
    store.close()
