"""Rows of the send queue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.model import Author, Reply, SendState
from bot.storage import conversations as conversation_rows
from bot.storage.conversations import ConversationRow
from bot.storage.notices import Topic, notify
from bot.storage.sealed import Sealed, out_place, reference_place, reply_body
from bot.storage.tables import OPEN_SENDS, Time, conversations, outgoing

_o = outgoing.c
_p = sa.bindparam

# Made once: building a statement costs more than running it.
_ADD = outgoing.insert()
_PROLONG = outgoing.update().where(_o.conversation_id == _p("b_id"), _o.state == SendState.QUEUED.value, _o.expires_at > _p("b_now")).values(
    expires_at=sa.case((_o.author == Author.WORKER.value, _p("b_worker", type_=Time)), else_=_p("b_bot", type_=Time)))

CLOCK_SLACK = 60.0
"""A row written further in the future than this was written before the clock was set back: its age is unknown, so it is too old."""


def add(tx: Connection, sealed: Sealed, row: ConversationRow, replies: Sequence[Reply], author: Author, now: float, expires_at: float,
        reply_to: int | None, language: str | None, state: SendState = SendState.QUEUED) -> tuple[int, ...]:
    """Queue messages in order behind those that are there; their sequence numbers. ``row`` must be fresh and locked."""
    sequences = tuple(range(row.next_out, row.next_out + len(replies)))
    for sequence, reply in zip(sequences, replies, strict=False):
        tx.execute(_ADD, {
            "conversation_id": row.id, "sequence": sequence, "author": author.value, "body": sealed.seal_json(out_place(sequence), reply_body(reply, language)),
            "state": state.value, "created_at": now, "expires_at": expires_at, "attempts": 0, "next_attempt_at": now, "possible_duplicate": False,
            "reply_to": reply_to, "finished_at": None if state is SendState.QUEUED else now})
    if replies:
        notify(tx, Topic.OUTGOING)
        conversation_rows.use_out(tx, row.id, len(replies))
    return sequences


def prolong(tx: Connection, conversation_id: str, now: float, bot_until: float, worker_until: float) -> None:
    """The person wrote again: what still waits for sending lives from that moment, by author."""
    tx.execute(_PROLONG, {"b_id": conversation_id, "b_now": now, "b_bot": bot_until, "b_worker": worker_until})


def cancel(tx: Connection, conversation_id: str, now: float) -> int:
    """Nothing unsent goes out any more; what is in flight or shown is not sent again. How many were cancelled."""
    own = _o.conversation_id == conversation_id
    # a sender that claims or marks one of these now is waited for: its message must not slip through between the two updates
    tx.execute(sa.select(_o.id).where(own, _o.state.in_(OPEN_SENDS)).order_by(_o.id).with_for_update()).all()
    tx.execute(outgoing.update().where(own, _o.state.in_((SendState.SENDING.value, SendState.SENT.value)), _o.expires_at > now).values(expires_at=now))
    return int(tx.execute(outgoing.update().where(own, _o.state == SendState.QUEUED.value)
                          .values(state=SendState.CANCELLED.value, finished_at=now)).rowcount)


def give_up(tx: Connection, conversation_id: str, reason: str, now: float) -> int:
    """Nothing that waits will ever arrive; how many failed. What is in flight gets its own answer."""
    return int(tx.execute(outgoing.update().where(_o.conversation_id == conversation_id, _o.state == SendState.QUEUED.value)
                          .values(state=SendState.FAILED.value, reason=reason, finished_at=now)).rowcount)


def _too_late(now: float) -> Any:
    return sa.or_(_o.expires_at <= now, _o.created_at > now + CLOCK_SLACK)


def any_too_late(tx: Connection, now: float) -> bool:
    """Whether :func:`expire` has something to do."""
    return tx.execute(sa.select(_o.id).where(_o.state == SendState.QUEUED.value, _too_late(now)).limit(1)).first() is not None


def expire(tx: Connection, now: float) -> int:
    """Whatever may no longer be sent gets that outcome; how many."""
    # one that somebody writes to now is left to the next time: its person may be writing again
    late = sa.select(_o.id).where(_o.state == SendState.QUEUED.value, _too_late(now)).with_for_update(skip_locked=True)
    done = tx.execute(outgoing.update().where(_o.id.in_(late)).values(state=SendState.EXPIRED.value, finished_at=now))
    return int(done.rowcount)


def heads(tx: Connection, channel: str, now: float, limit: int) -> list[Any]:
    """The first open row of each conversation on ``channel`` that may be tried now, oldest first; later rows wait behind it. Locks the
    rows; what somebody else has locked is left out.

    A ``sending`` row is due when its sender's claim has lapsed: whether it went out is unknown. Each carries the conversation's
    ``key_id``, ``data_key``, ``address`` and ``last_heard_at`` too.
    """
    other = outgoing.alias()
    earlier = sa.exists().where(other.c.conversation_id == _o.conversation_id, other.c.state.in_(OPEN_SENDS), other.c.sequence < _o.sequence)
    lapsed = sa.and_(_o.state == SendState.SENDING.value, sa.or_(_o.claimed_until <= now, _o.claimed_until > now + 600))
    ready = sa.and_(_o.state == SendState.QUEUED.value, sa.or_(_o.next_attempt_at <= now, _o.next_attempt_at > now + 86400), sa.not_(_too_late(now)),
                    conversations.c.quiet.is_(False))
    query = (sa.select(outgoing, conversations.c.key_id, conversations.c.data_key, conversations.c.address, conversations.c.last_heard_at)
             .join(conversations, _o.conversation_id == conversations.c.id)
             .where(conversations.c.channel == channel, sa.or_(lapsed, ready), sa.not_(earlier))
             .order_by(_o.id).limit(limit))
    return list(tx.execute(query.with_for_update(of=outgoing, skip_locked=True)))


def claim(tx: Connection, row: Any, owner: str, until: float) -> bool:
    """Make a head ours for one attempt; false when somebody else was quicker. After an attempt whose end nobody knows it is marked at once,
    whatever becomes of this one."""
    lapsed = row.state == SendState.SENDING.value
    done = tx.execute(outgoing.update().where(_o.id == row.id, _o.state == row.state, _o.attempts == row.attempts)
                      .values(state=SendState.SENDING.value, claimed_by=owner, claimed_until=until, attempts=_o.attempts + 1,
                              possible_duplicate=row.possible_duplicate or lapsed))
    return bool(done.rowcount == 1)


def settle(tx: Connection, outgoing_id: int, attempt: int | None, values: dict[str, Any], states: Sequence[SendState]) -> bool:
    """Change one row that is in one of ``states`` and, where given, still in that attempt; whether it was."""
    where = [_o.id == outgoing_id, _o.state.in_([s.value for s in states])]
    if attempt is not None:
        where.append(_o.attempts == attempt)
    notify(tx, Topic.OUTGOING)  # the next one of its conversation may go
    return bool(tx.execute(outgoing.update().where(*where).values(**values)).rowcount == 1)


def get(tx: Connection, outgoing_id: int) -> Any | None:
    """The sealed row by id."""
    return tx.execute(sa.select(outgoing).where(_o.id == outgoing_id)).first()


def by_provider(tx: Connection, hashes: Sequence[str]) -> Any | None:
    """The row that a provider knows by this id's keyed hashes."""
    return tx.execute(sa.select(outgoing).where(_o.provider_hash.in_(list(hashes)))).first()


