"""A no without a question, leaving a form, and what was not understood."""

from __future__ import annotations

from rasa_sdk import Action, Tracker
from rasa_sdk.executor import CollectingDispatcher

from actions.answers import choice
from actions.common import Events, leave_forms
from actions.say import say

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
            say(dispatcher, "check.left" if checking else "handoff.left")
            return leave_forms()
        say(dispatcher, "erase.kept" if chosen == "erase_no" else "utter_topics")
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
            say(dispatcher, "work_problems")
        elif (tracker.get_slot("not_understood") or 0) >= 1:
            say(dispatcher, "confused.again")
        elif intent == "out_of_scope":
            say(dispatcher, "out_of_scope")
        else:
            say(dispatcher, "confused.once")
        return []
