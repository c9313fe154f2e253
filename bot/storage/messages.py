"""Rows of incoming messages and of their receipts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.model import Flood, Incoming, MessageKind, StoredMessage
from bot.storage.conversations import LEASE_FREE
from bot.storage.notices import Topic, notify
from bot.storage.sealed import Sealed, in_place, incoming_body, reference_place
from bot.storage.sql import insert_new
from bot.storage.tables import Time, conversations, messages, receipts

_m = messages.c
_p = sa.bindparam

# Made once: building a statement costs more than running it.
_ADD = messages.insert()
_WAITING = sa.select(messages).where(_m.conversation_id == _p("b_id"), _m.handled_at.is_(None)).order_by(_m.sequence)
_FIRST_WAITING = _WAITING.limit(_p("b_limit"))
_UNHURRIED = (sa.select(_m.id, _m.conversation_id, _m.flood, conversations.c.channel).join(conversations, _m.conversation_id == conversations.c.id)
              .where(_m.handled_at.is_(None), _m.hurry.is_(False)).order_by(_m.flood, _m.id))
_IS_WAITING = sa.select(_m.id).where(_m.conversation_id == _p("b_id"), _m.handled_at.is_(None)).limit(1)
_BEGIN = messages.update().where(_m.id.in_(_p("b_ids", expanding=True))).values(attempts=_m.attempts + 1)
_UNFINISHED = sa.and_(_m.conversation_id == _p("b_id"), _m.id.in_(_p("b_ids", expanding=True)), _m.handled_at.is_(None))
_FINISH = messages.update().where(_UNFINISHED).values(handled_at=_p("b_now"), set_aside=_p("b_reason"))
_SIGN_OFF = receipts.update().where(receipts.c.hash.in_(sa.select(_m.receipt).where(_UNFINISHED))).values(outcome=_p("b_outcome"))
_CANDIDATES = (sa.select(conversations.c.id, conversations.c.fence)
               .join(messages, _m.conversation_id == conversations.c.id)
               .where(_m.handled_at.is_(None), LEASE_FREE)
               .group_by(conversations.c.id, conversations.c.fence, conversations.c.channel)
               .order_by(sa.func.max(sa.case((_m.hurry, 1), else_=0)).desc(), sa.case((sa.func.min(_m.flood) > 0, 1), else_=0), sa.func.min(_m.id)))


@dataclass(frozen=True)
class Candidate:
    """A conversation with waiting messages that nobody holds."""

    conversation_id: str
    fence: int


def sign_for(tx: Connection, hashes: Sequence[str], channel: str, now: float) -> bool:
    """Write the receipt of a provider's message (its keyed hashes, newest first); false when there is one already."""
    if len(hashes) > 1 and tx.execute(sa.select(receipts.c.hash).where(receipts.c.hash.in_(list(hashes[1:])))).first() is not None:
        return False
    return insert_new(tx, receipts, {"hash": hashes[0], "channel": channel, "first_seen": now, "outcome": "waiting"})


def conversation_of(tx: Connection, hashes: Sequence[str]) -> str | None:
    """Where a received message went; ``None`` once it was erased."""
    found = tx.execute(sa.select(_m.conversation_id).where(_m.receipt.in_(list(hashes)))).scalar()
    return None if found is None else str(found)


def add(tx: Connection, sealed: Sealed, receipt: str, sequence: int, incoming: Incoming, now: float,
        flood: Flood = Flood.WITHIN) -> int:
    """Store one message as waiting; its id."""
    done = tx.execute(_ADD, {
        "conversation_id": sealed.conversation_id, "receipt": receipt, "sequence": sequence, "kind": incoming.kind.value,
        "body": sealed.seal_json(in_place(sequence), incoming_body(incoming)), "received_at": now, "attempts": 0, "failures": 0, "hurry": False, "flood": int(flood),
        "reference": None if incoming.reference is None else sealed.seal_json(reference_place(sequence, "in"), incoming.reference)})
    notify(tx, Topic.MESSAGES)
    return int(done.inserted_primary_key[0])


def candidates(tx: Connection, now: float, longest: float, burst_seconds: float, burst_channels: Sequence[str], conversation_id: str | None,
               limit: int) -> list[Candidate]:
    """Conversations that may be taken now: those with a message that must hurry first, those with nothing but what came above a
    limit last, among each the longest waiting first.

    On ``burst_channels`` one waits until ``burst_seconds`` after its newest fragment, three times that at most after its oldest,
    unless a fragment is marked to hurry. A fragment from the future (the clock was set back) does not wait.
    """
    values: dict[str, Any] = {"b_now": now, "b_latest": now + longest}
    if conversation_id is not None:
        values["b_id"] = conversation_id
    if burst_seconds > 0:
        values.update(b_channels=list(burst_channels), b_newest=now - burst_seconds, b_oldest=now - 3 * burst_seconds, b_future=now + 1)
    found = tx.execute(_candidates(conversation_id is not None, burst_seconds > 0, limit), values)
    return [Candidate(row.id, row.fence) for row in found]


@lru_cache(maxsize=16)
def _candidates(one: bool, burst: bool, limit: int) -> Any:
    query = _CANDIDATES.limit(limit)
    if one:
        query = query.where(conversations.c.id == _p("b_id"))
    if burst:
        oldest, newest = sa.func.min(_m.received_at), sa.func.max(_m.received_at)
        hurried = sa.func.max(sa.case((_m.hurry, 1), else_=0))
        query = query.having(sa.or_(conversations.c.channel.not_in(_p("b_channels", expanding=True)), newest <= _p("b_newest", type_=Time),
                                    oldest <= _p("b_oldest", type_=Time), newest > _p("b_future", type_=Time), hurried == 1))
    return query


