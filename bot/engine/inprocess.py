"""Runs the project's rasa_sdk actions inside the engine, in place of an action server.

Every failure of a turn is written into its ``TurnRecord``: Rasa itself catches an action's exception and goes on (a
failing ``validate_…_form`` even completes the form), so the engine must learn of it here and void the turn.
"""

from __future__ import annotations

import asyncio
import contextvars
import importlib
import inspect
import json
import pkgutil
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from rasa.core.actions.action import RemoteAction
from rasa.utils.endpoints import ClientResponseError, EndpointConfig
from rasa_sdk import Action, ActionExecutionRejection, Tracker
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.utils import all_subclasses, call_potential_coroutine


@dataclass
class TurnRecord:
    """What went wrong and what ran in one turn. Errors are codes such as ``action:action_x:ValueError``, never text."""

    deadline: float
    errors: list[str] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)

    def fail(self, code: str) -> None:
        """Note an error once."""
        if code not in self.errors:
            self.errors.append(code)


current_turn: contextvars.ContextVar[TurnRecord | None] = contextvars.ContextVar("current_turn", default=None)


# Rasa's own schema of an action's answer. Rasa checks the schema itself at every call (30 ms); it is compiled once here, and
# ``answers_are_checked`` takes the place of Rasa's check.
_SPEC = RemoteAction.action_response_format_spec()
_EVENT = _SPEC["properties"]["events"]["items"]
# The kinds of events exclude each other by name, so an event is held against its own kind alone instead of all twenty-three.
_KINDS = {kind["properties"]["event"]["const"]: Draft202012Validator({**_EVENT, "oneOf": [kind]}) for kind in _EVENT["oneOf"]}
_ANSWER = Draft202012Validator({**_SPEC, "properties": {**_SPEC["properties"], "events": {"type": "array", "items": {"type": "object"}}}})


def _sound(answer: dict[str, Any]) -> bool:
    return _ANSWER.is_valid(answer) and all(
        isinstance(event.get("event"), str) and event["event"] in _KINDS and _KINDS[event["event"]].is_valid(event) for event in answer["events"])


def answers_are_checked() -> None:
    """Stop Rasa from checking once more what ``InProcessEndpoint`` has checked against the same schema."""

    def checked(_: RemoteAction, __: dict[str, Any]) -> bool:
        return True

    RemoteAction._validate_action_result = checked


class ActionFailed(Exception):
    """An action raised, hung, returned nonsense or does not exist. Its message is the error's code."""


def find_actions(package: str) -> dict[str, Action]:
    """Import ``package`` with its modules and return one instance of each of its actions by name.

    Raises ``ImportError`` when a module cannot be imported, ``ValueError`` when two actions have one name.
    """
    root = importlib.import_module(package)
    for module in pkgutil.walk_packages(getattr(root, "__path__", []), prefix=f"{package}."):
        importlib.import_module(module.name)
    actions: dict[str, Action] = {}
    for cls in all_subclasses(Action):
        if (cls.__module__ == package or cls.__module__.startswith(f"{package}.")) and not inspect.isabstract(cls):
            action = cls()
            try:
                name = action.name()
            except NotImplementedError:
                continue  # a shared base class
            if name is None:
                continue
            if name in actions:
                raise ValueError(f"two actions are named {name}")
            actions[name] = action
    return actions


class ActionThread:
    """A thread with its own event loop. One that an action blocks is left behind and replaced, so that the next turn works."""

    def __init__(self) -> None:
        """Start the first thread."""
        self.abandoned = 0
        self._loop = self._start()

    @staticmethod
    def _start() -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        threading.Thread(target=loop.run_forever, name="actions", daemon=True).start()
        return loop

    async def run(self, call: Callable[[], Awaitable[Any]], timeout: float) -> Any:
        """Await ``call()`` on the thread. Raises ``asyncio.TimeoutError`` after ``timeout`` seconds, else what it raises."""

        async def started() -> Any:
            return await call()

        future = asyncio.run_coroutine_threadsafe(started(), self._loop)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), timeout)
        except asyncio.TimeoutError:
            # A cancelled wait cannot end a blocking call: stop the old loop whenever it comes back.
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._loop = self._start()
            self.abandoned += 1
            raise

    def close(self) -> None:
        """Let the thread end."""
        self._loop.call_soon_threadsafe(self._loop.stop)


class InProcessEndpoint(EndpointConfig):
    """An ``action_endpoint`` without HTTP. What goes in and out passes through JSON, as it would on the wire."""

    def __init__(self, actions: Mapping[str, Action], timeout: float) -> None:
        """``timeout`` is the time in seconds that one action may take."""
        # Rasa would otherwise build the whole domain as a dict for every call; it is handed over once (``domain``).
        super().__init__(url="inprocess", enable_selective_domain=True)
        self._actions = dict(actions)
        self._timeout = timeout
        self._thread = ActionThread()
        self.domain: dict[str, Any] = {}

    @property
    def names(self) -> frozenset[str]:
        """The names of the actions that can run."""
        return frozenset(self._actions)

    def close(self) -> None:
        """Let the thread of the actions end."""
        self._thread.close()

    async def request(self, *args: Any, **kwargs: Any) -> Any:
        """Run the action of Rasa's request ``json`` and return ``{"events": [...], "responses": [...]}``.

        Raises ``ActionFailed`` (and records it), or ``ClientResponseError`` 400 when the action rejects, as the SDK's server does.
        """
        call = kwargs["json"]
        name = str(call["next_action"])
        record = current_turn.get()
        try:
            return await self._run(name, call, record)
        except ActionExecutionRejection as rejection:
            body = json.dumps({"action_name": rejection.action_name, "error": "rejected"})
            raise ClientResponseError(400, "rejected", body) from None
        except ActionFailed as error:
            if record is not None:
                record.fail(str(error))
            raise

    async def _run(self, name: str, call: dict[str, Any], record: TurnRecord | None) -> Any:
        action = self._actions.get(name)
        if action is None:
            raise ActionFailed(f"action:{name}:missing")
        timeout = self._timeout if record is None else max(0.0, min(self._timeout, record.deadline - time.monotonic()))
        try:
            tracker = Tracker.from_dict(json.loads(json.dumps(call["tracker"])))
            dispatcher = CollectingDispatcher()
            events = await self._thread.run(lambda: call_potential_coroutine(action.run(dispatcher, tracker, self.domain)), timeout)
        except ActionExecutionRejection:
            raise
        except asyncio.TimeoutError:
            raise ActionFailed(f"action:{name}:timeout") from None
        except Exception as error:
            raise ActionFailed(f"action:{name}:{type(error).__name__}") from error
        return _checked(name, events, dispatcher.messages)


def _checked(name: str, events: Any, messages: list[dict[str, Any]]) -> dict[str, Any]:
    # The SDK's own executor drops malformed events with a log line and goes on; here they void the turn.
    try:
        answer: dict[str, Any] = json.loads(json.dumps({"events": [] if events is None else events, "responses": messages}))
        sound = _sound(answer)
    except (TypeError, ValueError, RecursionError):
        sound = False
    if not sound:
        raise ActionFailed(f"action:{name}:nonsense")
    return answer
