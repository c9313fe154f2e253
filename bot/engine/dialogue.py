"""One turn of the dialogue: Rasa's rules, forms and actions over a snapshot, without side effects.

The types are free of Rasa; ``Dialogue.load`` imports it. Nothing is sent, stored or remembered here: what a turn says
and wants done comes back as a ``DialogueResult`` for the engine to commit.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.engine.dialogue_text import RESERVED_INTENTS, neutralise
from bot.engine.snapshot import Snapshot, SnapshotError

if TYPE_CHECKING:
    from rasa.core.agent import Agent

    from bot.engine.inprocess import InProcessEndpoint
    from bot.engine.snapshot_store import SnapshotTrackerStore

ACTION_TIMEOUT_SECONDS = 5.0
TURN_TIMEOUT_SECONDS = 8.0


@dataclass(frozen=True)
class Said:
    """A phrase to say: its id, the ids of its options in order, and the values of its placeholders."""

    phrase: str
    options: tuple[str, ...] = ()
    params: Mapping[str, str] | None = None


@dataclass(frozen=True)
class DialogueResult:
    """What one turn came to.

    ``errors`` are codes without text (``action:action_x:ValueError``, ``phrase:utter_y:missing``, ``no_rule`` …). With any of them the turn is
    void: ``said`` and ``effects`` are empty and ``snapshot`` is the one that the turn started from.
    """

    said: tuple[Said, ...]
    effects: tuple[dict[str, Any], ...]
    snapshot: bytes | None
    errors: tuple[str, ...] = ()
    slots: Mapping[str, Any] | None = None


class Dialogue:
    """Rasa, loaded once. ``turn`` may run for several conversations at a time."""

    def __init__(self, agent: Agent, store: SnapshotTrackerStore, endpoint: InProcessEndpoint) -> None:
        """Use ``load``."""
        self._agent = agent
        self._store = store
        self._endpoint = endpoint
        self._turns = itertools.count(1)
        self._slots = frozenset(slot.name for slot in agent.domain.slots)
        self._intents = frozenset(agent.domain.intents)

    @classmethod
    async def load(
        cls,
        archive: Path,
        actions: str = "actions",
        nlg: str = "bot.phrases.nlg.CatalogNLG",
        action_timeout: float = ACTION_TIMEOUT_SECONDS,
    ) -> Dialogue:
        """Load the model ``archive`` with the actions of a package and the NLG of a class path.

        Takes seconds (Rasa's import). Raises ``bot.engine.agent_model.ModelError`` with what to do.
        """
        from bot.engine.agent import load_agent
        from bot.engine.inprocess import InProcessEndpoint, find_actions
        from bot.engine.snapshot_store import SnapshotTrackerStore

        store = SnapshotTrackerStore()
        endpoint = InProcessEndpoint(find_actions(actions), action_timeout)
        return cls(load_agent(archive, store, endpoint, nlg), store, endpoint)

    @property
    def intents(self) -> frozenset[str]:
        """The intents that the rules know."""
        return self._intents

    def close(self) -> None:
        """Let the actions' thread end."""
        self._endpoint.close()

    async def turn(self, snapshot: bytes | None, parse: Mapping[str, Any], context: Mapping[str, object]) -> DialogueResult:
        """Run one message that is already understood.

        ``parse`` is Rasa's parse data (``text``, ``intent``, ``entities``; see ``dialogue_text.parse_data``). ``context`` holds slots that the engine
        sets for this turn and that the snapshot does not keep. An unreadable snapshot counts as empty. Never raises for what a person
        wrote; raises ``ValueError`` for an intent or a context slot that the model does not know, a mistake of the caller.
        """
        from bot.engine.inprocess import TurnRecord, current_turn

        intent = str(parse["intent"]["name"])
        if intent in RESERVED_INTENTS or intent not in self._intents:
            raise ValueError(f"the model has no intent {intent}")
        unknown = sorted(set(context) - self._slots)
        if unknown:
            raise ValueError(f"the domain has no slot {', '.join(unknown)}")
        try:
            before = Snapshot.decode(snapshot)
        except SnapshotError:
            before = Snapshot()
        record = TurnRecord(deadline=time.monotonic() + TURN_TIMEOUT_SECONDS)
        sender = f"turn-{next(self._turns)}"
        self._store.begin(sender, before, context)
        token = current_turn.set(record)
        try:
            await self._handle(sender, parse)
        except Exception as error:  # whatever happened in Rasa, the person gets an answer
            record.fail(f"turn:{type(error).__name__}")
        finally:
            current_turn.reset(token)
            tracker = self._store.end(sender)
        return self._result(tracker, record, before, context)

    async def _handle(self, sender: str, parse: Mapping[str, Any]) -> None:
        from rasa.core.channels.channel import UserMessage

        from bot.engine.agent import Nowhere

        text = neutralise(str(parse.get("text", "")))
        data = {"entities": [], **parse, "text": text}
        assert self._agent.processor is not None
        await self._agent.processor.handle_message(UserMessage(text, Nowhere(), sender, parse_data=data, input_channel="engine"))

    def _result(self, tracker: Any, record: Any, before: Snapshot, context: Mapping[str, object]) -> DialogueResult:
        from bot.engine.snapshot_store import EFFECTS, snapshot_of

        if not record.errors and tracker is None:
            record.fail("turn:unsaved")
        if not record.errors and not record.actions:
            record.fail("no_rule")
        said: list[Said] = []
        effects: list[dict[str, Any]] = []
        after = b""
        if not record.errors:
            try:
                said = [_said(event) for event in tracker.events if event.type_name == "bot"]
                effects = _effects(event.value for event in tracker.events if event.type_name == "slot" and event.key == EFFECTS)
                after = snapshot_of(tracker, forget=context).encode()
            except (KeyError, TypeError, ValueError) as error:
                record.fail(f"turn:nonsense:{type(error).__name__}")
        if record.errors:
            return DialogueResult((), (), before.encode(), tuple(record.errors))
        return DialogueResult(tuple(said), tuple(effects), after, (), tracker.current_slot_values())


def _effects(values: Iterable[list[dict[str, Any]] | None]) -> list[dict[str, Any]]:
    """Gather what the turn's actions put into the slot one after another, whether each added to the list or began anew."""
    gathered: list[dict[str, Any]] = []
    before: list[dict[str, Any]] = []
    for value in values:
        now = [dict(effect) for effect in value or ()]
        gathered += now[len(before) :] if now[: len(before)] == before else now
        before = now
    for effect in gathered:
        str(effect["kind"])
    return gathered


def _said(event: Any) -> Said:
    """Read the structured phrase that the NLG put beside the text. Raises ``KeyError``, ``TypeError`` for a message without one."""
    custom: dict[str, Any] = event.data["custom"]
    params = custom.get("params") or {}
    return Said(str(custom["phrase"]), tuple(str(option) for option in custom.get("options") or ()), {str(k): str(v) for k, v in params.items()})
