"""The web page's sender is the page itself: it fetches, and what it fetches next tells what arrived."""

from __future__ import annotations

from dataclasses import dataclass

from bot.model import Author, Button, Channel, SendState
from bot.storage import Store, conversations, messages, outgoing
from bot.storage.sealed import Sealed, out_place, reply_of

_WEB = Channel.WEB.value


@dataclass(frozen=True)
class OutgoingMessage:
    """One message for a page. ``sequence`` rises within the conversation, with gaps. ``language``: what it is written in, if known."""

    sequence: int
    text: str
    buttons: tuple[Button, ...]
    author: Author
    language: str | None = None


@dataclass(frozen=True)
class Fetched:
    """What a page is given. ``pending``: something that the person wrote has no outcome yet."""

    messages: tuple[OutgoingMessage, ...]
    pending: bool


def web_fetch(store: Store, address: str, after: int) -> Fetched:
    """Messages for the page with this token behind number ``after``: marked sent, and delivered once a later fetch has them behind it.

    A delivered or expired message never shows again: whoever opens the page later sees nothing old. An unknown token gets what an
    empty conversation gets. Writes only when something changes.
    """
    pseudonyms = store.vault.pseudonyms(_WEB, address)
    with store.read() as tx:
        row = conversations.find(tx, _WEB, pseudonyms)
        if row is None:
            return Fetched((), pending=False)
        now = store.clock.now()
        pending = messages.is_waiting(tx, row.id)
        # a number that was never given out is another conversation's, from before the clock was set back
        seen = after if after < row.next_out else 0
        rows = outgoing.shown(tx, row.id, seen, now)
        acknowledges = outgoing.any_sent(tx, row.id, seen)
    if acknowledges or any(r.state == SendState.QUEUED.value for r in rows):
        with store.write() as tx:
            locked = conversations.get(tx, row.id, lock=True)
            if locked is None:
                return Fetched((), pending=False)
            now = store.clock.now()
            outgoing.acknowledge(tx, row.id, seen, now)
            rows = outgoing.shown(tx, row.id, seen, now)
            outgoing.show(tx, [r.id for r in rows], now)
            pending = messages.is_waiting(tx, row.id)
    sealed = Sealed.open(store.vault, row.id, row.wrapped)
    found = []
    for r in rows:
        body = sealed.unseal_json(out_place(r.sequence), r.body)
        reply = reply_of(body)
        found.append(OutgoingMessage(r.sequence, reply.text, reply.buttons, Author(r.author), body["language"]))
    return Fetched(tuple(found), pending)


def web_news(store: Store, after_id: int) -> tuple[int, frozenset[str], frozenset[str]]:
    """For a watcher of all pages: (newest id in the send queue, pseudonyms with rows newer than ``after_id``, pseudonyms pending)."""
    with store.read() as tx:
        newest = outgoing.newest_id(tx)
        fresh = outgoing.pseudonyms_since(tx, _WEB, after_id) if newest > after_id else frozenset()
        return newest, fresh, messages.waiting_pseudonyms(tx, _WEB)
