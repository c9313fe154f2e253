"""Rows of work owed to providers, each sealed under a key of its own, and marks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.storage.sql import insert_new
from bot.storage.tables import chores, marks
from bot.vault import Vault, WrappedKey

_c = chores.c
_PLACE = b"chore"


@dataclass(frozen=True, repr=False)
class Chore:
    """One piece of work. ``body`` may hold addresses and message ids: never log it."""

    id: int
    kind: str
    body: Mapping[str, Any]
    attempts: int
    expires_at: float


def add(tx: Connection, vault: Vault, channel: str, kind: str, body: Mapping[str, Any], now: float, expires_at: float) -> None:
    """Put work down. It is done by whoever calls :func:`due`, at least once, until ``expires_at``."""
    wrapped = vault.new_data_key()
    sealed = vault.encrypt(vault.unwrap(wrapped), json.dumps(body, separators=(",", ":")).encode("ascii"), _PLACE)
    tx.execute(chores.insert().values(channel=channel, kind=kind, key_id=wrapped.key_id, data_key=wrapped.blob, body=sealed, attempts=0,
                                      next_attempt_at=now, expires_at=expires_at))


def any_due(tx: Connection, channel: str, now: float) -> bool:
    """Whether :func:`due` has something to give or to drop."""
    return tx.execute(sa.select(_c.id).where(_c.channel == channel, sa.or_(_c.next_attempt_at <= now, _c.expires_at <= now)).limit(1)).first() is not None


def due(tx: Connection, vault: Vault, channel: str, now: float, pause: float, limit: int) -> list[Chore]:
    """Work that may be tried now, oldest first; nobody else gets it for ``pause`` seconds. What is too late is dropped.

    Raises :class:`bot.vault.VaultError` where a key is missing.
    """
    tx.execute(chores.delete().where(_c.channel == channel, _c.expires_at <= now))
    rows = list(tx.execute(sa.select(chores).where(_c.channel == channel, _c.next_attempt_at <= now).order_by(_c.id).limit(limit)
                           .with_for_update(skip_locked=True)))
    found = []
    for row in rows:
        tx.execute(chores.update().where(_c.id == row.id).values(attempts=_c.attempts + 1, next_attempt_at=now + pause))
        key = vault.unwrap(WrappedKey(row.key_id, bytes(row.data_key)))
        found.append(Chore(row.id, row.kind, json.loads(vault.decrypt(key, bytes(row.body), _PLACE)), row.attempts + 1, row.expires_at))
    return found


def done(tx: Connection, chore_id: int) -> None:
    """It is done, or can never be."""
    tx.execute(chores.delete().where(_c.id == chore_id))


def again(tx: Connection, chore_id: int, at: float) -> None:
    """Try again at ``at``."""
    tx.execute(chores.update().where(_c.id == chore_id).values(next_attempt_at=at))


def mark(tx: Connection, name: str) -> str | None:
    """Where the reader ``name`` stands."""
    found = tx.execute(sa.select(marks.c.value).where(marks.c.name == name)).scalar()
    return None if found is None else str(found)


def set_mark(tx: Connection, name: str, value: str) -> None:
    """The reader ``name`` stands at ``value`` now."""
    if not insert_new(tx, marks, {"name": name, "value": value}):
        tx.execute(marks.update().where(marks.c.name == name).values(value=value))
