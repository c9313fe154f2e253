"""Telling of one's own situation, asking whether it counts, and the six questions."""

from __future__ import annotations

from typing import Any, Dict, List

from rasa_sdk import Action, FormValidationAction, Tracker
from rasa_sdk.events import SlotSet
from rasa_sdk.executor import CollectingDispatcher

from actions.answers import yes_no_or_skip
from actions.common import CHECK_SLOTS, HIGH, Events, ask, effect, flags, forget, handoff
from actions.say import asking, say


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
            say(dispatcher, "self_harm.stay" if tracker.get_slot("contacts_fresh") else "self_harm.stay_plain")
            _worker_is_asked(dispatcher, tracker)
            return events
        if "minor" in shown and not tracker.get_slot("disclosed"):
            say(dispatcher, "minor.first")
            _worker_is_asked(dispatcher, tracker)
        say(dispatcher, "disclose.more" if tracker.get_slot("disclosed") else "disclose")
        return events


class ActionAskAmIVictim(Action):
    """Facts P5, P14, S3–S5. Offers the six questions."""

    def name(self) -> str:
        """Rasa's name."""
        return "action_ask_am_i_victim"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: object) -> Events:
        """Name the signs."""
        say(dispatcher, "am_i")
        return [effect(ask("self_check"))]


class ActionAskCheckPapers(Action):
    """The first of the six questions says how many there are and that one can leave."""

    def name(self) -> str:
        """Rasa's name."""
        return "action_ask_self_check_form_check_papers"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: object) -> Events:
        """Ask."""
        say(dispatcher, "check.intro")
        say(dispatcher, "check.papers")
        return []


QUESTIONS = [asking("self_check_form", slot, slot.replace("_", ".")) for slot in CHECK_SLOTS[1:]]


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
        say(dispatcher, "check.some" if signs else "check.none")
        return [SlotSet("disclosed", signs or tracker.get_slot("disclosed")), *forget(CHECK_SLOTS)]


def _worker_is_asked(dispatcher: CollectingDispatcher, tracker: Tracker) -> None:
    if tracker.get_slot("staffed"):
        say(dispatcher, "worker.asking")


