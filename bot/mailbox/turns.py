"""Turns: an engine takes a conversation that nobody holds, and gives it back with everything that the turn changed, at once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from sqlalchemy.engine import Connection

from bot import logs, points
from bot.mailbox import flood
from bot.mailbox.erasing import erase_within
from bot.mailbox.owed import redact
from bot.model import Author, Channel, ConversationState, Handoff, Priority, Reply, SendState, StoredMessage
from bot.storage import Store, conversations, handoffs, ledger, messages, outgoing
from bot.storage.conversations import ConversationRow
from bot.storage.notices import Topic, notify
from bot.storage.sealed import Sealed, state_of
from bot.vault import VaultError

_log = logs.get_logger("mailbox")

BURST_CHANNELS = (Channel.SMS.value, Channel.TELEGRAM.value)
_UNREADABLE_SECONDS = 60.0
_CANDIDATES = 8
MOST_MESSAGES = 100
"""A turn reads no more than so many messages at once."""


class LeaseLost(Exception):
    """Somebody else holds the conversation now, or it was erased. Nothing of the turn was kept; drop it."""


@dataclass(frozen=True)
class Turn:
    """A conversation held for one turn. ``fence`` rises with each holder: an older one can change nothing.

    ``attempts`` counts turns begun for the oldest message, this one included (a crash leaves no failure); ``failures`` those that
    ended in :func:`fail`. A message that failed before comes alone, so that it cannot take others with it.
    """

    conversation_id: str
    owner: str
    fence: int
    lease_seconds: float
    channel: Channel
    hint: str | None
    state: ConversationState
    snapshot: bytes | None
    handoff: Handoff | None
    messages: tuple[StoredMessage, ...]
    attempts: int = 1
    failures: int = 0


@dataclass(frozen=True)
class HandoffChange:
    """A handoff at ``priority`` at least, with ``answers`` merged into its own; requested anew when none is open."""

    priority: Priority = Priority.NORMAL
    answers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TurnOutcome:
    """Everything that a turn changes, kept in one commit or not at all.

    ``replies`` are queued in order after ``cancel_unsent`` took what was not sent; with ``state.quiet_since`` set they are recorded
    as cancelled: quiet wins. ``erase`` destroys the conversation; ``replies``, and messages that came meanwhile, then belong to a
    fresh one that knows nothing. ``attention`` are short codes for staff. ``handled`` are ids of the turn's messages; ``None``: all.
    """

    state: ConversationState
    replies: tuple[Reply, ...] = ()
    snapshot: bytes | None = None
    handoff: HandoffChange | None = None
    cancel_unsent: bool = False
    erase: bool = False
    attention: tuple[str, ...] = ()
    handled: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Committed:
    """What stands in the store after a commit. ``sequences`` are the replies' numbers."""

    conversation_id: str | None
    sequences: tuple[int, ...]
    handoff: Handoff | None


def take(store: Store, owner: str, lease_seconds: float, burst_seconds: float = 0.0, conversation_id: str | None = None) -> Turn | None:
    """The conversation that has waited longest and that nobody holds, or ``None``; ``conversation_id`` asks for that one only. One that must
    hurry comes first, one with nothing but messages above its sender's limits last.

    It is held for ``lease_seconds`` (at most ``store.limits.longest_lease``): then another engine may take it over, see :func:`renew`.
    On SMS and Telegram it is left until ``burst_seconds`` after its last fragment, see :func:`ungraded` and :func:`hurry`.
    """
    if not 0 < lease_seconds <= store.limits.longest_lease:
        raise ValueError(f"a lease is at most {store.limits.longest_lease:g} seconds")
    longest = store.limits.longest_lease
    with store.read() as tx:  # most often nothing waits: do not stand in the writers' way for that
        now = store.clock.now()
        found = messages.candidates(tx, now, longest, burst_seconds, BURST_CHANNELS, conversation_id, _CANDIDATES)
    for candidate in found:
        with store.write() as tx:
            now = store.clock.now()
            if not conversations.hold(tx, candidate.conversation_id, candidate.fence, owner, now, now + lease_seconds, longest):
                continue
            try:
                turn = _read_turn(store, tx, candidate.conversation_id, owner, lease_seconds)
            except VaultError:
                # a key is missing: leave it be for a while, so that the others go on
                _log.error("conversation_unreadable", conversation=candidate.conversation_id)
                conversations.let_go(tx, candidate.conversation_id, candidate.fence + 1, now + min(_UNREADABLE_SECONDS, longest))
                ledger.attend(tx, "unreadable", candidate.conversation_id, now)
                continue
            if turn is None:
                conversations.let_go(tx, candidate.conversation_id, candidate.fence + 1)
                continue
            points.reach("take.held")
        points.reach("take.committed")
        return turn
    return None


