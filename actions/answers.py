"""Reading an answer to an open question: a button, a yes or no, or words of one's own."""

from __future__ import annotations

from typing import Optional

from rasa_sdk import Tracker

# What a free answer ("tomorrow after five") is easily taken for, while nothing else was clearly wanted.
_VAGUE = frozenset({"nlu_fallback", "out_of_scope", "affirm", "ask_contact", "ask_how_to_get_help", "ask_human", "greet", "goodbye", "thank", "cannot_talk_now", "ask_municipality"})
_CLEAR = 0.8


def choice(tracker: Tracker) -> Optional[str]:
    """The button or option that was chosen, or ``None``."""
    chosen = tracker.get_slot("choice")
    return str(chosen) if chosen else None


def yes_no_or_skip(tracker: Tracker) -> Optional[str]:
    """``yes``, ``no``, ``skip``, or ``None`` when the message answers no question."""
    chosen = choice(tracker)
    if chosen in ("yes", "no", "skip"):
        return chosen
    if chosen:
        return None
    intent = (tracker.latest_message.get("intent") or {}).get("name")
    return {"affirm": "yes", "deny": "no"}.get(str(intent))


def is_free_text(tracker: Tracker) -> bool:
    """True when the words may be an answer of their own: they hold a digit, or were not clearly understood as a wish."""
    intent = tracker.latest_message.get("intent") or {}
    if choice(tracker):
        return False
    text = str(tracker.latest_message.get("text") or "")
    if any(character.isdigit() for character in text) and len(text) <= 60:
        return True
    return intent.get("name") in _VAGUE or float(intent.get("confidence") or 0.0) < _CLEAR
