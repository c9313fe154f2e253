"""``helpline converse``: whole turns through the real engine and a real mailbox, on a store that is thrown away."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from bot import logs, mailbox
from bot.clock import SystemClock
from bot.engine.acts import FALLBACK
from bot.engine.converse_lines import BadLine, optional_text, text_of
from bot.engine.language import DEFAULT
from bot.engine.turn import TurnResult
from bot.engine.worker_parts import ROOT, Parts, assemble, quieten
from bot.mailbox import Committed, Turn
from bot.model import Channel, Danger, Flag, Incoming, MessageKind, Reply
from bot.settings import Settings
from bot.storage import Limits, Store
from bot.vault import SecretKeys, Vault

_CHANNELS = {channel.value: channel for channel in Channel}
_LEASE_SECONDS = 15.0
# Readers of a line may rely on an intent of the contract; this one says that nothing was understood.
_NOTHING_UNDERSTOOD = "out_of_scope"


@dataclass(frozen=True)
class Answered:
    """One turn as `converse` and `chat` show it. ``failed``: the turn was given up and the safe phrase said."""

    replies: tuple[Reply, ...]
    language: str
    intent: str
    danger: Danger
    flags: frozenset[Flag]
    committed: Committed
    quiet: bool
    opted_out: bool
    failed: bool = False


class Conversations:
    """Any number of conversations on one throw-away store. A context manager; ``answer`` takes one line's object."""

    def __init__(self, store: Store, parts: Parts) -> None:
        """Use ``open``."""
        self._store = store
        self._parts = parts
        self._loop = asyncio.new_event_loop()
        self._numbers = itertools.count(1)
        self._log = logs.get_logger("converse")

    @classmethod
    def open(cls, settings: Settings, progress: Callable[[str], None]) -> Conversations:
        """Load the engine (10 to 20 s). Raises ``ModelError`` with what to do."""
        clock = SystemClock()
        parts = asyncio.run(assemble(ROOT, settings, clock, progress))
        quieten(settings)
        vault = Vault(SecretKeys.parse(SecretKeys.generate()))
        limits = dataclasses.replace(Limits.of(settings), flood_per_minute=0)
        return cls(Store.throwaway(vault, clock, limits), parts)

    def __enter__(self) -> Conversations:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._store.close()
        self._parts.dialogue.close()
        self._loop.close()

    def answer(self, row: dict[str, Any]) -> Mapping[str, Any]:
        """One line of `helpline converse`. Raises ``BadLine``."""
        conversation = row.get("conversation")
        if not isinstance(conversation, (str, int)) or isinstance(conversation, bool):
            raise BadLine('"conversation" must be a string' if "conversation" in row else '"conversation" is missing')
        channel = _CHANNELS.get(text_of(row, "channel"))
        if channel is None:
            raise BadLine(f'"channel" must be one of: {", ".join(_CHANNELS)}')
        button, text = optional_text(row, "button"), optional_text(row, "text")
        if button is None and text is None:
            raise BadLine('"text" or "button" is missing')
        if button is not None and text:
            raise BadLine('"text" and "button" cannot both be given')
        said = self.say(f"{type(conversation).__name__}:{conversation}", channel, text or "", button, optional_text(row, "locale"))
        handoff = said.committed.handoff
        return {
            "conversation": conversation,
            "replies": [_reply(reply) for reply in said.replies],
            "language": said.language,
            "intent": said.intent,
            "danger": said.danger.value,
            "flags": sorted(flag.value for flag in said.flags),
            "handoff": None if handoff is None else {"state": handoff.state.value, "priority": int(handoff.priority)},
            "quiet": said.quiet,
            "opted_out": said.opted_out,
        }

    def say(self, address: str, channel: Channel, text: str, button: str | None = None, hint: str | None = None) -> Answered:
        """Run one message through mailbox and engine. ``address`` tells conversations apart, each within its channel."""
        kind = MessageKind.TEXT if button is None else MessageKind.BUTTON
        received = mailbox.receive(self._store, Incoming(channel, address, f"line-{next(self._numbers)}", kind, text, button, hint))
        turn = mailbox.take(self._store, "converse", _LEASE_SECONDS, conversation_id=received.conversation_id)
        if turn is None:
            raise RuntimeError("a message that was just stored waits for nobody")
        try:
            result: TurnResult = self._loop.run_until_complete(self._parts.engine.run(turn))
            committed = mailbox.commit(self._store, turn, result.outcome)
        except Exception:
            self._log.error("turn_failed", exc_info=True)
            return self._given_up(turn)
        outcome = result.outcome
        quiet = not outcome.erase and outcome.state.quiet_since is not None
        return Answered(
            replies=() if quiet else outcome.replies,
            language=result.language,
            intent=_intent(result),
            danger=result.act.danger if result.act else Danger.NONE,
            flags=result.act.flags if result.act else frozenset(),
            committed=committed,
            quiet=quiet,
            opted_out=not outcome.erase and outcome.state.opted_out_at is not None,
        )

    def _given_up(self, turn: Turn) -> Answered:
        replies = self._parts.safe(turn)
        committed = mailbox.set_aside(self._store, turn, "failed", replies)
        state = turn.state
        return Answered(
            replies=replies,
            language=state.language or DEFAULT,
            intent=_NOTHING_UNDERSTOOD,
            danger=Danger.NONE,
            flags=frozenset(),
            committed=committed,
            quiet=state.quiet_since is not None,
            opted_out=state.opted_out_at is not None,
            failed=True,
        )


def _intent(result: TurnResult) -> str:
    """What the message meant in its conversation: an option's intent, the answer's, else what was understood."""
    act, read = result.act, result.read
    if act is not None and act.intent != FALLBACK and act.kind in (MessageKind.TEXT, MessageKind.BUTTON):
        return act.intent
    return read.intent if read is not None else _NOTHING_UNDERSTOOD


def _reply(reply: Reply) -> dict[str, Any]:
    buttons = [{"label": button.label, "id": button.id} for button in reply.buttons]
    return {"text": reply.text, "buttons": buttons, "segments": reply.segments}
