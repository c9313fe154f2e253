"""Loads Rasa as a library: silent, one thread, no telemetry, and watched.

Importing this module imports Rasa (4–14 s). Whoever only needs the types imports ``bot.engine.dialogue``.
"""

from __future__ import annotations

import importlib
import logging
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import structlog

from bot.engine.agent_light import prediction_storage, without_training_helpers

with warnings.catch_warnings(), without_training_helpers():
    # A filter is not enough: something below puts filters of its own in front.
    warnings.showwarning = lambda *_args, **_kwargs: None
    warnings.simplefilter("ignore")
    import rasa.core.actions.forms  # noqa: F401 - Rasa imports it at the first form only, too late for silence()
    from rasa.core.actions.action import Action, ActionExecutionRejection
    from rasa.core.agent import Agent
    from rasa.core.channels.channel import OutputChannel
    from rasa.core.nlg import NaturalLanguageGenerator, TemplatedNaturalLanguageGenerator
    from rasa.core.policies.policy import PolicyPrediction
    from rasa.core.processor import MessageProcessor
    from rasa.engine.loader import load_predict_graph_runner
    from rasa.shared.core.constants import ACTION_DEFAULT_FALLBACK_NAME, ACTION_LISTEN_NAME
    from rasa.shared.core.domain import Domain, SessionConfig
    from rasa.shared.core.events import ActionExecuted, Event
    from rasa.shared.core.trackers import DialogueStateTracker
    from rasa.utils.endpoints import EndpointConfig

from bot.engine.agent_model import ModelError
from bot.engine.graph_runner import PlainGraphRunner
from bot.engine.inprocess import InProcessEndpoint, TurnRecord, answers_are_checked, current_turn
from bot.engine.snapshot_store import SnapshotTrackerStore


def silence() -> None:
    """Make Rasa say nothing: its structured and plain log lines and its warnings hold texts and slots."""

    def drop(*_: object) -> structlog.typing.EventDict:
        raise structlog.DropEvent

    if not structlog.is_configured():  # the default would print everything to standard output
        structlog.configure(processors=[drop])
    silent = structlog.wrap_logger(structlog.ReturnLogger(), processors=[drop])
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in {"rasa", "rasa_sdk"} and hasattr(module, "structlogger"):
            setattr(module, "structlogger", silent)  # noqa: B010 - the attribute is Rasa's
    for name in ("rasa", "rasa_sdk"):
        logger = logging.getLogger(name)
        logger.handlers = [logging.NullHandler()]
        logger.propagate = False
        logger.setLevel(logging.CRITICAL + 1)
    warnings.filterwarnings("ignore", module=r"rasa(_sdk)?(\.|$)")


class Nowhere(OutputChannel):
    """Sends nothing: what a turn says is read from its tracker."""

    @classmethod
    def name(cls) -> str:
        """Return the channel's name in Rasa."""
        return "engine"

    async def send_response(self, recipient_id: str, message: dict[str, Any]) -> None:
        """Drop the message."""


class WatchedAction(Action):
    """Passes everything on to an action and records an exception that Rasa would swallow."""

    def __init__(self, inner: Action) -> None:
        """Wrap ``inner``."""
        self._inner = inner

    def name(self) -> str:
        """Return the inner action's name."""
        return str(self._inner.name())

    async def run(
        self, output_channel: OutputChannel, nlg: NaturalLanguageGenerator, tracker: DialogueStateTracker, domain: Domain
    ) -> list[Event]:
        """Run the inner action; a rejection is Rasa's own way of saying no, anything else is an error."""
        record = current_turn.get()
        before = len(record.errors) if record is not None else 0
        try:
            events: list[Event] = await self._inner.run(output_channel, nlg, tracker, domain)
        except ActionExecutionRejection:
            raise
        except Exception as error:
            if record is not None and len(record.errors) == before:
                record.fail(f"action:{self.name()}:{type(error).__name__}")
            raise
        return events

    def event_for_successful_execution(self, prediction: PolicyPrediction) -> ActionExecuted:
        """Return the inner action's event."""
        return self._inner.event_for_successful_execution(prediction)


