"""Work that is owed to a provider (deleting, redacting), and where a reader of a provider's list stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.engine import Connection

from bot.model import Channel
from bot.storage import Store, chores, ledger
from bot.storage.chores import Chore

RETRY_SECONDS = 30.0
"""A piece of work that nobody has settled by then is given out again: its process may have died."""

REDACT_WITHIN = 400 * 86400.0
"""Twilio keeps messages 400 days at most."""

_LONGEST_PAUSE = 3600.0


def owed(store: Store, channel: Channel, limit: int = 10) -> tuple[Chore, ...]:
    """Work for ``channel``'s provider that is due; each must be :func:`settled` or put :func:`off`. What is too late is dropped."""
    with store.read() as tx:
        if not chores.any_due(tx, channel.value, store.clock.now()):
            return ()
    with store.write() as tx:
        return tuple(chores.due(tx, store.vault, channel.value, store.clock.now(), RETRY_SECONDS, limit))


def owe(store: Store, channel: Channel, kind: str, body: Mapping[str, Any], seconds: float) -> None:
    """Put work for ``channel``'s provider down; it is dropped when it is not done within ``seconds``."""
    with store.write() as tx:
        now = store.clock.now()
        chores.add(tx, store.vault, channel.value, kind, body, now, now + seconds)


def redact(store: Store, tx: Connection, channel: str, references: Sequence[str], now: float) -> None:
    """The provider need not know these texts any more; nothing where that is not wanted (``store.limits.redact``)."""
    if references and channel in store.limits.redact:
        chores.add(tx, store.vault, channel, "redact", {"references": list(references)}, now, now + REDACT_WITHIN)


def alarm(store: Store, kind: str) -> None:
    """Tell staff of something that concerns no single conversation; once until they have seen it. ``kind`` is a short code."""
    with store.write() as tx:
        ledger.alarm(tx, kind, store.clock.now())


def settled(store: Store, chore: Chore) -> None:
    """It is done, or can never be done."""
    with store.write() as tx:
        chores.done(tx, chore.id)


def off(store: Store, chore: Chore, seconds: float | None = None) -> None:
    """Try again after ``seconds``, or after a pause that grows with the attempts."""
    pause = min(RETRY_SECONDS * 2 ** (chore.attempts - 1), _LONGEST_PAUSE) if seconds is None else seconds
    with store.write() as tx:
        chores.again(tx, chore.id, store.clock.now() + pause)


def mark_of(store: Store, name: str) -> str | None:
    """Where the reader ``name`` stands; ``None`` before its first time."""
    with store.read() as tx:
        return chores.mark(tx, name)


def set_mark(store: Store, name: str, value: str) -> None:
    """The reader ``name`` stands at ``value`` now."""
    with store.write() as tx:
        chores.set_mark(tx, name, value)
