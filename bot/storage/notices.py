"""PostgreSQL's own wake-ups: ``NOTIFY`` inside a writing transaction, ``LISTEN`` on a connection of its own.

A notice is delivered when its transaction commits, and never if it does not. On SQLite nothing here does anything: see
:mod:`bot.mailbox.changes`.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from sqlalchemy.engine import Connection, Engine


class Topic(str, Enum):
    """What a notice is about; the value is the channel's name on the server."""

    MESSAGES = "helpline_messages"
    """A message waits for a turn."""
    OUTGOING = "helpline_outgoing"
    """The send queue changed, or somebody's message has its outcome."""


class ListenerLost(Exception):
    """The connection is gone; what was said meanwhile was not heard."""


def notify(tx: Connection, topic: Topic) -> None:
    """Wake who listens for ``topic`` when this transaction commits. Several in one transaction are one notice."""
    if tx.dialect.name == "postgresql":
        tx.exec_driver_sql(f"NOTIFY {topic.value}")


class Listener:
    """One connection that listens. Blocking to make: up to the driver's five seconds where a host does not answer."""

    def __init__(self, engine: Engine, topics: tuple[Topic, ...]) -> None:
        """Raises :class:`ListenerLost` when the server cannot be reached."""
        import psycopg2

        self._error: type[Exception] = psycopg2.Error
        try:
            arguments, named = engine.dialect.create_connect_args(engine.url)
            # not the pool's: it would be reset between uses, and with it the listening; the same parameters all the same
            self._raw: Any = psycopg2.connect(*arguments, **named, connect_timeout=5, application_name="helpline-listener")
            self._raw.autocommit = True
            with self._raw.cursor() as cursor:
                for topic in topics:
                    cursor.execute(f"LISTEN {topic.value}")
        except psycopg2.Error as error:
            raise ListenerLost(type(error).__name__) from None

    def fileno(self) -> int:
        """The socket, to wait on."""
        return int(self._raw.fileno())

    def heard(self) -> bool:
        """Whether a notice came since the last time; does not wait. Raises :class:`ListenerLost`."""
        try:
            self._raw.poll()
        except self._error as error:
            raise ListenerLost(type(error).__name__) from None
        found = bool(self._raw.notifies)
        self._raw.notifies.clear()
        return found

    def close(self) -> None:
        self._raw.close()
