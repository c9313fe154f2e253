"""The number, the address, other lines."""

from __future__ import annotations

from rasa_sdk import Action, Tracker
from rasa_sdk.executor import CollectingDispatcher

from actions.answers import choice
from actions.common import Events
from actions.say import say


class ActionAskContact(Action):
    """Facts S1, P2, S8. The e-mail address names the subject: only when asked for, or after the person named it (P1)."""

    def name(self) -> str:
        """Rasa's name."""
        return "action_ask_contact"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: object) -> Events:
        """Give the number first."""
        if choice(tracker) == "crisis" and tracker.get_slot("contacts_fresh"):
            say(dispatcher, "contact.crisis")
            return []
        if choice(tracker) == "email":
            say(dispatcher, "contact.email")
            return []
        say(dispatcher, "contact")
        if tracker.get_slot("subject_named"):
            say(dispatcher, "contact.email")
        return []
