"""Telling of one's own situation, asking whether it counts, and the six questions."""

from __future__ import annotations

from typing import Any, Dict, List

from rasa_sdk import Action, FormValidationAction, Tracker
from rasa_sdk.events import SlotSet
from rasa_sdk.executor import CollectingDispatcher

from actions.answers import yes_no_or_skip
from actions.common import CHECK_SLOTS, HIGH, Events, ask, effect, flags, forget, handoff


class ActionDiscloseExploitation(Action):
    """Facts S2–S5, P14, P16. Believed and thanked; a minor or somebody who wants to die comes to a worker at the top."""

    def name(self) -> str:
        """Rasa's name."""
        return "action_disclose_exploitation"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: object) -> Events:
        """Believe."""
        events: Events = [SlotSet("disclosed", True)]
        shown = flags(tracker)
        if shown & {"minor", "self_harm"}:
            events.append(effect(handoff(HIGH, "minor" if "minor" in shown else "self_harm")))
        if "self_harm" in shown:
            dispatcher.utter_message(response="utter_self_harm_stay" if tracker.get_slot("contacts_fresh") else "utter_self_harm_stay_plain")
            _worker_is_asked(dispatcher, tracker)
            return events
        if "minor" in shown and not tracker.get_slot("disclosed"):
            dispatcher.utter_message(response="utter_minor_first")
            _worker_is_asked(dispatcher, tracker)
        dispatcher.utter_message(response="utter_disclose_more" if tracker.get_slot("disclosed") else "utter_disclose")
        return events


class ActionAskAmIVictim(Action):
    """Facts P5, P14, S3–S5. Offers the six questions."""

    def name(self) -> str:
        """Rasa's name."""
        return "action_ask_am_i_victim"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: object) -> Events:
        """Name the signs."""
        dispatcher.utter_message(response="utter_ask_am_i_victim")
        return [effect(ask("self_check"))]


class ActionAskCheckPapers(Action):
    """The first of the six questions says how many there are and that one can leave."""

    def name(self) -> str:
        """Rasa's name."""
        return "action_ask_self_check_form_check_papers"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: object) -> Events:
        """Ask."""
        dispatcher.utter_message(response="utter_check_intro")
        dispatcher.utter_message(response="utter_check_papers")
        return []


class ValidateSelfCheckForm(FormValidationAction):
    """Six yes or no questions; none on sex for a minor."""

    def name(self) -> str:
        """Rasa's name."""
        return "validate_self_check_form"

    async def required_slots(self, domain_slots: List[str], dispatcher: CollectingDispatcher, tracker: Tracker, domain: Dict[str, Any]) -> List[str]:
        """The questions for this person."""
        left_out = "check_sex" if "minor" in flags(tracker) else "check_hours"
        return [slot for slot in CHECK_SLOTS if slot != left_out]

    async def get_extraction_events(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Dict[str, Any]) -> Events:
        """Take a yes, a no or a skip for the question that was asked; leave anything else to the rules."""
        slot = tracker.get_slot("requested_slot")
        said = yes_no_or_skip(tracker)
        if slot in CHECK_SLOTS and said:
            tracker.add_slots([{"event": "slot", "name": slot, "value": said}])
            return [SlotSet(slot, said)]
        return []


class ActionSelfCheckDone(Action):
    """Facts P5, P14, S1, S2."""

    def name(self) -> str:
        """Rasa's name."""
        return "action_self_check_done"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: object) -> Events:
        """Say what the answers may mean."""
        signs = any(tracker.get_slot(slot) == "yes" for slot in CHECK_SLOTS)
        dispatcher.utter_message(response="utter_check_some" if signs else "utter_check_none")
        return [SlotSet("disclosed", signs or tracker.get_slot("disclosed")), *forget(CHECK_SLOTS)]


def _worker_is_asked(dispatcher: CollectingDispatcher, tracker: Tracker) -> None:
    if tracker.get_slot("staffed"):
        dispatcher.utter_message(response="utter_worker_asking")


