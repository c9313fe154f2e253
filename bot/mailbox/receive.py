"""Accepting a message: one transaction, committed before the provider gets its 2xx."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.engine import Connection

from bot import points
from bot.mailbox import flood
from bot.model import Author, Flood, Incoming
from bot.storage import Store, conversations, ledger, messages, outgoing
from bot.storage.conversations import ConversationRow
from bot.storage.sealed import Sealed


@dataclass(frozen=True)
class Received:
    """What became of a message. ``duplicate``: the same provider id came before and nothing was done; then the id of its
    conversation is ``None`` once that was erased. ``flood``: how it stands to its sender's limits; it is accepted all the same."""

    conversation_id: str | None
    duplicate: bool
    flood: Flood = Flood.WITHIN


def receive(store: Store, incoming: Incoming) -> Received:
    """Store ``incoming`` once and for all. When this returns, it will be handled, whatever dies.

    A message that the provider brings late counts from when it was written: a reply to it may already be too late to send;
    then staff see that it was missed.
    After ``stranger`` seconds of silence the address gets a new conversation and the old one can no longer be reached through it.
    Raises :class:`bot.storage.StorageUnavailable`; then nothing was kept and the provider must try again.
    """
    vault, channel = store.vault, incoming.channel.value
    hashes = vault.receipts(channel, incoming.provider_id)
    with store.write() as tx:
        now = store.clock.now()
        if not messages.sign_for(tx, hashes, channel, now):
            return Received(messages.conversation_of(tx, hashes), duplicate=True)
        row = _conversation(store, tx, incoming, now)
        sealed = Sealed.open(vault, row.id, row.wrapped)
        stands = flood.charge(store, tx, channel, incoming.address, now)
        messages.add(tx, sealed, hashes[0], row.next_in, incoming, now, stands)
        written = now if incoming.sent_at is None else min(now, incoming.sent_at)
        heard = max(row.last_heard_at, written) if row.next_in > 1 else written
        conversations.heard(tx, row.id, heard)
        bot, worker = (store.limits.expiry(author, channel) for author in (Author.BOT, Author.WORKER))
        if written + bot <= now:
            ledger.attend(tx, "missed", row.id, now)
        outgoing.prolong(tx, row.id, now, heard + bot, heard + worker)
        points.reach("receive.stored")
    points.reach("receive.committed")
    return Received(row.id, duplicate=False, flood=stands)


def _conversation(store: Store, tx: Connection, incoming: Incoming, now: float) -> ConversationRow:
    """The conversation that this message belongs to, locked; a new one for a stranger."""
    channel = incoming.channel.value
    pseudonyms = store.vault.pseudonyms(channel, incoming.address)
    row = conversations.find(tx, channel, pseudonyms, lock=True)
    if row is not None and now - row.last_heard_at > store.limits.stranger:
        outgoing.cancel(tx, row.id, now)
        conversations.supersede(tx, row.id)
        row = None
    if row is None:
        return conversations.create(tx, store.vault, channel, incoming.address, now)
    if row.pseudonym != pseudonyms[0]:
        conversations.rename(tx, row.id, pseudonyms[0])
    return row
