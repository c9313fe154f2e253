"""The natural-language generator that Rasa asks: a response of the domain names a phrase, the catalogs say it.

Every bot message carries the phrase as data (``custom``), so that the engine composes replies itself; the text beside
it is for ``rasa shell``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from rasa.core.nlg import TemplatedNaturalLanguageGenerator
from rasa.shared.core.domain import Domain
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.utils.endpoints import EndpointConfig

from bot.phrases.catalog import MissingPhrase, Phrases
from bot.phrases.facts import fact_values
from bot.settings import load

CATALOGS = Path(__file__).resolve().parents[2] / "translations"
_OWN = frozenset({"options"})
_RESERVED = frozenset({"text", "buttons", "elements", "attachment", "image", "custom", "response", "template", "metadata", "domain_responses"})


class CatalogNLG(TemplatedNaturalLanguageGenerator):
    """Looks a response up in the domain: its ``text`` is a phrase's id, its ``metadata`` may list ``options``. Actions name the phrase itself."""

    def __init__(self, endpoint_config: EndpointConfig | None = None, domain: Domain | None = None) -> None:
        """Called by Rasa with the endpoint's configuration and the domain."""
        super().__init__(dict(domain.responses) if domain else {})  # Rasa sets `responses` once it has loaded a model
        self._phrases = Phrases.load(CATALOGS, fact_values(load(os.environ)))

    async def generate(self, utter_action: str, tracker: DialogueStateTracker, output_channel: str, **kwargs: Any) -> dict[str, Any]:
        """Return ``{"text", "custom": {"phrase", "options", "params"}}``. Raises ``MissingPhrase`` where no catalog has the phrase."""
        variants = self.responses.get(utter_action) or [{"text": utter_action}]
        phrase = str(variants[0]["text"])
        options = kwargs.get("options") or (variants[0].get("metadata") or {}).get("options") or []
        params = {name: str(value) for name, value in kwargs.items() if name not in _OWN | _RESERVED and value is not None}
        if not self._phrases.has(phrase):
            raise MissingPhrase(f"no catalog has the phrase {phrase}")
        language = str(tracker.get_slot("language") or "en")
        count = params.get("count")
        text = self._phrases.text(phrase, language, count=int(count) if count else None, erase_word=self._phrases.text("word.erase", language))
        return {"text": text, "custom": {"phrase": phrase, "options": [str(option) for option in options], "params": params}}
