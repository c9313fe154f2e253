"""Rows that stand beside the conversations: attention entries for staff, and processes that live."""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot import logs
from bot.storage.sql import insert_new
from bot.storage.tables import attention, heartbeats

_log = logs.get_logger("storage")
_KIND = re.compile(r"[a-z][a-z0-9_.]{0,63}|[0-9]{1,5}")


def code(text: str) -> str:
    """``text`` if it is a short code; raises ``ValueError`` else. Plain columns must never hold what somebody wrote."""
    if _KIND.fullmatch(text) is None:
        raise ValueError("a kind or reason is a short code: lower-case letters, digits, _ and ., or a provider's number of up to five digits")
    return text


def attend(tx: Connection, kind: str, conversation_id: str | None, now: float) -> None:
    """Put something before the staff; once until they have seen it."""
    same = conversation_id is not None and tx.execute(
        sa.select(attention.c.id).where(attention.c.kind == code(kind), attention.c.conversation_id == conversation_id, attention.c.seen_at.is_(None))
        .limit(1)).first() is not None
    if not same:
        _log.warning("attention", kind=kind)  # an alarm can hang on it; what it is about stands in the table alone
        tx.execute(attention.insert().values(kind=code(kind), conversation_id=conversation_id, at=now))


def alarm(tx: Connection, kind: str, now: float) -> None:
    """Put something that concerns no single conversation before the staff; once until they have seen it."""
    same = sa.select(attention.c.id).where(attention.c.kind == code(kind), attention.c.conversation_id.is_(None), attention.c.seen_at.is_(None))
    if tx.execute(same.limit(1)).first() is None:
        tx.execute(attention.insert().values(kind=kind, conversation_id=None, at=now))


def unseen(tx: Connection) -> list[Any]:
    """Attention entries that nobody has seen, oldest first: ``id``, ``kind``, ``conversation_id``, ``at``."""
    return list(tx.execute(sa.select(attention).where(attention.c.seen_at.is_(None)).order_by(attention.c.id)))


def unseen_kinds(tx: Connection) -> dict[str, int]:
    """How many entries that nobody has seen there are of each kind."""
    query = sa.select(attention.c.kind, sa.func.count()).where(attention.c.seen_at.is_(None)).group_by(attention.c.kind)
    return {found[0]: int(found[1]) for found in tx.execute(query)}


def beat(tx: Connection, process: str, instance: str, now: float) -> None:
    """Note that a process lives; rows of a day ago go."""
    own = sa.and_(heartbeats.c.process == process, heartbeats.c.instance == instance)
    if not insert_new(tx, heartbeats, {"process": process, "instance": instance, "at": now}):
        tx.execute(heartbeats.update().where(own).values(at=now))
    else:
        tx.execute(heartbeats.delete().where(heartbeats.c.at < now - 86400))


def stop_beating(tx: Connection, process: str, instance: str) -> None:
    """Note that a process has ended."""
    tx.execute(heartbeats.delete().where(heartbeats.c.process == process, heartbeats.c.instance == instance))


def last_beat(tx: Connection, process: str, before: float) -> float | None:
    """The newest sign of life of a kind of process, not later than ``before``."""
    found = tx.execute(sa.select(sa.func.max(heartbeats.c.at)).where(heartbeats.c.process == process, heartbeats.c.at <= before)).scalar()
    return None if found is None else float(found)