def unhurried(tx: Connection) -> list[Any]:
    """Waiting messages that are not marked to hurry, those within their sender's limits first, the oldest of each first: ``id``,
    ``conversation_id``, ``channel``, ``flood``."""
    return list(tx.execute(_UNHURRIED))


def some(tx: Connection, conversation_id: str, ids: Sequence[int]) -> list[Any]:
    """The sealed rows of some of a conversation's messages in order."""
    return list(tx.execute(sa.select(messages).where(_m.conversation_id == conversation_id, _m.id.in_(list(ids))).order_by(_m.sequence)))


def hurry(tx: Connection, conversation_id: str) -> None:
    """Let a conversation's waiting messages wait for no further fragments."""
    tx.execute(messages.update().where(_m.conversation_id == conversation_id, _m.handled_at.is_(None)).values(hurry=True))
    notify(tx, Topic.MESSAGES)


def waiting(tx: Connection, conversation_id: str, limit: int | None = None) -> list[Any]:
    """The sealed rows of a conversation's waiting messages in order, the first ``limit`` of them."""
    if limit is None:
        return list(tx.execute(_WAITING, {"b_id": conversation_id}))
    return list(tx.execute(_FIRST_WAITING, {"b_id": conversation_id, "b_limit": limit}))


def of(tx: Connection, conversation_id: str) -> list[Any]:
    """All sealed rows of a conversation in order."""
    return list(tx.execute(sa.select(messages).where(_m.conversation_id == conversation_id).order_by(_m.sequence)))


def begin_attempt(tx: Connection, ids: Sequence[int]) -> None:
    """Count one more turn begun for these messages."""
    tx.execute(_BEGIN, {"b_ids": list(ids)})


def count_failure(tx: Connection, ids: Sequence[int]) -> None:
    """Count one more turn that failed for these messages."""
    tx.execute(messages.update().where(_m.id.in_(list(ids)), _m.handled_at.is_(None)).values(failures=_m.failures + 1))


def finish(tx: Connection, conversation_id: str, ids: Sequence[int], now: float, set_aside: str | None = None) -> int:
    """Give messages their final outcome, and their receipts too; how many had none before."""
    own = {"b_id": conversation_id, "b_ids": list(ids)}
    notify(tx, Topic.OUTGOING)  # a page waits to hear that nothing is under way any more
    tx.execute(_SIGN_OFF, {**own, "b_outcome": "handled" if set_aside is None else "set_aside"})
    return int(tx.execute(_FINISH, {**own, "b_now": now, "b_reason": set_aside}).rowcount)


def opened(row: Any, sealed: Sealed) -> StoredMessage:
    """A row as the engine reads it. Raises :class:`bot.vault.VaultError`."""
    body = sealed.unseal_json(in_place(row.sequence), row.body)
    return StoredMessage(row.id, row.sequence, MessageKind(row.kind), body["text"], body["button"], body["hint"], row.received_at,
                         bool(body.get("edited")), Flood(row.flood))


def move(tx: Connection, row: Any, old: Sealed, new: Sealed, sequence: int) -> None:
    """Take a waiting message over into another conversation, sealed anew."""
    body = old.unseal(in_place(row.sequence), row.body)
    reference = None if row.reference is None else new.seal(reference_place(sequence, "in"), old.unseal(reference_place(row.sequence, "in"), row.reference))
    tx.execute(messages.update().where(_m.id == row.id).values(
        conversation_id=new.conversation_id, sequence=sequence, body=new.seal(in_place(sequence), body), reference=reference))


def references(tx: Connection, sealed: Sealed, since: float) -> list[str]:
    """What the provider calls the conversation's incoming messages received after ``since``, oldest first."""
    rows = tx.execute(sa.select(_m.sequence, _m.reference).where(
        _m.conversation_id == sealed.conversation_id, _m.reference.is_not(None), _m.received_at > since).order_by(_m.sequence))
    return [str(sealed.unseal_json(reference_place(row.sequence, "in"), row.reference)) for row in rows]


def references_of(tx: Connection, sealed: Sealed, ids: Sequence[int]) -> list[str]:
    """What the provider calls these messages of the conversation, oldest first, each once."""
    rows = tx.execute(sa.select(_m.sequence, _m.reference).where(
        _m.conversation_id == sealed.conversation_id, _m.id.in_(list(ids)), _m.reference.is_not(None)).order_by(_m.sequence))
    return list(dict.fromkeys(str(sealed.unseal_json(reference_place(row.sequence, "in"), row.reference)) for row in rows))


def is_waiting(tx: Connection, conversation_id: str) -> bool:
    """Whether a conversation has a message without an outcome."""
    return tx.execute(_IS_WAITING, {"b_id": conversation_id}).first() is not None


def waiting_pseudonyms(tx: Connection, channel: str) -> frozenset[str]:
    """Who on ``channel`` has a message without an outcome."""
    query = (sa.select(conversations.c.pseudonym).join(messages, _m.conversation_id == conversations.c.id)
             .where(_m.handled_at.is_(None), conversations.c.channel == channel, conversations.c.pseudonym.is_not(None)).distinct())
    return frozenset(tx.execute(query).scalars())


def backlog(tx: Connection) -> tuple[int, float | None]:
    """(how many messages wait, when the oldest of them came)."""
    found = tx.execute(sa.select(sa.func.count(), sa.func.min(_m.received_at)).select_from(messages).where(_m.handled_at.is_(None))).one()
    return int(found[0]), found[1]
