"""Everything that the mailbox holds, opened, with its outcome: for drills that count. Not for service."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bot.storage import Store, conversations, messages, outgoing
from bot.storage.sealed import Sealed, out_place, reply_of


@dataclass(frozen=True)
class Heard:
    """One message that came in. ``outcome``: ``waiting``, ``handled``, ``set_aside``. ``attempts``: turns begun for it."""

    text: str
    outcome: str
    attempts: int


@dataclass(frozen=True)
class Told:
    """One message of the send queue, in the state in which it is."""

    text: str
    state: str
    possible_duplicate: bool


@dataclass(frozen=True)
class Talk:
    """One conversation, each side in order."""

    address: str
    heard: tuple[Heard, ...]
    told: tuple[Told, ...]


def talks(store: Store) -> Iterator[Talk]:
    """All conversations. Raises :class:`bot.vault.VaultError` where a key is missing."""
    with store.read() as tx:
        ids = conversations.all_ids(tx)
    for conversation_id in ids:
        with store.read() as tx:
            row = conversations.get(tx, conversation_id)
            if row is None:
                continue
            sealed = Sealed.open(store.vault, row.id, row.wrapped)
            heard = tuple(
                Heard(messages.opened(m, sealed).text, "waiting" if m.handled_at is None else "set_aside" if m.set_aside else "handled", m.attempts)
                for m in messages.of(tx, row.id))
            told = tuple(
                Told(reply_of(sealed.unseal_json(out_place(o.sequence), o.body)).text, o.state, o.possible_duplicate)
                for o in reversed(outgoing.newest(tx, row.id, 1_000_000)))
            yield Talk(str(sealed.unseal_json("address", row.address)), heard, told)
