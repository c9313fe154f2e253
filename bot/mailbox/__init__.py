"""What came in and what goes out: receipts, waiting messages, turns, the send queue, erasing, wake-ups.

A door calls :func:`receive`; an engine calls :func:`take`, then :func:`commit` (or :func:`fail`, :func:`release`, :func:`set_aside`)
and meanwhile :func:`renew`; a door that sends uses :mod:`bot.mailbox.outbox`, the web page :func:`web_fetch`.
"""

from bot.mailbox import audit, outbox
from bot.mailbox.changes import Changes
from bot.mailbox.erasing import erase, retain
from bot.mailbox.life import Figures, alive, beat, figures, stop_beating
from bot.mailbox.owed import RETRY_SECONDS, alarm, mark_of, off, owe, owed, set_mark, settled
from bot.mailbox.receive import Received, receive
from bot.mailbox.turns import (
    Committed,
    Fragments,
    HandoffChange,
    LeaseLost,
    Turn,
    TurnOutcome,
    Ungraded,
    commit,
    fail,
    hurry,
    release,
    renew,
    set_aside,
    take,
    ungraded,
)
from bot.mailbox.web import Fetched, OutgoingMessage, web_fetch, web_news
from bot.storage.notices import Topic

__all__ = [
    "RETRY_SECONDS", "Changes", "Committed", "Fetched", "Figures", "Fragments", "HandoffChange", "LeaseLost", "OutgoingMessage", "Received", "Topic", "Turn",
    "TurnOutcome", "Ungraded",
    "alarm", "alive", "audit", "beat", "commit", "erase", "fail", "figures", "hurry", "mark_of", "off", "outbox", "owe", "owed", "receive", "release", "renew",
    "retain", "set_aside", "set_mark", "settled", "stop_beating", "take", "ungraded", "web_fetch", "web_news",
]
