"""Choosing a language: a short list of likely ones first, all on request."""

from __future__ import annotations

from rasa_sdk import Action, Tracker
from rasa_sdk.executor import CollectingDispatcher

from actions.answers import choice
from actions.common import Events, effect
from actions.say import say


class ActionChangeLanguage(Action):
    """``choice`` is ``lang:<code>`` when a language was named or pressed; each is shown by its own name."""

    def name(self) -> str:
        """Rasa's name."""
        return "action_change_language"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: object) -> Events:
        """Set the language, or show the list."""
        chosen = choice(tracker) or ""
        if chosen.startswith("lang:"):
            say(dispatcher, "language.set")
            return [effect({"kind": "language", "code": chosen.removeprefix("lang:")})]
        likely = [f"lang:{code}" for code in tracker.get_slot("likely_languages") or ()]
        options = ["all_languages"] if chosen == "more_languages" else [*likely, "more_languages"]
        say(dispatcher, "language.ask", options=options)
        return []
