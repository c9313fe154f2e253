"""The kinds of help whose answer depends on more than the question."""

from __future__ import annotations

from rasa_sdk import Action, Tracker
from rasa_sdk.executor import CollectingDispatcher

from actions.common import HIGH, Events, effect, flags, handoff
from actions.say import say


class ActionAskResidenceStatus(Action):
    """Facts S2 first, S11, S12, P7. Detained or about to be deported (danger possible): a worker at the top."""

    def name(self) -> str:
        """Rasa's name."""
        return "action_ask_residence_status"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: object) -> Events:
        """Say that there is help without papers."""
        if tracker.get_slot("danger") != "possible":
            say(dispatcher, "residence")
            return []
        say(dispatcher, "residence.detained")
        return _worker_at_the_top(dispatcher, tracker, "detained")


class ActionAskAccommodation(Action):
    """Facts S10, S9, P3. Out tonight with nowhere to go (danger possible): the number first."""

    def name(self) -> str:
        """Rasa's name."""
        return "action_ask_accommodation"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: object) -> Events:
        """Say where a place may come from."""
        minor = "minor" in flags(tracker)
        if minor:
            say(dispatcher, "minor.first")
        tonight = minor or tracker.get_slot("danger") == "possible"
        say(dispatcher, "help.tonight" if tonight else "help.accommodation")
        return _worker_at_the_top(dispatcher, tracker, "minor") if minor else []


class ActionAskHealthCare(Action):
    """Facts S10, S9, P3; P17 after forced sex, while the operator's check of it is fresh; stays with whoever wants to die."""

    def name(self) -> str:
        """Rasa's name."""
        return "action_ask_health_care"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: object) -> Events:
        """Say what care there may be."""
        if "self_harm" in flags(tracker):
            say(dispatcher, "self_harm.stay" if tracker.get_slot("contacts_fresh") else "self_harm.stay_plain")
            return _worker_at_the_top(dispatcher, tracker, "self_harm")
        if tracker.get_slot("assault") and tracker.get_slot("contacts_fresh"):
            say(dispatcher, "help.seri")
            return []
        say(dispatcher, "help.health")
        return []


class ActionAskChildren(Action):
    """Facts S16, P6. A minor gets a worker first, and no word of guardians."""

    def name(self) -> str:
        """Rasa's name."""
        return "action_ask_children"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: object) -> Events:
        """Say what children can get."""
        if "minor" in flags(tracker):
            say(dispatcher, "minor.first")
            return _worker_at_the_top(dispatcher, tracker, "minor")
        say(dispatcher, "help.children")
        return []


def _worker_at_the_top(dispatcher: CollectingDispatcher, tracker: Tracker, reason: str) -> Events:
    if tracker.get_slot("staffed"):
        say(dispatcher, "worker.asking")
    return [effect(handoff(HIGH, reason))]
