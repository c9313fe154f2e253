"""A small assistant, trained once, on which the holding of Rasa is tested."""

from __future__ import annotations

import asyncio
import contextlib
import io
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot import logs
from bot.engine.dialogue import Dialogue, DialogueResult

MINI = Path(__file__).parent / "mini"


@pytest.fixture(autouse=True)
def logs_go_nowhere() -> Iterator[None]:
    """Log lines go to a stream of their own: the one that pytest captures is closed after each test."""
    logs.configure("debug", io.StringIO())
    yield
    logs.configure("debug", io.StringIO())


class Talk:
    """A conversation of one person with the small assistant: the snapshot goes from turn to turn."""

    def __init__(self, dialogue: Dialogue) -> None:
        self.dialogue = dialogue
        self.snapshot: bytes | None = None

    def says(self, intent: str, text: str = "x", **context: Any) -> DialogueResult:
        """Run one turn and keep its snapshot."""
        result = asyncio.run(self.dialogue.turn(self.snapshot, parsed(intent, text), context))
        self.snapshot = result.snapshot
        return result

    def hears(self, intent: str, text: str = "x", **context: Any) -> list[str]:
        """Run one turn and return the phrases said; fail on an error."""
        result = self.says(intent, text, **context)
        assert result.errors == ()
        return [said.phrase for said in result.said]


def parsed(intent: str, text: str = "x") -> dict[str, Any]:
    """Rasa's parse data for a text whose intent is given."""
    return {"text": text, "intent": {"name": intent, "confidence": 1.0}, "entities": []}


@pytest.fixture(scope="session")
def mini_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small assistant's trained archive (rules only)."""
    import rasa

    import bot.engine.agent  # noqa: F401 - sets Rasa's environment first

    folder = tmp_path_factory.mktemp("mini")
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        result = rasa.train(str(MINI / "domain.yml"), str(MINI / "config.yml"), [str(MINI / "rules.yml")], str(folder), fixed_model_name="mini")
    return Path(result.model)


@pytest.fixture(scope="session")
def dialogue(mini_archive: Path) -> Iterator[Dialogue]:
    """The small assistant, loaded; an action may take 0.3 s."""
    sys.path.insert(0, str(MINI))
    loaded = asyncio.run(Dialogue.load(mini_archive, actions="mini_actions", nlg="mini_nlg.MiniNLG", action_timeout=0.3))
    yield loaded
    import mini_actions  # type: ignore[import-not-found]

    mini_actions.released.set()
    loaded.close()
    sys.path.remove(str(MINI))


@pytest.fixture
def talk(dialogue: Dialogue) -> Talk:
    """A new conversation."""
    return Talk(dialogue)