class WatchedNLG(NaturalLanguageGenerator):
    """Records a phrase that is missing or raises; Rasa would log it and say nothing."""

    def __init__(self, inner: NaturalLanguageGenerator) -> None:
        """Wrap ``inner``."""
        self._inner = inner

    async def generate(self, utter_action: str, tracker: DialogueStateTracker, output_channel: str, **kwargs: Any) -> dict[str, Any] | None:
        """Return what ``inner`` returns."""
        record = current_turn.get()
        try:
            said: dict[str, Any] | None = await self._inner.generate(utter_action, tracker, output_channel, **kwargs)
        except Exception as error:
            if record is not None:
                record.fail(f"phrase:{utter_action}:{type(error).__name__}")
            raise
        if said is None and record is not None:
            record.fail(f"phrase:{utter_action}:missing")
        return said


class WatchedProcessor(MessageProcessor):
    """Rasa's processor with its two silent ends recorded: a swallowed exception and the circuit breaker."""

    @staticmethod
    def _load_model(model_path: Path) -> tuple[str, Any, Any]:
        """As Rasa's, without what only trains or understands (``bot.engine.agent_light``)."""
        with tempfile.TemporaryDirectory() as folder:
            metadata, runner = load_predict_graph_runner(Path(folder), Path(model_path), prediction_storage(), PlainGraphRunner)
        return Path(model_path).name, metadata, runner

    async def _run_action(
        self,
        action: Action,
        tracker: DialogueStateTracker,
        output_channel: OutputChannel,
        nlg: NaturalLanguageGenerator,
        prediction: PolicyPrediction,
    ) -> bool:
        record = current_turn.get()
        if record is not None:
            if action.name() == ACTION_DEFAULT_FALLBACK_NAME:
                record.fail("no_rule")
            elif action.name() != ACTION_LISTEN_NAME:
                record.actions.append(action.name())
        go_on: bool = await super()._run_action(WatchedAction(action), tracker, output_channel, nlg, prediction)
        return go_on


def _limit_reached(*_: object) -> None:
    record: TurnRecord | None = current_turn.get()
    if record is not None:
        record.fail("action_limit")


def make_nlg(class_path: str, domain: Domain) -> NaturalLanguageGenerator:
    """Build the NLG of a class path as Rasa does for ``endpoints.yml``. Raises ``ModelError`` when there is no such class."""
    module, _, name = class_path.rpartition(".")
    try:
        cls = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ModelError(f"the phrases' class {class_path} cannot be loaded ({type(error).__name__})") from error
    nlg: NaturalLanguageGenerator = cls(endpoint_config=EndpointConfig(type=class_path), domain=domain)
    if isinstance(nlg, TemplatedNaturalLanguageGenerator):
        nlg.responses = domain.responses
    return nlg


def load_agent(archive: Path, store: SnapshotTrackerStore, endpoint: InProcessEndpoint, nlg: str) -> Agent:
    """Load the trained model of ``archive``; ``nlg`` is the class path of what turns phrases into words.

    Sessions never expire by time. Raises ``ModelError`` when the archive cannot be read, has no dialogue, or names an action
    that ``endpoint`` cannot run.
    """
    silence()
    answers_are_checked()
    agent = Agent(tracker_store=store, action_endpoint=endpoint)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            processor = WatchedProcessor(
                model_path=archive,
                tracker_store=agent.tracker_store,
                lock_store=agent.lock_store,
                generator=agent.nlg,
                action_endpoint=endpoint,
                on_circuit_break=_limit_reached,
            )
    except Exception as error:
        raise ModelError(f"the model {archive} cannot be loaded ({type(error).__name__}): run `helpline train --force`") from error
    silence()  # the graph's components have been imported now
    domain = processor.domain
    if processor.model_metadata.core_target is None:
        raise ModelError(f"the model {archive} has no dialogue: run `helpline train --force`")
    domain.session_config = SessionConfig(session_expiration_time=0, carry_over_slots=True)
    missing = sorted(set(domain.user_actions) - {name for name in domain.user_actions if name.startswith("utter_")} - endpoint.names)
    if missing:
        raise ModelError(f"the model names actions that do not exist: {', '.join(missing)}: run `helpline train`")
    agent.nlg = processor.nlg = WatchedNLG(make_nlg(nlg, domain))
    agent.processor = processor
    agent.domain = domain
    agent.tracker_store.domain = domain
    endpoint.domain = domain.as_dict()
    return agent
