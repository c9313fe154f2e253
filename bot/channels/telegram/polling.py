"""Long polling, for a laptop without an outside address: we ask Telegram for updates, one reader a bot."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from telegram.error import Conflict, InvalidToken, RetryAfter, TelegramError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type
from tenacity.wait import wait_random_exponential

from bot import logs, mailbox
from bot.channels.telegram.api import Api, seconds_of
from bot.channels.telegram.parse import update_id
from bot.storage import StorageUnavailable, Store

_log = logs.get_logger("telegram")
_AWAY = (StorageUnavailable, sqlite3.Error)
_pause = wait_random_exponential(multiplier=1, max=60)


class Polling:
    """Reads updates in order and hands each to ``take``, which returns once it is committed; only then the place is kept."""

    def __init__(self, api: Api, store: Store, bot: str, take: Callable[[Any], Awaitable[None]],
                 sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._api = api
        self._store = store
        self._mark = f"telegram.offset.{bot}"
        self._take = take
        self._sleep = sleep

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            await self._patiently(self.step)

    async def step(self) -> None:
        """One request for updates, and all of what it brings."""
        stood = await run_in_threadpool(mailbox.mark_of, self._store, self._mark)
        offset = int(stood) if stood is not None else None
        for update in await self._api.updates(offset):
            await self._take(update)
            number = update_id(update)
            # each by itself: a crash repeats one update, and a repeat is nothing
            if number is not None:
                await run_in_threadpool(mailbox.set_mark, self._store, self._mark, str(number + 1))

    async def _patiently(self, step: Callable[[], Awaitable[None]]) -> None:
        retrying = AsyncRetrying(retry=retry_if_exception_type((TelegramError, *_AWAY)), wait=_wait, before_sleep=_tell, sleep=self._sleep)
        await retrying(step)


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome is not None else None
    if isinstance(error, RetryAfter):
        return seconds_of(error.retry_after)
    return float(_pause(state))


def _tell(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome is not None else None
    if isinstance(error, Conflict):
        event = "another_reader_or_a_webhook_has_this_bot"
    elif isinstance(error, InvalidToken):
        event = "telegram_does_not_know_this_token"
    else:
        event = "polling_paused"
    pause = state.next_action.sleep if state.next_action is not None else 0.0
    _log.warning(event, error=type(error).__name__, attempt=state.attempt_number, seconds=round(float(pause), 1))
