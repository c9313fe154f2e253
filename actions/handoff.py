"""A person for the person: stored first, asked afterwards, every question may be skipped."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Optional

import phonenumbers
from rasa_sdk import Action, FormValidationAction, Tracker
from rasa_sdk.events import SlotSet
from rasa_sdk.executor import CollectingDispatcher

from actions.answers import choice, is_free_text, yes_no_or_skip
from actions.common import HANDOFF_MEMORY, HANDOFF_SLOTS, Events, effect, flags, forget, handoff, urgency
from actions.say import asking, say

SKIP = "skip"
SKIPPED_READ, SKIPPED_LATER = "no", "no"  # read: only from now on; later: do not write


class ActionAskHuman(Action):
    """Facts S1, P2. The request is an effect: it is stored in the same commit as the reply that speaks of it."""

    def name(self) -> str:
        """Rasa's name."""
        return "action_ask_human"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: object) -> Events:
        """Ask for a worker, and say truly what happens next."""
        if "self_harm" in flags(tracker):  # stay with the person: no questions
            say(dispatcher, "self_harm.stay" if tracker.get_slot("contacts_fresh") else "self_harm.stay_plain")
            if tracker.get_slot("staffed"):
                say(dispatcher, "worker.asking")
            return [effect(handoff(urgency(tracker), "self_harm"))]
        if "minor" in flags(tracker):
            say(dispatcher, "minor.first")
        waiting = tracker.get_slot("handoff_state") in ("requested", "paged", "returned")
        if not tracker.get_slot("staffed"):
            say(dispatcher, "human.unstaffed")
        else:
            say(dispatcher, "human.already" if waiting else "human.asking")
        events: Events = [effect(handoff(urgency(tracker), "ask_human"))]
        if choice(tracker) == "call_me":
            events.append(SlotSet("handoff_how", "call_me"))
        return events


class ActionAskHandoffHow(Action):
    """Offers only what is true: writing here when a worker is on duty, being called when the service offers it."""

    def name(self) -> str:
        """Rasa's name."""
        return "action_ask_handoff_form_handoff_how"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: object) -> Events:
        """Ask how."""
        if tracker.get_slot("staffed"):
            say(dispatcher, "handoff.ask_how", options=["write_here", "call_me", "i_will_call", "skip"])
        else:
            say(dispatcher, "human.call_back", options=["call_me", "i_will_call", "no"])
        return []


class ActionAskHandoffNumber(Action):
    """Facts P12, P6 before a number is asked. On SMS the number that the person writes from is offered."""

    def name(self) -> str:
        """Rasa's name."""
        return "action_ask_handoff_form_handoff_number"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: object) -> Events:
        """Say who runs the service, then ask for the number."""
        if not tracker.get_slot("handoff_told"):
            say(dispatcher, "handoff.before_number")
        own = tracker.get_slot("channel") == "sms" and choice(tracker) != "other_number"
        say(dispatcher, "handoff.ask_this_number" if own else "handoff.ask_number")
        return [SlotSet("handoff_told", True)]


QUESTIONS = [
    asking("handoff_form", slot, phrase)
    for slot, phrase in (
        ("handoff_freely", "freely.ask"),
        ("handoff_when", "handoff.ask_when"),
        ("handoff_others", "handoff.ask_others"),
        ("handoff_read", "handoff.ask_read"),
        ("handoff_later", "handoff.ask_later"),
    )
]


