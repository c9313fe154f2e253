"""An NLG that says structured phrases and knows every phrase but one."""

from __future__ import annotations

from typing import Any

from rasa.core.nlg import NaturalLanguageGenerator


class MiniNLG(NaturalLanguageGenerator):
    def __init__(self, endpoint_config: Any = None, domain: Any = None) -> None:
        pass

    async def generate(self, utter_action: str, tracker: Any, output_channel: str, **kwargs: Any) -> dict[str, Any] | None:
        if utter_action == "utter_missing":
            raise LookupError("canary-in-a-phrase")
        params = {key: value for key, value in kwargs.items() if isinstance(value, str) and key not in {"template", "response", "text"}}
        return {"text": utter_action, "custom": {"phrase": utter_action, "options": kwargs.get("options", []), "params": params}}
