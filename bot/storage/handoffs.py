"""Rows of handoffs. At most one open a conversation; the database holds to that too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.model import Handoff, HandoffState, Priority
from bot.storage.sealed import Sealed
from bot.storage.tables import handoffs

_h = handoffs.c
_OPEN_ONE = sa.select(handoffs).where(_h.conversation_id == sa.bindparam("b_id"), _h.closed_at.is_(None))  # made once: quicker


def open_one(tx: Connection, sealed: Sealed) -> Handoff | None:
    """The conversation's open handoff."""
    found = tx.execute(_OPEN_ONE, {"b_id": sealed.conversation_id}).first()
    if found is None:
        return None
    answers: dict[str, str] = {} if found.answers is None else sealed.unseal_json("handoff", found.answers)
    return Handoff(found.id, HandoffState(found.state), Priority(found.priority), found.requested_at, answers)


def ask(tx: Connection, sealed: Sealed, priority: Priority, answers: Mapping[str, str], now: float) -> Handoff:
    """A handoff with at least this priority and these answers: the open one changed, or a new one. The bot never lowers a priority."""
    there = open_one(tx, sealed)
    merged = {**(there.answers if there else {}), **answers}
    values: dict[str, Any] = {"answers": sealed.seal_json("handoff", merged) if merged else None, "changed_at": now}
    if there is None:
        done = tx.execute(handoffs.insert().values(conversation_id=sealed.conversation_id, state=HandoffState.REQUESTED.value,
                                                   priority=int(priority), requested_at=now, **values))
        return Handoff(int(done.inserted_primary_key[0]), HandoffState.REQUESTED, priority, now, merged)
    raised = max(there.priority, priority)
    tx.execute(handoffs.update().where(_h.id == there.id).values(priority=int(raised), **values))
    return Handoff(there.id, there.state, raised, there.requested_at, merged)


def counts(tx: Connection) -> dict[str, int]:
    """How many handoffs there are in each state."""
    return {found[0]: int(found[1]) for found in tx.execute(sa.select(_h.state, sa.func.count()).group_by(_h.state))}