def _read_turn(store: Store, tx: Connection, conversation_id: str, owner: str, lease_seconds: float) -> Turn | None:
    row = conversations.get(tx, conversation_id)
    rows = messages.waiting(tx, conversation_id, MOST_MESSAGES)
    if row is None or not rows:
        return None
    if any(r.failures for r in rows):
        rows = rows[:1]  # one of these breaks turns: from here on one at a time, until it is found
    sealed = Sealed.open(store.vault, row.id, row.wrapped)
    waiting = tuple(messages.opened(r, sealed) for r in rows)
    messages.begin_attempt(tx, [m.id for m in waiting])
    return Turn(
        conversation_id=row.id, owner=owner, fence=row.fence, lease_seconds=lease_seconds, channel=Channel(row.channel),
        hint=next((m.hint for m in reversed(waiting) if m.hint), None),
        state=ConversationState() if row.state is None else state_of(sealed.unseal_json("state", row.state)),
        snapshot=None if row.snapshot is None else sealed.unseal("snapshot", row.snapshot),
        handoff=handoffs.open_one(tx, sealed), messages=waiting, attempts=rows[0].attempts + 1, failures=rows[0].failures)


def renew(store: Store, turn: Turn) -> None:
    """Hold the conversation for another ``turn.lease_seconds`` from now. Raises :class:`LeaseLost`."""
    with store.write() as tx:
        if not conversations.extend(tx, turn.conversation_id, turn.fence, store.clock.now() + turn.lease_seconds):
            raise LeaseLost


def release(store: Store, turn: Turn) -> None:
    """Give the conversation back unhandled, as if it had not been taken: for a process that ends. Raises :class:`LeaseLost`."""
    with store.write() as tx:
        if not conversations.let_go(tx, turn.conversation_id, turn.fence):
            raise LeaseLost
        notify(tx, Topic.MESSAGES)


def fail(store: Store, turn: Turn) -> int:
    """Give the conversation back after the turn failed; the number of failures of its oldest message, this one included.

    It may be taken again after a pause that grows with the failures. Raises :class:`LeaseLost`.
    """
    failures = turn.failures + 1
    with store.write() as tx:
        pause = min(0.1 * 2 ** failures, 5.0)
        if not conversations.let_go(tx, turn.conversation_id, turn.fence, store.clock.now() + pause):
            raise LeaseLost
        messages.count_failure(tx, [m.id for m in turn.messages])
    return failures


def set_aside(store: Store, turn: Turn, reason: str, replies: tuple[Reply, ...] = ()) -> Committed:
    """Give up on the turn's messages: final outcome ``set_aside``, ``replies`` (the safe phrase) queued, staff told.

    State and snapshot stay as they were before. ``reason`` is a short code. Raises :class:`LeaseLost`.
    """
    with store.write() as tx:
        now = store.clock.now()
        row, sealed = _held(store, tx, turn)
        messages.finish(tx, row.id, [m.id for m in turn.messages], now, set_aside=ledger.code(reason))
        redact(store, tx, row.channel, messages.references_of(tx, sealed, [m.id for m in turn.messages]), now)
        ledger.attend(tx, "set_aside", row.id, now)
        sequences = _queue(store, tx, sealed, row, replies, now, turn, turn.state.language, quiet=row.quiet)
        return Committed(row.id, sequences, handoffs.open_one(tx, sealed))


def commit(store: Store, turn: Turn, outcome: TurnOutcome) -> Committed:
    """Keep ``outcome`` and give the conversation back. Raises :class:`LeaseLost`, and ``ValueError`` for ids that are not the turn's."""
    own = tuple(m.id for m in turn.messages)
    handled = own if outcome.handled is None else outcome.handled
    if not handled or not set(handled) <= set(own):
        raise ValueError("a turn handles at least one of its own messages, and no others")
    with store.write() as tx:
        now = store.clock.now()
        row, sealed = _held(store, tx, turn)
        messages.finish(tx, row.id, handled, now)
        if not outcome.erase:  # which deletes it there
            redact(store, tx, row.channel, messages.references_of(tx, sealed, handled), now)
        keep = _commit_erasure if outcome.erase else _commit_changes
        result = keep(store, tx, turn, outcome, row, sealed, now)
        points.reach("commit.written")
    points.reach("commit.committed")
    if outcome.erase:
        store.scrub()
    return result


