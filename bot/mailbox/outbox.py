"""The send queue, seen from the doors that send: what is due, and what became of it.

A sender takes what is due, sends it, and marks the result. One message of a conversation is under way at a time, in order. When a
sender dies in between, whether its message went out is unknown: it comes back as ``doubtful``, so that the provider can be asked
first; a bot's reply may then be sent once more, marked as a possible duplicate, a worker's waits for the worker's choice.
"""

from __future__ import annotations

import hmac
from collections.abc import Container, Sequence
from dataclasses import dataclass

from sqlalchemy.engine import Connection

from bot.mailbox.erasing import DELETABLE
from bot.mailbox.owed import redact
from bot.model import Author, Channel, Reply, SendState
from bot.storage import Store, chores, conversations, ledger, outgoing
from bot.storage.sealed import Sealed, out_place, reference_place, reply_of
from bot.vault import VaultError, WrappedKey

CLAIM_SECONDS = 12.0
"""How long a sender has for one attempt, before the message counts as doubtful; with its poll below the 15 s of a take-over."""

REMEMBERED_BUTTONS = 40
"""Buttons on so many of the last messages still work."""

_FIRST_RETRY = 2.0
_LONGEST_RETRY = 60.0


class NotSent(Exception):
    """A message cannot be queued: the conversation is gone, quiet, or opted out."""


@dataclass(frozen=True)
class Outgoing:
    """One message under way to ``address``. ``attempt`` counts from 1; only the newest attempt can be marked.

    ``doubtful``: an earlier attempt may have gone out; sending again makes a possible duplicate. ``tokens`` are opaque names for the
    reply's buttons, in their order, which :func:`pressed` reads back. ``asked_at``: when the person last wrote, where this answers them;
    ``None`` for what they did not just ask for. Never log ``address`` or ``reply``.
    """

    id: int
    conversation_id: str
    sequence: int
    author: Author
    channel: Channel
    address: str
    reply: Reply
    attempt: int
    doubtful: bool
    expires_at: float
    created_at: float
    tokens: tuple[str, ...] = ()
    asked_at: float | None = None


def put(store: Store, conversation_id: str, author: Author, reply: Reply, language: str | None = None) -> int:
    """Queue a message outside a turn (a worker's, or a line about the worker); its sequence number. Raises :class:`NotSent`."""
    with store.write() as tx:
        row = conversations.get(tx, conversation_id, lock=True)
        if row is None or row.quiet or row.opted_out:
            raise NotSent("gone" if row is None else "quiet" if row.quiet else "opted_out")
        now = store.clock.now()
        limit = store.limits.expiry(author, row.channel)
        sealed = Sealed.open(store.vault, row.id, row.wrapped)
        return outgoing.add(tx, sealed, row, (reply,), author, now, row.last_heard_at + limit, None, language)[0]


def due(store: Store, channel: Channel, owner: str, limit: int = 20) -> tuple[Outgoing, ...]:
    """Claim what may be sent on ``channel`` now, at most one message a conversation, the oldest first.

    Each must be given to :func:`mark` within :data:`CLAIM_SECONDS`. What is too late expires here.
    """
    with store.read() as tx:
        now = store.clock.now()
        if not outgoing.heads(tx, channel.value, now, 1) and not outgoing.any_too_late(tx, now):
            return ()
    claimed: list[Outgoing] = []
    with store.write() as tx:
        now = store.clock.now()
        outgoing.expire(tx, now)
        for row in outgoing.heads(tx, channel.value, now, limit):
            lapsed = row.state == SendState.SENDING.value
            if lapsed and row.expires_at <= now:
                outgoing.settle(tx, row.id, row.attempts, {"state": SendState.UNKNOWN.value, "finished_at": now}, (SendState.SENDING,))
                continue
            if not outgoing.claim(tx, row, owner, now + CLAIM_SECONDS):
                continue
            try:
                sealed = Sealed.open(store.vault, row.conversation_id, WrappedKey(row.key_id, bytes(row.data_key)))
                address: str = sealed.unseal_json("address", row.address)
                reply = reply_of(sealed.unseal_json(out_place(row.sequence), row.body))
            except VaultError:
                outgoing.settle(tx, row.id, None, {"state": SendState.FAILED.value, "reason": "unreadable", "finished_at": now}, (SendState.SENDING,))
                ledger.attend(tx, "unreadable", row.conversation_id, now)
                continue
            claimed.append(Outgoing(row.id, row.conversation_id, row.sequence, Author(row.author), channel, address, reply, row.attempts + 1,
                                    doubtful=lapsed or row.possible_duplicate, expires_at=row.expires_at, created_at=row.created_at,
                                    asked_at=None if row.reply_to is None else row.last_heard_at,
                                    tokens=tuple(store.vault.token(sealed.data_key, str(row.sequence), button.id) for button in reply.buttons)))
    return tuple(claimed)


