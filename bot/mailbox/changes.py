"""Wake-ups: somebody has committed something."""

from __future__ import annotations

import select
import sqlite3
import threading
import time
from pathlib import Path
from typing import Protocol

from bot import logs
from bot.storage import Store
from bot.storage.notices import Listener, ListenerLost, Topic

_log = logs.get_logger("mailbox")

_LOOK_SECONDS = 0.015
_NET_SECONDS = 1.0
_DEAF_SECONDS = 0.2
_RECONNECT_SECONDS = 1.0


class Changes:
    """Tells one waiter that the database may have changed since it last asked. Use one object a waiter.

    On SQLite ``PRAGMA data_version`` is read every 15 ms (5 µs each; it sees commits of any process and any other connection). On
    PostgreSQL notices about ``topics`` are heard, and every second counts as a change too, every 200 ms while nothing can be heard: a lost
    notice delays, and loses nothing. Real time passes here, whatever the store's clock.
    """

    def __init__(self, store: Store, *topics: Topic) -> None:
        """``topics``: none means all. Does not wait for a server."""
        self._source: _Source = _File(store.path) if store.path is not None else _Server(store, topics or tuple(Topic))

    def changed(self) -> bool:
        """Whether something was committed since the last time that this said so. Does not wait."""
        return self._source.changed()

    def wait(self, timeout: float) -> bool:
        """Return true as soon as something was committed, false after ``timeout`` seconds."""
        end = time.monotonic() + timeout
        while not self._source.changed():
            left = end - time.monotonic()
            if left <= 0:
                return False
            self._source.sleep(left)
        return True

    @property
    def interval(self) -> float:
        """Seconds between two looks, for who cannot block."""
        return _LOOK_SECONDS

    def close(self) -> None:
        self._source.close()


class _Source(Protocol):
    def changed(self) -> bool: ...

    def sleep(self, seconds: float) -> None:
        """Until something may have changed, ``seconds`` at most."""
        ...

    def close(self) -> None: ...


class _File:
    """SQLite."""

    def __init__(self, path: Path) -> None:
        self._raw = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=5)
        self._seen = self._version()

    def changed(self) -> bool:
        found = self._version()
        if found == self._seen:
            return False
        self._seen = found
        return True

    def sleep(self, seconds: float) -> None:
        time.sleep(min(_LOOK_SECONDS, seconds))

    def close(self) -> None:
        self._raw.close()

    def _version(self) -> int:
        return int(self._raw.execute("PRAGMA data_version").fetchone()[0])


class _Server:
    """PostgreSQL. Connecting may take seconds, and those who ask may be an event loop: it happens in a thread."""

    def __init__(self, store: Store, topics: tuple[Topic, ...]) -> None:
        self._store = store
        self._topics = topics
        self._lock = threading.Lock()
        self._listener: Listener | None = None
        self._connecting = False
        self._closed = False
        self._missed = False  # something may have been said before this listened
        self._try_at = self._told = time.monotonic()
        self._connect_if_due()

    def changed(self) -> bool:
        now = time.monotonic()
        if not self._heard() and now - self._told < (_DEAF_SECONDS if self._listener is None else _NET_SECONDS):
            return False
        self._told = now
        return True

    def sleep(self, seconds: float) -> None:
        listener = self._listener
        if listener is None:
            time.sleep(min(_LOOK_SECONDS, seconds))
            return
        waiting = select.poll()
        try:
            waiting.register(listener.fileno(), select.POLLIN)
        except (OSError, ValueError, ListenerLost):
            return
        waiting.poll(1000 * max(0.001, min(seconds, self._told + _NET_SECONDS - time.monotonic())))

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._listener is not None:
                self._listener.close()
                self._listener = None

    def _heard(self) -> bool:
        listener, missed, self._missed = self._listener, self._missed, False
        if listener is None:
            self._connect_if_due()
            return missed
        try:
            return listener.heard() or missed
        except ListenerLost as error:
            _log.warning("listener_lost", error=str(error))
            listener.close()
            self._listener = None
            self._try_at = time.monotonic()
            return True

    def _connect_if_due(self) -> None:
        if self._connecting or self._closed or time.monotonic() < self._try_at:
            return
        self._connecting = True
        threading.Thread(target=self._connect, name="listener", daemon=True).start()

    def _connect(self) -> None:
        try:
            listener = Listener(self._store.engine, self._topics)
        except ListenerLost:
            self._try_at = time.monotonic() + _RECONNECT_SECONDS
        else:
            with self._lock:
                if self._closed:
                    listener.close()
                else:
                    self._listener, self._missed = listener, True
        self._connecting = False
