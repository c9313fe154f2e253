"""Words that phone networks and providers keep for themselves, when somebody sends one as a bare SMS.

STOP and its kin must end our messages in every network, whatever language the conversation is in. HELP is a cry for help here before it is
a keyword. Source: Twilio, "Support for opt-out keywords"; words of one language alone are in ``data/keywords``.
"""

from __future__ import annotations

from dataclasses import replace

from bot.engine.acts import Act
from bot.model import Danger, MessageKind

_SURE = 0.97
_STOP = frozenset({"stop", "end", "quit", "cancel", "unsubscribe", "stopall", "stop all", "revoke", "optout", "opt out", "arret", "arrêt", "arrete", "arrêté"})
_START = frozenset({"start", "unstop"})
_HELP = frozenset({"help"})
_INFO = frozenset({"info"})


def by_carrier_word(act: Act) -> Act:
    """``act`` with what its word means where the whole text is such a word; danger now stays what it is.

    YES, which some networks take for START, stays a yes: that they write at all ends an opt-out.
    """
    if act.kind not in (MessageKind.TEXT, MessageKind.BUTTON) or act.read is None or act.danger is Danger.NOW:
        return act
    word = " ".join(act.text.casefold().strip(" .!?\"'*,;:\n\r\t").split())
    if word in _STOP:
        return _meant(act, "stop_messages", Danger.NONE)
    if word in _START:
        return _meant(act, "greet", Danger.NONE)
    if word in _HELP:
        return _meant(act, "ask_human", Danger.POSSIBLE)
    if word in _INFO:
        return _meant(act, "ask_human", Danger.NONE)
    return act


def _meant(act: Act, intent: str, danger: Danger) -> Act:
    assert act.read is not None
    read = replace(act.read, intent=intent, confidence=_SURE, danger=danger, flags=frozenset())
    return Act(MessageKind.TEXT, act.text, intent, None, read, danger)