def mark(store: Store, message: Outgoing, state: SendState, *, provider_id: str | None = None, retry_after: float | None = None,
         reason: str | None = None) -> bool:
    """Say what became of an attempt; false when it was no longer this one's to say (erased, or taken over).

    ``SENT``: the provider has it under ``provider_id``. ``QUEUED``: it surely has not, try again after ``retry_after`` seconds (or
    a pause that grows). ``FAILED``: never try again, ``reason`` is a short code. ``UNKNOWN``: the answer did not come, and the
    provider could not be asked: a bot's reply is queued once more as a possible duplicate, a worker's stays unknown.
    """
    with store.write() as tx:
        now = store.clock.now()
        values: dict[str, object] = {"claimed_by": None, "claimed_until": None, "reason": None if reason is None else ledger.code(reason)}
        if state is SendState.SENT:
            values.update(state=state.value, finished_at=now, possible_duplicate=message.doubtful,
                          provider_hash=None if provider_id is None else store.vault.receipt(message.channel.value, provider_id),
                          reference=None if provider_id is None else _reference(store, tx, message, provider_id))
        elif state is SendState.QUEUED:
            pause = min(_FIRST_RETRY * 2 ** (message.attempt - 1), _LONGEST_RETRY) if retry_after is None else retry_after
            values.update(state=state.value, next_attempt_at=now + pause, possible_duplicate=message.doubtful)
        elif state is SendState.UNKNOWN and message.author is Author.BOT and not message.doubtful:
            values.update(state=SendState.QUEUED.value, next_attempt_at=now, possible_duplicate=True)
        elif state in (SendState.FAILED, SendState.UNKNOWN):
            values.update(state=state.value, finished_at=now)
        else:
            raise ValueError(f"a sender does not mark {state.value}")
        kept = outgoing.settle(tx, message.id, message.attempt, values, (SendState.SENDING,))
        if kept and state is SendState.FAILED:
            ledger.attend(tx, "blocked" if reason == "blocked" else "not_delivered", message.conversation_id, now)
        if not kept and provider_id is not None and message.channel.value in DELETABLE and outgoing.get(tx, message.id) is None:
            # erased while it was under way: it must not stay at the provider either
            body = {"address": message.address, "references": [provider_id]}
            chores.add(tx, store.vault, message.channel.value, "delete", body, now, now + DELETABLE[message.channel.value])
        return kept


def _reference(store: Store, tx: Connection, message: Outgoing, provider_id: str) -> bytes | None:
    row = conversations.get(tx, message.conversation_id)
    if row is None:
        return None
    sealed = Sealed.open(store.vault, row.id, row.wrapped)
    return sealed.seal_json(reference_place(message.sequence, "out"), provider_id)


def pressed(store: Store, channel: Channel, address: str, token: str, newest_only: Container[str] = ()) -> str | None:
    """The option behind a button's ``token`` among the last messages sent to ``address``; ``None`` for one that is not ours, or no longer.

    Options in ``newest_only`` count only under the newest message that has buttons.
    """
    with store.read() as tx:
        row = conversations.find(tx, channel.value, store.vault.pseudonyms(channel.value, address))
        if row is None:
            return None
        sealed = Sealed.open(store.vault, row.id, row.wrapped)
        newest = True
        for sent in outgoing.newest(tx, row.id, REMEMBERED_BUTTONS):
            buttons = reply_of(sealed.unseal_json(out_place(sent.sequence), sent.body)).buttons
            for button in buttons:
                if hmac.compare_digest(store.vault.token(sealed.data_key, str(sent.sequence), button.id).encode("ascii"), token.encode("utf-8", "replace")):
                    return button.id if newest or button.id not in newest_only else None
            newest = newest and not buttons
    return None


def blocked(store: Store, channel: Channel, address: str, at: float | None = None) -> bool:
    """The person at ``address`` blocked us, at ``at``: what waits fails with the reason ``blocked`` and staff are told; whether anybody is there.

    An old word of it, from before they wrote again, changes nothing.
    """
    with store.write() as tx:
        row = conversations.find(tx, channel.value, store.vault.pseudonyms(channel.value, address), lock=True)
        if row is None or (at is not None and at + 1 < row.last_heard_at):
            return False
        now = store.clock.now()
        outgoing.give_up(tx, row.id, "blocked", now)
        ledger.attend(tx, "blocked", row.id, now)
        return True


def report(store: Store, channel: Channel, provider_id: str, state: SendState, reason: str | None = None) -> bool:
    """A provider's later word on a sent message: ``DELIVERED`` or ``FAILED``, which staff see; false when no such message waits for it."""
    if state not in (SendState.DELIVERED, SendState.FAILED):
        raise ValueError(f"a provider does not report {state.value}")
    with store.write() as tx:
        row = outgoing.by_provider(tx, store.vault.receipts(channel.value, provider_id))
        if row is None:
            return False
        now = store.clock.now()
        values = {"state": state.value, "reason": None if reason is None else ledger.code(reason), "finished_at": now}
        if not outgoing.settle(tx, row.id, None, values, (SendState.SENT, SendState.UNKNOWN)):
            return False
        redact(store, tx, channel.value, (provider_id,), now)
        if state is SendState.FAILED:
            ledger.attend(tx, "not_delivered", row.conversation_id, now)
        return True


def known(store: Store, channel: Channel, provider_ids: Sequence[str]) -> frozenset[str]:
    """Those of ``provider_ids`` that we know as messages of ours."""
    hashes = {name: provider_id for provider_id in provider_ids for name in store.vault.receipts(channel.value, provider_id)}
    with store.read() as tx:
        return frozenset(hashes[name] for name in outgoing.known(tx, list(hashes)))


def unreported(store: Store, channel: Channel, after: float, before: float) -> tuple[tuple[str, float], ...]:
    """(provider's id, when it was handed over) of messages handed over in (``after``, ``before``] of which nothing was heard since."""
    with store.read() as tx:
        found = []
        for row in outgoing.unreported(tx, channel.value, after, before):
            try:
                sealed = Sealed.open(store.vault, row.conversation_id, WrappedKey(row.key_id, bytes(row.data_key)))
                found.append((str(sealed.unseal_json(reference_place(row.sequence, "out"), row.reference)), float(row.finished_at)))
            except VaultError:
                continue  # nobody can ask about it
        return tuple(found)


def expire(store: Store) -> int:
    """Give whatever may no longer be sent that outcome, on all channels; how many. The engine and the doors call it when idle."""
    with store.read() as tx:
        if not outgoing.any_too_late(tx, store.clock.now()):
            return 0
    with store.write() as tx:
        return outgoing.expire(tx, store.clock.now())