def known(tx: Connection, hashes: Sequence[str]) -> frozenset[str]:
    """Those of ``hashes`` under which a provider has one of our messages."""
    return frozenset(tx.execute(sa.select(_o.provider_hash).where(_o.provider_hash.in_(list(hashes)))).scalars())


def unreported(tx: Connection, channel: str, after: float, before: float) -> list[Any]:
    """Rows on ``channel`` handed over in (``after``, ``before``] of which the provider said nothing since, with their conversation's key."""
    query = (sa.select(outgoing, conversations.c.key_id, conversations.c.data_key)
             .join(conversations, _o.conversation_id == conversations.c.id)
             .where(conversations.c.channel == channel, _o.state == SendState.SENT.value, _o.reference.is_not(None),
                    _o.finished_at > after, _o.finished_at <= before).order_by(_o.id))
    return list(tx.execute(query))


def shown(tx: Connection, conversation_id: str, after: int, now: float) -> list[Any]:
    """Rows that a page should show: not yet known to have arrived, not too late, behind ``after``, in order."""
    states = (SendState.QUEUED.value, SendState.SENT.value)
    query = sa.select(outgoing).where(_o.conversation_id == conversation_id, _o.state.in_(states), _o.sequence > after, sa.not_(_too_late(now)))
    return list(tx.execute(query.order_by(_o.sequence)))


def any_sent(tx: Connection, conversation_id: str, until: int) -> bool:
    """Whether :func:`acknowledge` has something to do."""
    return tx.execute(sa.select(_o.id).where(_o.conversation_id == conversation_id, _o.state == SendState.SENT.value, _o.sequence <= until)
                      .limit(1)).first() is not None


def acknowledge(tx: Connection, conversation_id: str, until: int, now: float) -> None:
    """The page has what was sent up to ``until``."""
    tx.execute(outgoing.update().where(_o.conversation_id == conversation_id, _o.state == SendState.SENT.value, _o.sequence <= until)
               .values(state=SendState.DELIVERED.value, finished_at=now))


def show(tx: Connection, ids: Sequence[int], now: float) -> None:
    """Queued rows are sent: a page takes them now."""
    tx.execute(outgoing.update().where(_o.id.in_(list(ids)), _o.state == SendState.QUEUED.value)
               .values(state=SendState.SENT.value, attempts=_o.attempts + 1, finished_at=now))


def newest_id(tx: Connection) -> int:
    """The id of the newest row, 0 when there is none."""
    return int(tx.execute(sa.select(sa.func.coalesce(sa.func.max(_o.id), 0))).scalar() or 0)


def pseudonyms_since(tx: Connection, channel: str, after_id: int) -> frozenset[str]:
    """Who on ``channel`` has rows newer than ``after_id``."""
    query = (sa.select(conversations.c.pseudonym).join(outgoing, _o.conversation_id == conversations.c.id)
             .where(_o.id > after_id, conversations.c.channel == channel, conversations.c.pseudonym.is_not(None)).distinct())
    return frozenset(tx.execute(query).scalars())


def references(tx: Connection, sealed: Sealed, since: float) -> list[str]:
    """What the provider calls the conversation's messages that were sent and made after ``since``, oldest first."""
    rows = tx.execute(sa.select(_o.sequence, _o.reference).where(
        _o.conversation_id == sealed.conversation_id, _o.reference.is_not(None), _o.created_at > since).order_by(_o.sequence))
    return [str(sealed.unseal_json(reference_place(row.sequence, "out"), row.reference)) for row in rows]


def newest(tx: Connection, conversation_id: str, limit: int) -> list[Any]:
    """A conversation's last sealed rows, newest first."""
    return list(tx.execute(sa.select(outgoing).where(_o.conversation_id == conversation_id).order_by(_o.sequence.desc()).limit(limit)))


def counts(tx: Connection) -> dict[str, int]:
    """How many rows there are in each state."""
    return {found[0]: int(found[1]) for found in tx.execute(sa.select(_o.state, sa.func.count()).group_by(_o.state))}
