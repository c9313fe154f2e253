"""Quiet, what is kept, erasing, and no more messages."""

from __future__ import annotations

from rasa_sdk import Action, Tracker
from rasa_sdk.executor import CollectingDispatcher

from actions.answers import choice
from actions.common import Events, ask, effect, leave_forms
from actions.say import say


class ActionCannotTalkNow(Action):
    """Says nothing at all. The engine cancels what waits and begins the quiet."""

    def name(self) -> str:
        """Rasa's name."""
        return "action_cannot_talk_now"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: object) -> Events:
        """Be quiet."""
        return [*leave_forms(), effect({"kind": "quiet"})]


class ActionAskConfidentiality(Action):
    """Facts P2, P6, P12, and what is kept for how long (a setting)."""

    def name(self) -> str:
        """Rasa's name."""
        return "action_ask_confidentiality"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: object) -> Events:
        """Say who sees what, and what stays where."""
        say(dispatcher, "privacy")
        say(dispatcher, "privacy.kept", count=str(tracker.get_slot("keep_days")))
        say(dispatcher, "privacy.remains")
        return []


class ActionDeleteConversation(Action):
    """At once for a keyword, a command or a button; a wish in a sentence is asked back once."""

    def name(self) -> str:
        """Rasa's name."""
        return "action_delete_conversation"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: object) -> Events:
        """Erase, or ask."""
        if choice(tracker) == "erase_now":
            # Nothing is sent on SMS: a message there would be one more trace on the phone.
            if tracker.get_slot("channel") != "sms":
                say(dispatcher, "erase.done")
            return [*leave_forms(), effect({"kind": "erase"})]
        say(dispatcher, "erase.ask")
        return [effect(ask("erase"))]


class ActionStopMessages(Action):
    """One short neutral confirmation, then nothing until they write."""

    def name(self) -> str:
        """Rasa's name."""
        return "action_stop_messages"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: object) -> Events:
        """Stop."""
        say(dispatcher, "stop.done")
        return [*leave_forms(), effect({"kind": "stop"})]