def _commit_changes(store: Store, tx: Connection, turn: Turn, outcome: TurnOutcome, row: ConversationRow, sealed: Sealed, now: float) -> Committed:
    if outcome.cancel_unsent:
        outgoing.cancel(tx, row.id, now)
    conversations.keep_state(tx, sealed, outcome.state, outcome.snapshot)
    sequences = _queue(store, tx, sealed, row, outcome.replies, now, turn, outcome.state.language, quiet=outcome.state.quiet_since is not None)
    if outcome.handoff is not None:
        handoff: Handoff | None = handoffs.ask(tx, sealed, outcome.handoff.priority, outcome.handoff.answers, now)
    else:
        handoff = handoffs.open_one(tx, sealed)
    for kind in outcome.attention:
        ledger.attend(tx, kind, row.id, now)
    return Committed(row.id, sequences, handoff)


def _commit_erasure(store: Store, tx: Connection, turn: Turn, outcome: TurnOutcome, row: ConversationRow, _old: Sealed, now: float) -> Committed:
    fresh = erase_within(store, tx, row, now, keep_address=bool(outcome.replies))
    for kind in outcome.attention:
        ledger.attend(tx, kind, None if fresh is None else fresh.id, now)
    if fresh is None:
        return Committed(None, (), None)
    sealed = Sealed.open(store.vault, fresh.id, fresh.wrapped)
    return Committed(fresh.id, _queue(store, tx, sealed, fresh, outcome.replies, now, turn, outcome.state.language, quiet=False), None)


def _held(store: Store, tx: Connection, turn: Turn) -> tuple[ConversationRow, Sealed]:
    """The turn's row, locked and given back. Raises :class:`LeaseLost`."""
    if not conversations.let_go(tx, turn.conversation_id, turn.fence):
        raise LeaseLost
    row = conversations.get(tx, turn.conversation_id)
    if row is None:
        raise LeaseLost
    return row, Sealed.open(store.vault, row.id, row.wrapped)


def _queue(store: Store, tx: Connection, sealed: Sealed, row: ConversationRow, replies: tuple[Reply, ...], now: float, turn: Turn,
           language: str | None, *, quiet: bool) -> tuple[int, ...]:
    expires_at = row.last_heard_at + store.limits.expiry(Author.BOT, row.channel)
    state = SendState.CANCELLED if quiet else SendState.QUEUED
    if not quiet and (segments := sum(reply.segments or 0 for reply in replies)):
        flood.spend(store, tx, row.channel, sealed.unseal_json("address", row.address), segments, now)
    return outgoing.add(tx, sealed, row, replies, Author.BOT, now, expires_at, turn.messages[-1].id, language, state)


@dataclass(frozen=True)
class Fragments:
    """Waiting messages of one conversation that nobody has looked at for danger."""

    conversation_id: str
    messages: tuple[StoredMessage, ...]


@dataclass(frozen=True)
class Ungraded:
    """What :func:`ungraded` found. ``waiting``: ids of all waiting messages that are not marked to hurry. ``crowded``: more than the backlog."""

    fragments: tuple[Fragments, ...]
    waiting: frozenset[int]
    crowded: bool


def ungraded(store: Store, seen: Collection[int], *, bursts: bool, backlog: int, limit: int = 32) -> Ungraded:
    """Waiting messages, at most ``limit``, that may be urgent and are not in their turn soon: look for danger in them, then :func:`hurry`.

    Those are fragments on SMS and Telegram that wait for the rest (with ``bursts``), messages above their sender's limits, and all when
    more than ``backlog`` wait. ``seen`` are ids of those that were looked at. Those within their sender's limits come first.
    """
    with store.read() as tx:
        rows = messages.unhurried(tx)
        crowded = len(rows) > backlog
        wanted: dict[str, list[int]] = {}
        for row in rows:
            if limit > 0 and row.id not in seen and (crowded or row.flood > 0 or (bursts and row.channel in BURST_CHANNELS)):
                wanted.setdefault(row.conversation_id, []).append(row.id)
                limit -= 1
        found = []
        for conversation_id, ids in wanted.items():
            conversation = conversations.get(tx, conversation_id)
            if conversation is None:
                continue
            try:
                sealed = Sealed.open(store.vault, conversation.id, conversation.wrapped)
                texts = tuple(messages.opened(row, sealed) for row in messages.some(tx, conversation_id, ids))
            except VaultError:
                continue  # take() puts it before the staff
            if texts:
                found.append(Fragments(conversation_id, texts))
        return Ungraded(tuple(found), frozenset(row.id for row in rows), crowded)


def hurry(store: Store, conversation_id: str) -> None:
    """What waits in this conversation waits for no further fragments and for nobody else: danger never does."""
    with store.write() as tx:
        messages.hurry(tx, conversation_id)


def last_text(turn: Turn) -> str:
    """All that was written in this turn, one fragment a line; of pictures and voice what was written under them."""
    return "\n".join(m.text for m in turn.messages if m.text)


def without(turn: Turn, *ids: int) -> Turn:
    """The same turn without some of its messages, which stay waiting."""
    return replace(turn, messages=tuple(m for m in turn.messages if m.id not in ids))
