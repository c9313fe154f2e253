"""Erasing a conversation: its data key is destroyed, and with it every copy of what was said."""

from __future__ import annotations

from sqlalchemy.engine import Connection

from bot.mailbox import flood
from bot.model import Channel
from bot.storage import Store, chores, conversations, messages, outgoing
from bot.storage.conversations import ConversationRow
from bot.storage.sealed import Sealed
from bot.vault import VaultError

_LEDGER = "erasure"
_AT_ONCE = 100
DELETABLE = {Channel.TELEGRAM.value: 47.5 * 3600, Channel.SMS.value: 400 * 86400.0}
"""How long a provider can still delete a message, in seconds. Telegram: below 48 h, both sides' in a private chat (Bot API, ``deleteMessages``).
Twilio keeps messages 400 days at most."""

DELETE_AT_ONCE = 100
"""The most that Telegram deletes in one request."""


def erase(store: Store, channel: str, address: str) -> bool:
    """Erase what ``address`` said on ``channel``, waiting messages included, at once; whether there was anything.

    A turn that is under way loses its lease.
    """
    with store.write() as tx:
        row = conversations.find(tx, channel, store.vault.pseudonyms(channel, address), lock=True)
        if row is None:
            return False
        now = store.clock.now()
        _forget_at_provider(store, tx, row, now)
        conversations.destroy(tx, row.id, store.vault.receipt(_LEDGER, row.id), now)
    store.scrub()
    return True


def _forget_at_provider(store: Store, tx: Connection, row: ConversationRow, now: float) -> None:
    """Put down what the provider must still delete: it cannot be read any more once the conversation is gone."""
    window = DELETABLE.get(row.channel)
    if window is None:
        return
    try:
        sealed = Sealed.open(store.vault, row.id, row.wrapped)
    except VaultError:
        return  # its key is gone already: nobody can read what is to be deleted
    references = [*messages.references(tx, sealed, now - window), *outgoing.references(tx, sealed, now - window)]
    for start in range(0, len(references), DELETE_AT_ONCE):
        body = {"address": sealed.unseal_json("address", row.address), "references": references[start : start + DELETE_AT_ONCE]}
        chores.add(tx, store.vault, row.channel, "delete", body, now, now + window)


def retain(store: Store) -> int:
    """Erase talks of which nothing was heard for ``store.limits.keep`` seconds, ``keep_handed`` where a worker was asked for; how many.

    Call it only with a clock that can be trusted: see :class:`bot.clock.Steady`.
    """
    with store.write() as tx:
        flood.forget_idle(store, tx, store.clock.now())
    erased = 0
    while True:
        with store.write() as tx:
            now = store.clock.now()
            found = conversations.silent_since(tx, now - store.limits.keep, now - store.limits.keep_handed, _AT_ONCE)
            for conversation_id in found:
                row = conversations.get(tx, conversation_id)
                if row is not None:
                    _forget_at_provider(store, tx, row, now)
                conversations.destroy(tx, conversation_id, store.vault.receipt(_LEDGER, conversation_id), now)
        erased += len(found)
        if len(found) < _AT_ONCE:
            break
    if erased:
        store.scrub()
    return erased


def erase_within(store: Store, tx: Connection, row: ConversationRow, now: float, *, keep_address: bool) -> ConversationRow | None:
    """Erase ``row`` inside a turn's commit. Messages that came while the turn ran were written after the wish: they go on, sealed anew,
    in a fresh conversation, which is also made when ``keep_address`` (a reply has to be sent). That one, or ``None``.

    The caller's transaction must be followed by ``store.scrub()``.
    """
    old = Sealed.open(store.vault, row.id, row.wrapped)
    later = messages.waiting(tx, row.id)
    fresh: ConversationRow | None = None
    if later or keep_address:
        address: str = old.unseal_json("address", row.address)
        conversations.supersede(tx, row.id)
        fresh = conversations.create(tx, store.vault, row.channel, address, now)
        conversations.use_out(tx, fresh.id, max(0, row.next_out - fresh.next_out))  # a page's numbers go on rising
        conversations.heard_at(tx, fresh.id, row.last_heard_at, len(later))
        new = Sealed.open(store.vault, fresh.id, fresh.wrapped)
        for sequence, message in enumerate(later, start=1):
            messages.move(tx, message, old, new, sequence)
    _forget_at_provider(store, tx, row, now)
    conversations.destroy(tx, row.id, store.vault.receipt(_LEDGER, row.id), now)
    if fresh is None:
        return None
    return conversations.get(tx, fresh.id)
