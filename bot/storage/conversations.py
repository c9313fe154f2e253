"""Rows of conversations: found by pseudonym, held by lease and fencing number, destroyed by erasing."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.model import ConversationState
from bot.storage.notices import Topic, notify
from bot.storage.sealed import Sealed, state_fields
from bot.storage.sql import insert_new
from bot.storage.tables import Time, attention, conversations, erasures, handoffs, messages, outgoing, receipts
from bot.vault import Vault, WrappedKey

_c = conversations.c
_p = sa.bindparam

# Statements of every turn are made once: building one costs more than running it.
_GET = sa.select(conversations).where(_c.id == _p("b_id"))
_GET_LOCKED = _GET.with_for_update()
_FIND = sa.select(conversations).where(_c.channel == _p("b_channel"), _c.pseudonym.in_(_p("b_names", expanding=True)))
_FIND_LOCKED = _FIND.with_for_update()
_BY_ID = conversations.update().where(_c.id == _p("b_id"))
_HEARD = _BY_ID.values(last_heard_at=_p("b_at"), next_in=_c.next_in + _p("b_count"))
_USE_OUT = _BY_ID.values(next_out=_c.next_out + _p("b_count"))
_BY_FENCE = _BY_ID.where(_c.fence == _p("b_fence"))
_LET_GO = _BY_FENCE.values(lease_owner=None, lease_until=_p("b_until"), fence=_c.fence + 1)  # nothing more may be done with that turn
_EXTEND = _BY_FENCE.values(lease_until=_p("b_until"))
LEASE_FREE = sa.or_(_c.lease_until.is_(None), _c.lease_until <= _p("b_now", type_=Time), _c.lease_until > _p("b_latest", type_=Time))
"""Nobody holds it, at ``b_now``. A lease beyond ``b_latest`` (longer than any may be) was made before the clock was set back: it does not count."""

# Whoever is writing to it now is left alone: another conversation waits as well, and the commit wakes somebody.
_FREE = sa.select(_c.id).where(_c.id == _p("b_id"), _c.fence == _p("b_fence"), LEASE_FREE).with_for_update(skip_locked=True)
_HOLD = conversations.update().where(_c.id.in_(_FREE)).values(lease_owner=_p("b_owner"), lease_until=_p("b_until"), fence=_c.fence + 1)
_KEEP_STATE = _BY_ID.values(state=_p("b_state"), snapshot=_p("b_snapshot"), quiet=_p("b_quiet"), opted_out=_p("b_opted_out"))


@dataclass(frozen=True, repr=False)
class ConversationRow:
    """One row as it stands, still sealed."""

    id: str
    channel: str
    pseudonym: str | None
    wrapped: WrappedKey
    address: bytes
    state: bytes | None
    snapshot: bytes | None
    quiet: bool
    opted_out: bool
    last_heard_at: float
    next_in: int
    next_out: int
    fence: int


def _row(found: Any) -> ConversationRow:
    return ConversationRow(
        id=found.id, channel=found.channel, pseudonym=found.pseudonym, wrapped=WrappedKey(found.key_id, bytes(found.data_key)),
        address=bytes(found.address), state=found.state, snapshot=found.snapshot, quiet=found.quiet, opted_out=found.opted_out,
        last_heard_at=found.last_heard_at, next_in=found.next_in, next_out=found.next_out, fence=found.fence)


def get(tx: Connection, conversation_id: str, *, lock: bool = False) -> ConversationRow | None:
    """The row by id; ``lock`` keeps it from other writers until the transaction ends."""
    found = tx.execute(_GET_LOCKED if lock else _GET, {"b_id": conversation_id}).first()
    return None if found is None else _row(found)


def find(tx: Connection, channel: str, pseudonyms: Sequence[str], *, lock: bool = False) -> ConversationRow | None:
    """The row that one of an address's pseudonyms (newest first) leads to."""
    rows = [_row(found) for found in tx.execute(_FIND_LOCKED if lock else _FIND, {"b_channel": channel, "b_names": list(pseudonyms)})]
    return min(rows, key=lambda row: list(pseudonyms).index(row.pseudonym or ""), default=None)


def create(tx: Connection, vault: Vault, channel: str, address: str, now: float) -> ConversationRow:
    """A new, empty conversation with a data key of its own. Locks its row.

    Its outgoing numbers begin at the time in milliseconds: they go on rising when an address is forgotten and returns, so that a
    page which remembers the last number that it saw misses nothing.
    """
    conversation_id = uuid.uuid4().hex
    wrapped = vault.new_data_key()
    sealed = Sealed.open(vault, conversation_id, wrapped)
    made = insert_new(tx, conversations, {
        "id": conversation_id, "channel": channel, "pseudonym": vault.pseudonym(channel, address), "key_id": wrapped.key_id,
        "data_key": wrapped.blob, "address": sealed.seal_json("address", address), "quiet": False, "opted_out": False,
        "created_at": now, "last_heard_at": now, "next_in": 1, "next_out": int(now * 1000), "fence": 0,
    })
    row = get(tx, conversation_id, lock=True) if made else find(tx, channel, vault.pseudonyms(channel, address), lock=True)
    # somebody else's was in the way, and was erased while this waited for it
    return create(tx, vault, channel, address, now) if row is None else row


