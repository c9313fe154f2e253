"""Danger now: 112 first, whatever else is going on; a worker at the top priority, and no form."""

from __future__ import annotations

from rasa_sdk import Action, Tracker
from rasa_sdk.executor import CollectingDispatcher

from actions.common import DANGER_NOW, Events, effect, flags, handoff, leave_forms
from actions.say import say


class ActionReportEmergency(Action):
    """Facts S8, P8, P9. Danger again within five minutes gets the shorter form and the true state of the worker."""

    def name(self) -> str:
        """Rasa's name."""
        return "action_report_emergency"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: object) -> Events:
        """Say 112 and ask for a worker."""
        shown = flags(tracker)
        if "text_only" in shown:
            say(dispatcher, "emergency.text" if tracker.get_slot("text_112") else "emergency.no_speech")
        elif tracker.get_slot("emergency_recent"):
            say(dispatcher, "emergency.again")
        else:
            say(dispatcher, "emergency.now")
        if "self_harm" in shown:
            say(dispatcher, "emergency.self_harm")
        self._worker(dispatcher, tracker)
        return [*leave_forms(), effect(handoff(DANGER_NOW, "danger_now"))]

    def _worker(self, dispatcher: CollectingDispatcher, tracker: Tracker) -> None:
        if not tracker.get_slot("staffed"):
            say(dispatcher, "worker.none_here")
        elif tracker.get_slot("handoff_state") == "paged":
            say(dispatcher, "worker.told")
        elif tracker.get_slot("emergency_recent"):
            say(dispatcher, "worker.not_yet")
        else:
            say(dispatcher, "worker.asking")
            say(dispatcher, "worker.danger_reads")
