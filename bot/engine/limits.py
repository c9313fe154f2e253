"""What is answered although its sender wrote too much, and what goes before others while many wait."""

from __future__ import annotations

from bot.model import Danger

ALWAYS_ANSWERED = frozenset({"report_emergency", "cannot_talk_now", "stop_messages", "delete_conversation", "ask_human"})
"""Intents (and options of the same name) that no limit stands before."""


def must_be_answered(intent: str, danger: Danger) -> bool:
    """Whether a message of this ``intent`` and grade is answered whatever else its sender wrote."""
    return danger is not Danger.NONE or intent in ALWAYS_ANSWERED
