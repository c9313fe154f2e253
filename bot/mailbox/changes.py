"""Wake-ups: somebody has committed something."""

from __future__ import annotations

import sqlite3
import time

from bot.storage import Store

_POLL_SECONDS = 0.015
_SERVER_POLL_SECONDS = 0.2


class Changes:
    """Tells one waiter that the database may have changed since it last asked. Use one object a waiter.

    On SQLite ``PRAGMA data_version`` is read every 15 ms (5 µs each; it sees commits of any process and any other connection). On
    PostgreSQL every 200 ms counts as a change. Real time passes here, whatever the store's clock.
    """

    def __init__(self, store: Store) -> None:
        self._raw = None if store.path is None else sqlite3.connect(store.path, check_same_thread=False, isolation_level=None, timeout=5)
        self._seen = self._version()
        self._polled = time.monotonic()

    def changed(self) -> bool:
        """Whether something was committed since the last time that this said so."""
        if self._raw is None:
            if time.monotonic() - self._polled < _SERVER_POLL_SECONDS:
                return False
            self._polled = time.monotonic()
            return True
        found = self._version()
        if found == self._seen:
            return False
        self._seen = found
        return True

    def wait(self, timeout: float) -> bool:
        """Return true as soon as something was committed, false after ``timeout`` seconds."""
        end = time.monotonic() + timeout
        while not self.changed():
            left = end - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(self.interval, left))
        return True

    @property
    def interval(self) -> float:
        """Seconds between two looks."""
        return _POLL_SECONDS if self._raw is not None else _SERVER_POLL_SECONDS

    def close(self) -> None:
        if self._raw is not None:
            self._raw.close()

    def _version(self) -> int:
        return 0 if self._raw is None else int(self._raw.execute("PRAGMA data_version").fetchone()[0])
