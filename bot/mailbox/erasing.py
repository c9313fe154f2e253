"""Erasing a conversation: its data key is destroyed, and with it every copy of what was said."""

from __future__ import annotations

from sqlalchemy.engine import Connection

from bot.storage import Store, conversations, messages
from bot.storage.conversations import ConversationRow
from bot.storage.sealed import Sealed

_LEDGER = "erasure"
_AT_ONCE = 100


def erase(store: Store, channel: str, address: str) -> bool:
    """Erase what ``address`` said on ``channel``, waiting messages included, at once; whether there was anything.

    A turn that is under way loses its lease.
    """
    with store.write() as tx:
        row = conversations.find(tx, channel, store.vault.pseudonyms(channel, address), lock=True)
        if row is None:
            return False
        conversations.destroy(tx, row.id, store.vault.receipt(_LEDGER, row.id), store.clock.now())
    store.scrub()
    return True


def retain(store: Store) -> int:
    """Erase talks of which nothing was heard for ``store.limits.keep`` seconds, ``keep_handed`` where a worker was asked for; how many.

    Call it only with a clock that can be trusted: see :class:`bot.clock.Steady`.
    """
    erased = 0
    while True:
        with store.write() as tx:
            now = store.clock.now()
            found = conversations.silent_since(tx, now - store.limits.keep, now - store.limits.keep_handed, _AT_ONCE)
            for conversation_id in found:
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
    conversations.destroy(tx, row.id, store.vault.receipt(_LEDGER, row.id), now)
    if fresh is None:
        return None
    return conversations.get(tx, fresh.id)
