"""A no without a question, leaving a form, and what was not understood."""

from __future__ import annotations

from rasa_sdk import Action, Tracker
from rasa_sdk.executor import CollectingDispatcher

from actions.answers import choice
from actions.common import Events, leave_forms

# Bad pay or a doubtful job offer, taken for out of scope, is not out of scope (P18).
_WORK = frozenset({"disclose_exploitation", "ask_am_i_victim", "ask_legal_advice", "ask_money"})


class ActionDeny(Action):
    """Leaves the questions when that was pressed; answers "no, do not erase"; else says what can be asked."""

    def name(self) -> str:
        """Rasa's name."""
        return "action_deny"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: object) -> Events:
        """Take the no."""
        chosen = choice(tracker)
        if chosen == "leave":
            checking = tracker.active_loop.get("name") == "self_check_form"
            dispatcher.utter_message(response="utter_check_left" if checking else "utter_handoff_left")
            return leave_forms()
        dispatcher.utter_message(response="utter_erase_kept" if chosen == "erase_no" else "utter_topics")
        return []


class ActionNotUnderstood(Action):
    """Asks once, with topics; the second time offers a person and the number; never a third loop of asking."""

    def name(self) -> str:
        """Rasa's name."""
        return "action_not_understood"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: object) -> Events:
        """Say that it was not understood, or what this is for."""
        intent = (tracker.latest_message.get("intent") or {}).get("name")
        if intent == "out_of_scope" and tracker.get_slot("near_intent") in _WORK and tracker.get_slot("contacts_fresh"):
            dispatcher.utter_message(response="utter_work_problems")
        elif (tracker.get_slot("not_understood") or 0) >= 1:
            dispatcher.utter_message(response="utter_confused_again")
        elif intent == "out_of_scope":
            dispatcher.utter_message(response="utter_out_of_scope")
        else:
            dispatcher.utter_message(response="utter_confused_once")
        return []
