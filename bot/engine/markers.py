"""What is said to pictures, voice and places, and which edits want an answer."""

from __future__ import annotations

from bot.engine.acts import FALLBACK, Act
from bot.engine.dialogue import Said
from bot.model import ConversationState, Danger, MessageKind, Priority

DANGER_MEMORY_SECONDS = 3600.0
OBEYED = frozenset({"stop_messages", "delete_conversation", "change_language", "cannot_talk_now", "report_emergency"})
"""Intents that are carried out whatever else is going on."""

NO_PENDING = frozenset({"greet", "goodbye", "thank", "affirm", "deny", FALLBACK, "out_of_scope"})
"""Intents that ask for nothing that could wait."""


def lately(at: float | None, now: float) -> bool:
    """Whether danger showed in the last hour."""
    return at is not None and now - at <= DANGER_MEMORY_SECONDS


def media_answer(kind: MessageKind, state: ConversationState, staffed: bool, now: float) -> tuple[list[Said], Priority | None]:
    """What to say to a marker of ``kind``, and at which priority a worker is wanted, if so.

    Nothing is opened or passed on without consent, and a worker is offered only when one is there. In danger a place is answered with 112,
    which does not see it; everything else with 112 in front.
    """
    danger = lately(state.danger_now_at, now)
    if kind is MessageKind.LOCATION and (danger or lately(state.danger_possible_at, now)):
        return [Said("media.location_danger")], Priority.DANGER_NOW if danger else Priority.HIGH
    what = "media.voice" if kind is MessageKind.VOICE else "media.other"
    said = Said(what if staffed else f"{what}_unstaffed", ("worker",))
    return [Said("danger.line"), said] if danger else [said], None


def edit_asks(act: Act, state: ConversationState) -> bool:
    """Whether an edited message wants an answer: danger, a wish that is always obeyed, or another wish than the last one.

    A mended typing error says nothing new; and who makes an old message harmless, because somebody looks, must not be given away by a reply.
    """
    if act.danger is Danger.NOW or act.intent in OBEYED:
        return True
    if state.quiet_since is not None or state.opted_out_at is not None:
        return False
    newly = act.danger is Danger.POSSIBLE and state.danger_possible_at is None
    return newly or (act.intent != state.last_intent and act.intent not in NO_PENDING)