class ValidateHandoffForm(FormValidationAction):
    """Takes an answer only when it is one; anything else is left to the rules, which answer it and come back here."""

    def name(self) -> str:
        """Rasa's name."""
        return "validate_handoff_form"

    async def required_slots(self, domain_slots: List[str], dispatcher: CollectingDispatcher, tracker: Tracker, domain: Dict[str, Any]) -> List[str]:
        """The questions that this person needs: none without a desk or a call back, nor for who wants to die; the phone's only for a call."""
        if "self_harm" in flags(tracker) or not (tracker.get_slot("staffed") or tracker.get_slot("call_back")):
            return []
        needed = ["handoff_freely", "handoff_how"]
        how = tracker.get_slot("handoff_how")
        if how == "call_me":
            needed += ["handoff_number", "handoff_when", "handoff_others"]
        if how in ("call_me", "write_here", SKIP) and (tracker.get_slot("staffed") or how == "call_me"):
            needed += ["handoff_read", "handoff_later"]
        return needed

    def extract_handoff_freely(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Dict[str, Any]) -> Dict[str, Any]:
        """Yes goes on. A no never comes here: the engine makes it quiet."""
        return _take(tracker, "handoff_freely", yes_no_or_skip(tracker))

    def extract_handoff_how(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Dict[str, Any]) -> Dict[str, Any]:
        """One of write_here, call_me, i_will_call, skip."""
        if tracker.get_slot("requested_slot") != "handoff_how":
            return {}
        chosen = choice(tracker)
        if chosen in ("write_here", "call_me", "i_will_call", SKIP):
            return {"handoff_how": chosen}
        said = yes_no_or_skip(tracker)
        if not tracker.get_slot("staffed") and said:
            return {"handoff_how": {"yes": "call_me", "no": "i_will_call"}.get(said, SKIP)}
        return {"handoff_how": SKIP} if said in ("no", SKIP) else {}

    def extract_handoff_number(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Dict[str, Any]) -> Dict[str, Any]:
        """A valid number in E.164, ``own`` (the one they write from, on SMS) or skip."""
        if tracker.get_slot("requested_slot") != "handoff_number":
            return {}
        if choice(tracker) == "other_number":
            return {"handoff_number": None}
        text = str(tracker.latest_message.get("text") or "")
        number = parse_number(text)
        if number:
            return {"handoff_number": number}
        said = yes_no_or_skip(tracker)
        if said == "yes" and tracker.get_slot("channel") == "sms":
            return {"handoff_number": "own"}
        if said in ("no", SKIP):
            return {"handoff_number": SKIP}
        if sum(character.isdigit() for character in text) >= 5:
            say(dispatcher, "handoff.bad_number")
            return {"handoff_number": None}
        return {}

    def extract_handoff_when(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Dict[str, Any]) -> Dict[str, Any]:
        """A time in the person's own words, or skip."""
        if tracker.get_slot("requested_slot") != "handoff_when":
            return {}
        if yes_no_or_skip(tracker) in ("no", SKIP):
            return {"handoff_when": SKIP}
        text = str(tracker.latest_message.get("text") or "").strip()
        return {"handoff_when": text[:200]} if text and is_free_text(tracker) else {}

    def extract_handoff_others(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Dict[str, Any]) -> Dict[str, Any]:
        """Yes, no or skip."""
        return _take(tracker, "handoff_others", yes_no_or_skip(tracker))

    def extract_handoff_read(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Dict[str, Any]) -> Dict[str, Any]:
        """Yes, or no: then only what comes from now on."""
        said = yes_no_or_skip(tracker)
        return _take(tracker, "handoff_read", SKIPPED_READ if said == SKIP else said)

    def extract_handoff_later(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Dict[str, Any]) -> Dict[str, Any]:
        """Yes, or no: then nothing late is sent."""
        said = yes_no_or_skip(tracker)
        return _take(tracker, "handoff_later", SKIPPED_LATER if said == SKIP else said)


class ActionHandoffDone(Action):
    """What happens next, promised no further than it is true; the answers go to the stored handoff."""

    def name(self) -> str:
        """Rasa's name."""
        return "action_handoff_done"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: object) -> Events:
        """Close the form."""
        answers = {slot.removeprefix("handoff_"): tracker.get_slot(slot) for slot in HANDOFF_SLOTS if tracker.get_slot(slot)}
        how = answers.get("how")
        if how == "call_me" and answers.get("number") not in (None, SKIP):
            say(dispatcher, "handoff.done_call")
        elif how in ("i_will_call", "call_me"):
            say(dispatcher, "handoff.done_self")
        elif how:
            say(dispatcher, "handoff.done_write" if tracker.get_slot("staffed") else "handoff.done_self")
        return [effect({"kind": "answers", "answers": answers}), *forget(HANDOFF_MEMORY)]


def parse_number(text: str) -> Optional[str]:
    """Return the first valid phone number of ``text`` in E.164, read as Finnish where it has no country code, or ``None``."""
    western = "".join(str(int(character)) if character.isdecimal() else character for character in text)
    for found in phonenumbers.PhoneNumberMatcher(re.sub(r"^\s*00", "+", western), "FI"):
        return phonenumbers.format_number(found.number, phonenumbers.PhoneNumberFormat.E164)
    return None


def _take(tracker: Tracker, slot: str, value: Optional[str]) -> Dict[str, Any]:
    return {slot: value} if value and tracker.get_slot("requested_slot") == slot else {}


