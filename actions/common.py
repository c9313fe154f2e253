"""What every skill's actions share: reading the context, effects, leaving a form."""

from __future__ import annotations

from typing import Any, Dict, List

from rasa_sdk import Tracker
from rasa_sdk.events import ActiveLoop, EventType, SlotSet

Events = List[EventType]
Effect = Dict[str, Any]

HANDOFF_SLOTS = (
    "handoff_freely",
    "handoff_how",
    "handoff_number",
    "handoff_when",
    "handoff_others",
    "handoff_read",
    "handoff_later",
)
# What the handoff form leaves behind: its answers, and that it was said who runs the service.
HANDOFF_MEMORY = (*HANDOFF_SLOTS, "handoff_told")
CHECK_SLOTS = ("check_papers", "check_pay", "check_threats", "check_movement", "check_deceived", "check_sex", "check_hours")

# The priorities of a handoff, as in bot.model.Priority (actions import nothing of the engine's rooms below phrases).
NORMAL, RAISED, HIGH, DANGER_NOW = 0, 1, 2, 3


def flags(tracker: Tracker) -> set[str]:
    """The flags of the conversation and of this message: any of ``minor``, ``self_harm``, ``text_only``."""
    return set(tracker.get_slot("flags") or ())


def effect(*effects: Effect) -> EventType:
    """The effects that the engine carries out when it commits the turn."""
    return SlotSet("effects", list(effects))


def handoff(priority: int, reason: str) -> Effect:
    """Ask for a worker. The engine stores it in the commit that also holds the reply."""
    return {"kind": "handoff", "priority": priority, "reason": reason}


def ask(question: str) -> Effect:
    """Name the question that this turn asks, so that a yes or no is understood as its answer."""
    return {"kind": "question", "name": question}


def leave_forms() -> Events:
    """Leave any form at once and forget its answers. Danger and quiet never wait for a form."""
    return [ActiveLoop(None), SlotSet("requested_slot", None), *forget((*HANDOFF_MEMORY, *CHECK_SLOTS))]


def forget(slots: tuple[str, ...]) -> Events:
    """Clear a form's answers when it ends, or the second time it would skip its questions."""
    return [SlotSet(slot, None) for slot in slots]


def urgency(tracker: Tracker) -> int:
    """How urgent a wish for a worker is: a minor or somebody who wants to die comes first after danger now."""
    if flags(tracker) & {"minor", "self_harm"}:
        return HIGH
    return RAISED if tracker.get_slot("danger") == "possible" else NORMAL
