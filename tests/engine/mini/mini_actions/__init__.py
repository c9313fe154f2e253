"""Actions of a small assistant on which the holding of Rasa is tested: some work, the others fail in every way known."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from rasa_sdk import Action, FormValidationAction, Tracker
from rasa_sdk.events import ActiveLoop, SlotSet
from rasa_sdk.executor import CollectingDispatcher

released = threading.Event()


class Count(Action):
    def name(self) -> str:
        return "action_count"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> list[dict[str, Any]]:
        return [SlotSet("count", tracker.get_slot("count") + 1)]


class Emergency(Action):
    def name(self) -> str:
        return "action_emergency"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> list[dict[str, Any]]:
        dispatcher.utter_message(response="utter_emergency", options=["text_112"], number="112")
        effects = [*(tracker.get_slot("effects") or []), {"kind": "handoff", "priority": 3, "reason": "danger"}]
        return [SlotSet("effects", effects), ActiveLoop(None), SlotSet("requested_slot", None)]


class FormDone(Action):
    def name(self) -> str:
        return "action_form_done"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> list[dict[str, Any]]:
        dispatcher.utter_message(response="utter_done", how=str(tracker.get_slot("how")), number=str(tracker.get_slot("number")))
        return [SlotSet(name, None) for name in ("how", "number", "may_read")]


class Boom(Action):
    def name(self) -> str:
        return "action_boom"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> list[dict[str, Any]]:
        raise RuntimeError("canary-in-an-exception " + str(tracker.latest_message.get("text")))


class Hang(Action):
    def name(self) -> str:
        return "action_hang"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> list[dict[str, Any]]:
        await asyncio.Event().wait()
        return []


class Block(Action):
    def name(self) -> str:
        return "action_block"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> list[dict[str, Any]]:
        released.wait()
        return []


class Nonsense(Action):
    def name(self) -> str:
        return "action_nonsense"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> Any:
        return ["not an event"]


class NoJson(Action):
    def name(self) -> str:
        return "action_no_json"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> Any:
        return [SlotSet("count", object())]


class WrongPhrase(Action):
    def name(self) -> str:
        return "action_wrong_phrase"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> Any:
        dispatcher.utter_message(response="utter_missing")
        return []


class ValidateMiniForm(FormValidationAction):
    def name(self) -> str:
        return "validate_mini_form"

    def validate_number(self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> dict[str, Any]:
        if value == "explode":
            raise ValueError("canary-in-a-validation")
        return {"number": value if str(value).isdigit() else None}
