"""The trained model, loaded once for all tests that need it."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass

from bot.clock import SystemClock
from bot.engine.language import LanguageNames
from bot.engine.worker_parts import ROOT, Parts, assault_words, assemble
from bot.settings import Settings, load


@dataclass(frozen=True)
class LoadedModel:
    """Everything that an engine needs; ``settings`` are the defaults."""

    parts: Parts
    settings: Settings
    names: LanguageNames
    assault_words: tuple[str, ...]


def load_model() -> LoadedModel:
    """Load what the set-up trained. Raises ``ModelError`` with what to do."""
    settings = load({name: value for name, value in os.environ.items() if name in ("HELPLINE_VAR", "HELPLINE_MODEL")})
    parts = asyncio.run(assemble(ROOT, settings, SystemClock(), lambda _: None))
    names = LanguageNames.load(ROOT / "data" / "keywords", {code: row.name for code, row in parts.composer.phrases.languages.items()})
    return LoadedModel(parts, settings, names, assault_words(ROOT))
