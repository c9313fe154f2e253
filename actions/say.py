"""What actions say: a phrase of the catalogs by its name, with the options that stand beside it.

Responses that rules say themselves stand in ``domain/``; those that an action chooses are named by it, so that each is named once.
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple, Type

from rasa_sdk import Action, Tracker
from rasa_sdk.executor import CollectingDispatcher

OFFERS: Dict[str, Tuple[str, ...]] = {
    "am_i": ("self_check", "worker", "ask_what_help"),
    "check.deceived": ("yes", "no", "leave"),
    "check.hours": ("yes", "no", "leave"),
    "check.left": ("worker",),
    "check.movement": ("yes", "no", "leave"),
    "check.none": ("worker", "ask_what_help"),
    "check.papers": ("yes", "no", "leave"),
    "check.pay": ("yes", "no", "leave"),
    "check.sex": ("yes", "no", "leave"),
    "check.some": ("worker", "ask_what_help"),
    "check.threats": ("yes", "no", "leave"),
    "confused.again": ("worker", "change_language"),
    "confused.once": ("ask_what_help", "ask_am_i_victim", "ask_residence_status", "worker"),
    "contact": ("call_way", "email"),
    "disclose": ("worker", "ask_what_help"),
    "disclose.more": ("worker", "ask_what_help", "ask_am_i_victim"),
    "emergency.again": ("cannot_speak",),
    "emergency.now": ("cannot_speak",),
    "erase.ask": ("yes", "no"),
    "freely.ask": ("yes", "no"),
    "handoff.ask_later": ("yes", "no", "skip"),
    "handoff.ask_number": ("skip", "leave"),
    "handoff.ask_others": ("yes", "no", "skip"),
    "handoff.ask_read": ("yes", "no", "skip"),
    "handoff.ask_this_number": ("yes", "other_number", "skip"),
    "handoff.ask_when": ("skip",),
    "handoff.left": ("worker",),
    "help.accommodation": ("ask_how_to_get_help", "worker"),
    "help.children": ("worker", "ask_how_to_get_help"),
    "help.health": ("ask_how_to_get_help", "worker"),
    "help.seri": ("worker",),
    "help.tonight": ("worker",),
    "human.call_back": ("call_me", "no"),
    "minor.first": ("worker",),
    "out_of_scope": ("ask_what_help", "ask_am_i_victim", "worker"),
    "privacy.remains": ("delete_conversation", "worker"),
    "residence": ("worker", "ask_legal_advice"),
    "residence.detained": ("worker", "ask_legal_advice"),
    "self_harm.stay": ("worker", "crisis"),
    "self_harm.stay_plain": ("worker",),
    "work_problems": ("worker", "ask_legal_advice"),
}
"""Phrase → options beside it (``bot/engine/options.py`` says what they mean)."""


def say(dispatcher: CollectingDispatcher, phrase: str, options: Optional[List[str]] = None, **params: Any) -> None:
    """Say ``phrase`` with ``options``, or those that it always has. ``params`` fill its placeholders."""
    dispatcher.utter_message(response=phrase, options=list(OFFERS.get(phrase, ())) if options is None else options, **params)


def asking(form: str, slot: str, phrase: str) -> Type[Action]:
    """The action by which ``form`` asks for ``slot``: it says ``phrase`` and nothing else."""

    class Asks(Action):
        def name(self) -> str:
            """The name under which Rasa looks for it."""
            return f"action_ask_{form}_{slot}"

        def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: object) -> list[Any]:
            """Ask."""
            say(dispatcher, phrase)
            return []

    return Asks
