"""The kinds of help whose answer depends on more than the question."""

from __future__ import annotations

from rasa_sdk import Action, Tracker
from rasa_sdk.executor import CollectingDispatcher

from actions.common import HIGH, Events, effect, flags, handoff


class ActionAskResidenceStatus(Action):
    """Facts S2 first, S11, S12, P7. Detained or about to be deported (danger possible): a worker at the top."""

    def name(self) -> str:
        """Rasa's name."""
        return "action_ask_residence_status"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: object) -> Events:
        """Say that there is help without papers."""
        if tracker.get_slot("danger") != "possible":
            dispatcher.utter_message(response="utter_residence")
            return []
        dispatcher.utter_message(response="utter_residence_detained")
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
            dispatcher.utter_message(response="utter_minor_first")
        tonight = minor or tracker.get_slot("danger") == "possible"
        dispatcher.utter_message(response="utter_tonight" if tonight else "utter_accommodation")
        return _worker_at_the_top(dispatcher, tracker, "minor") if minor else []


class ActionAskHealthCare(Action):
    """Facts S10, S9, P3; P17 after forced sex, while the operator's check of it is fresh; stays with whoever wants to die."""

    def name(self) -> str:
        """Rasa's name."""
        return "action_ask_health_care"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: object) -> Events:
        """Say what care there may be."""
        if "self_harm" in flags(tracker):
            dispatcher.utter_message(response="utter_self_harm_stay" if tracker.get_slot("contacts_fresh") else "utter_self_harm_stay_plain")
            return _worker_at_the_top(dispatcher, tracker, "self_harm")
        if tracker.get_slot("assault") and tracker.get_slot("contacts_fresh"):
            dispatcher.utter_message(response="utter_seri")
            return []
        dispatcher.utter_message(response="utter_health")
        return []


class ActionAskChildren(Action):
    """Facts S16, P6. A minor gets a worker first, and no word of guardians."""

    def name(self) -> str:
        """Rasa's name."""
        return "action_ask_children"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: object) -> Events:
        """Say what children can get."""
        if "minor" in flags(tracker):
            dispatcher.utter_message(response="utter_minor_first")
            return _worker_at_the_top(dispatcher, tracker, "minor")
        dispatcher.utter_message(response="utter_children")
        return []


def _worker_at_the_top(dispatcher: CollectingDispatcher, tracker: Tracker, reason: str) -> Events:
    if tracker.get_slot("staffed"):
        dispatcher.utter_message(response="utter_worker_asking")
    return [effect(handoff(HIGH, reason))]
