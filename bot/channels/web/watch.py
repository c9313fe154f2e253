"""One watcher of the store for all pages that wait: it wakes those that something happened for."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from starlette.concurrency import run_in_threadpool

from bot import logs
from bot.mailbox import Changes, Topic, web_news
from bot.storage import StorageUnavailable, Store

_log = logs.get_logger("web")
_RETRY_SECONDS = 1.0


class Waiter:
    """One waiting request. ``pending``: it also wants to know when nothing is under way any more."""

    def __init__(self) -> None:
        self.pending = False
        self.ended = False
        self._event = asyncio.Event()

    def wake(self) -> None:
        self._event.set()

    def end(self) -> None:
        """Wake it for good: the process ends, or the same page asks anew."""
        self.ended = True
        self._event.set()

    async def wait(self, timeout: float) -> None:
        """Return when woken or after ``timeout`` seconds."""
        try:
            await asyncio.wait_for(self._event.wait(), timeout)
        except asyncio.TimeoutError:
            return
        self._event.clear()


class Watch:
    """Asks the store once for all waiters, whenever something was committed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiters: dict[str, Waiter] = {}
        self._closed = False

    @contextmanager
    def waiting(self, pseudonyms: Sequence[str]) -> Iterator[Waiter]:
        """Wait as this page until the block ends. An older request of the same page ends: the newest is the one that is read."""
        waiter = Waiter()
        for name in pseudonyms:
            older = self._waiters.get(name)
            if older is not None:
                older.end()
            self._waiters[name] = waiter
        if self._closed:
            waiter.end()
        try:
            yield waiter
        finally:
            for name in pseudonyms:
                if self._waiters.get(name) is waiter:
                    del self._waiters[name]

    def close(self) -> None:
        """End all waiting, now and later."""
        self._closed = True
        for waiter in set(self._waiters.values()):
            waiter.end()

    async def run(self) -> None:
        """Watch until cancelled. When the store is away it goes on trying; those who wait look for themselves now and then."""
        changes: Changes | None = None
        newest = -1
        try:
            while True:
                try:
                    if changes is None:
                        changes = Changes(self._store, Topic.OUTGOING)
                        newest, _, _ = await run_in_threadpool(web_news, self._store, 2**62)
                        for waiter in set(self._waiters.values()):
                            waiter.wake()
                    await asyncio.sleep(changes.interval)
                    if self._waiters and changes.changed():
                        newest = await self._look(newest)
                except (StorageUnavailable, sqlite3.Error) as error:
                    _log.warning("watch_failed", error=type(error).__name__)
                    if changes is not None:
                        changes.close()
                        changes = None
                    await asyncio.sleep(_RETRY_SECONDS)
        finally:
            if changes is not None:
                changes.close()

    async def _look(self, newest: int) -> int:
        newest, fresh, pending = await run_in_threadpool(web_news, self._store, newest)
        for name, waiter in list(self._waiters.items()):
            if name in fresh or (waiter.pending and name not in pending):
                waiter.wake()
        return newest