def supersede(tx: Connection, conversation_id: str) -> None:
    """Cut the way from the address to this conversation: the person is a stranger from now on."""
    tx.execute(conversations.update().where(_c.id == conversation_id).values(pseudonym=None))


def rename(tx: Connection, conversation_id: str, pseudonym: str) -> None:
    """Keep the pseudonym under the newest naming key."""
    tx.execute(conversations.update().where(_c.id == conversation_id).values(pseudonym=pseudonym))


def heard(tx: Connection, conversation_id: str, now: float) -> None:
    """Note a new message: its time, and one number used up."""
    heard_at(tx, conversation_id, now, 1)


def heard_at(tx: Connection, conversation_id: str, at: float, count: int) -> None:
    """Take over from another conversation: ``count`` messages, the last of them heard at ``at``."""
    tx.execute(_HEARD, {"b_id": conversation_id, "b_at": at, "b_count": count})


def use_out(tx: Connection, conversation_id: str, count: int) -> None:
    """Use up ``count`` outgoing numbers."""
    tx.execute(_USE_OUT, {"b_id": conversation_id, "b_count": count})


def hold(tx: Connection, conversation_id: str, fence: int, owner: str, now: float, until: float, longest: float) -> bool:
    """Take the lease if it is free and nobody took it since ``fence`` was read; the row's fence is then ``fence + 1``."""
    done = tx.execute(_HOLD, {"b_id": conversation_id, "b_fence": fence, "b_owner": owner, "b_until": until, "b_now": now, "b_latest": now + longest})
    return bool(done.rowcount == 1)


def extend(tx: Connection, conversation_id: str, fence: int, until: float) -> bool:
    """Hold on for longer; false when somebody else has taken over."""
    return bool(tx.execute(_EXTEND, {"b_id": conversation_id, "b_fence": fence, "b_until": until}).rowcount == 1)


def let_go(tx: Connection, conversation_id: str, fence: int, free_at: float | None = None) -> bool:
    """Give the lease back, at once or not before ``free_at``; false when somebody else has taken over. Locks the row."""
    return bool(tx.execute(_LET_GO, {"b_id": conversation_id, "b_fence": fence, "b_until": free_at}).rowcount == 1)


def keep_state(tx: Connection, sealed: Sealed, state: ConversationState, snapshot: bytes | None) -> None:
    """Store what the engine carries from turn to turn; the plain columns follow it."""
    tx.execute(_KEEP_STATE, {
        "b_id": sealed.conversation_id, "b_state": sealed.seal_json("state", state_fields(state)),
        "b_snapshot": None if snapshot is None else sealed.seal("snapshot", snapshot),
        "b_quiet": state.quiet_since is not None, "b_opted_out": state.opted_out_at is not None})


def count(tx: Connection) -> int:
    """How many conversations there are."""
    return int(tx.execute(sa.select(sa.func.count()).select_from(_c)).scalar_one())


def all_ids(tx: Connection) -> list[str]:
    """The ids of all conversations."""
    return list(tx.execute(sa.select(_c.id)).scalars())


def silent_since(tx: Connection, before: float, handed_before: float, limit: int) -> list[str]:
    """Ids of conversations to let go: not heard of since ``before`` and never handed over, or handed over, not heard of and not changed by
    a worker since ``handed_before``. One that an engine holds, in which a message waits, or that is written to now, is left. Locks the rows."""
    asked = sa.exists().where(handoffs.c.conversation_id == _c.id)
    lately = sa.exists().where(handoffs.c.conversation_id == _c.id, handoffs.c.changed_at >= handed_before)
    waits = sa.exists().where(messages.c.conversation_id == _c.id, messages.c.handled_at.is_(None))
    over = sa.or_(sa.and_(sa.not_(asked), _c.last_heard_at < before), sa.and_(asked, sa.not_(lately), _c.last_heard_at < handed_before))
    query = sa.select(_c.id).where(over, sa.not_(waits), _c.lease_owner.is_(None)).limit(limit)
    return list(tx.execute(query.with_for_update(skip_locked=True)).scalars())


def destroy(tx: Connection, conversation_id: str, ledger_hash: str, now: float) -> None:
    """Erase: the data key, address, state and all messages of both sides go; receipts stay (they name nobody), a ledger row is written.

    A handoff row keeps its times and priority without the conversation and the answers; an open one is closed as ``erased``.
    """
    own = messages.c.conversation_id == conversation_id
    waiting = sa.select(messages.c.receipt).where(own, messages.c.handled_at.is_(None))
    tx.execute(receipts.update().where(receipts.c.hash.in_(waiting)).values(outcome="erased"))
    tx.execute(messages.delete().where(own))
    tx.execute(outgoing.delete().where(outgoing.c.conversation_id == conversation_id))
    tx.execute(attention.delete().where(attention.c.conversation_id == conversation_id))
    mine = handoffs.c.conversation_id == conversation_id
    was_open = tx.execute(handoffs.update().where(mine, handoffs.c.closed_at.is_(None))
                          .values(state="closed", closed_at=now, changed_at=now, closed_reason="erased")).rowcount
    tx.execute(handoffs.update().where(mine).values(conversation_id=None, answers=None))
    tx.execute(conversations.delete().where(_c.id == conversation_id))
    notify(tx, Topic.OUTGOING)
    insert_new(tx, erasures, {"hash": ledger_hash, "at": now})
    if was_open:
        tx.execute(attention.insert().values(kind="erased_by_person", conversation_id=None, at=now))
