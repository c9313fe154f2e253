"""Puts the engine together from the trained model, the catalogs and the settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from bot import logs
from bot.clock import Clock
from bot.engine.acts import ActReader
from bot.engine.agent_model import ModelError, load_understander, understanding_kept_in, verified_archive
from bot.engine.compose import Composer
from bot.engine.dialogue import Dialogue, Said
from bot.engine.language import DEFAULT, LanguageNames
from bot.engine.turn import EMERGENCY, SAFE, TurnEngine
from bot.mailbox import Turn
from bot.model import Danger, Reply, Understanding
from bot.phrases.catalog import Phrases
from bot.phrases.facts import fact_values
from bot.settings import Settings
from bot.understanding.understand import Understander

_log = logs.get_logger("engine")
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Parts:
    """A loaded engine."""

    engine: TurnEngine
    dialogue: Dialogue
    understander: Understander
    composer: Composer

    def safe(self, turn: Turn) -> tuple[Reply, ...]:
        """The replies of a turn that was given up: 112 first where a text sounds like danger now, nothing where they ask for quiet."""
        language = turn.state.language if turn.state.language in self.composer.phrases.languages else DEFAULT
        said = Said(SAFE)
        try:
            reads = [self.understander.parse(message.text) for message in turn.messages if message.text]
        except Exception:  # perhaps this is what breaks the turn
            _log.error("grading_failed", conversation=turn.conversation_id, exc_info=True)
            reads = []
        if any(read.danger is Danger.NOW for read in reads):
            said = Said(EMERGENCY)
        elif reads and reads[-1].intent == "cannot_talk_now":
            return ()
        return self.composer.compose([said], (), language, turn.channel)[0]

    def grade(self, text: str) -> Understanding:
        """How a fragment sounds by itself."""
        return self.understander.parse(text)


def load_phrases(root: Path, settings: Settings) -> Phrases:
    """All catalogs with the settings' numbers and addresses."""
    return Phrases.load(root / "translations", fact_values(settings))


def assault_words(root: Path) -> tuple[str, ...]:
    """Beginnings of words for forced sex, of all languages, from the keyword files."""
    found: list[str] = []
    for path in sorted((root / "data" / "keywords").glob("*.yml")):
        table = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        found += [str(word).casefold() for word in table.get("assault") or ()]
    return tuple(found)


def quieten(settings: Settings) -> None:
    """Set up logging once more after Rasa and TensorFlow have set up loggers of their own."""
    from bot.engine.agent import silence

    logs.configure(settings.log_level)
    silence()


async def assemble(root: Path, settings: Settings, clock: Clock, progress: Callable[[str], None]) -> Parts:
    """Load everything: 10 to 20 seconds. Raises ``ModelError`` and ``MissingPhrase`` with what to do."""
    archive = verified_archive(settings.model)
    progress("loading what understands")
    understander = load_understander(settings.model)
    phrases = load_phrases(root, settings)
    composer = Composer(phrases)
    progress("loading Rasa (10 to 20 s)")
    with understanding_kept_in(settings.model):
        dialogue = await Dialogue.load(archive)
    try:
        understander.parse("hello")
    except Exception as error:  # trained by another version of the program
        raise ModelError(f"the trained model in {settings.model}/ does not fit this program: run `helpline train`") from error
    names = LanguageNames.load(root / "data" / "keywords", {code: row.name for code, row in phrases.languages.items()})
    acts = ActReader(understander, phrases, names, dialogue.intents)
    engine = TurnEngine(dialogue, acts, composer, settings, clock, assault_words(root))
    return Parts(engine, dialogue, understander, composer)
