"""Takes what is due on one channel to its provider, in order within a conversation, and notes what became of each message."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import dataclass
from typing import Protocol

from starlette.concurrency import run_in_threadpool

from bot import logs, mailbox, points
from bot.mailbox import Changes, Topic, outbox
from bot.mailbox.outbox import CLAIM_SECONDS, Outgoing
from bot.model import Channel, SendState
from bot.storage import StorageUnavailable, Store
from bot.storage.chores import Chore

_log = logs.get_logger("sender")

AT_ONCE = 20
_LOOK_SECONDS = 0.5
_AWAY_SECONDS = 0.5
ATTEMPT_SECONDS = CLAIM_SECONDS - 2.0
"""One attempt, asking included, ends before its claim does."""


class SendError(Exception):
    """A message was not sent, or that is not known. ``reason`` is a short code for staff and programs."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class RetryLater(SendError):
    """The provider surely does not have it; try again ``after`` seconds, or after a growing pause."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


class RetryNever(SendError):
    """The provider will never take it: blocked, no such address, not allowed."""


class SendUnknown(SendError):
    """The request left and no answer came: the provider may have it."""


@dataclass(frozen=True)
class Sent:
    """The provider has it, under its own ``reference``."""

    reference: str


class Provider(Protocol):
    """One channel's provider, seen from the sender."""

    channel: Channel

    async def send(self, message: Outgoing) -> Sent:
        """Send one message. Raises a :class:`SendError`; anything else counts as :class:`SendUnknown`."""
        ...

    async def find(self, message: Outgoing) -> Sent | None:
        """Ask the provider whether it has a doubtful message; ``None``: it surely has not. Raises :class:`SendUnknown` where it cannot be asked."""
        ...

    async def do(self, chore: Chore) -> None:
        """Delete or redact. Raises :class:`RetryLater`, or :class:`RetryNever` where it can never be done."""
        ...


class Sender:
    """One channel's sender, for as long as the process lives. Conversations go side by side, each in its own order."""

    def __init__(self, store: Store, provider: Provider, owner: str) -> None:
        self._store = store
        self._provider = provider
        self._owner = owner
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Send until cancelled. A store that is away is waited for."""
        changes: Changes | None = None
        chores = asyncio.create_task(self._chores())
        try:
            while True:
                try:
                    if changes is None:
                        changes = Changes(self._store, Topic.OUTGOING)
                    if not await self.step():
                        await self._wait(changes)
                except (StorageUnavailable, sqlite3.Error) as error:
                    _log.warning("sending_paused", error=type(error).__name__)
                    await asyncio.sleep(_AWAY_SECONDS)
        finally:
            chores.cancel()
            await self.drain()
            if changes is not None:
                changes.close()

    async def step(self) -> bool:
        """Take what is due, as far as hands are free; whether there was anything."""
        free = AT_ONCE - len(self._under_way)
        if free <= 0:
            await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
            return True
        due = await run_in_threadpool(outbox.due, self._store, self._provider.channel, self._owner, free)
        for message in due:
            points.reach("send.claimed")
            task = asyncio.create_task(self._one(message))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        return bool(due)

    async def drain(self) -> None:
        """Wait for what is under way."""
        if self._under_way:
            await asyncio.wait(set(self._under_way), timeout=CLAIM_SECONDS)

    async def _wait(self, changes: Changes) -> None:
        """Until something was committed, one of ours is done, or it is time to look anyway."""
        end = asyncio.get_running_loop().time() + _LOOK_SECONDS
        while asyncio.get_running_loop().time() < end:
            if changes.changed():
                return
            await asyncio.sleep(changes.interval)

    async def _one(self, message: Outgoing) -> None:
        try:
            state, reference, retry_after, reason = await self._attempt(message)
            points.reach("send.answered")
            kept = await run_in_threadpool(
                outbox.mark, self._store, message, state, provider_id=reference, retry_after=retry_after, reason=reason)
            points.reach("send.marked")
            _log.info("send", conversation=message.conversation_id, channel=message.channel.value, state=state.value, reason=reason or "",
                      attempt=message.attempt, kept=kept)
        except StorageUnavailable:
            _log.warning("mark_failed", conversation=message.conversation_id)  # its claim lapses: asked about, or sent once more and marked

    async def _attempt(self, message: Outgoing) -> tuple[SendState, str | None, float | None, str | None]:
        try:
            return await asyncio.wait_for(self._ask_or_send(message), ATTEMPT_SECONDS)
        except RetryLater as error:
            return SendState.QUEUED, None, error.after, error.reason
        except RetryNever as error:
            return SendState.FAILED, None, None, error.reason
        except SendUnknown as error:
            return SendState.UNKNOWN, None, None, error.reason
        except asyncio.TimeoutError:
            return SendState.UNKNOWN, None, None, "timeout"
        except Exception:
            _log.error("send_failed", conversation=message.conversation_id, exc_info=True)
            return SendState.UNKNOWN, None, None, "error"

    async def _ask_or_send(self, message: Outgoing) -> tuple[SendState, str | None, float | None, str | None]:
        if message.doubtful:
            try:
                found = await self._provider.find(message)
            except SendUnknown:
                if message.author.value != "bot":
                    raise
                found = None  # a bot's reply goes once more, marked
            if found is not None:
                return SendState.SENT, found.reference, None, None
        sent = await self._provider.send(message)
        return SendState.SENT, sent.reference, None, None

    async def _chores(self) -> None:
        """Deleting and redacting, behind the sending."""
        while True:
            try:
                owed = await run_in_threadpool(mailbox.owed, self._store, self._provider.channel)
                for chore in owed:
                    await self._do(chore)
            except (StorageUnavailable, sqlite3.Error) as error:
                _log.warning("chores_paused", error=type(error).__name__)
            await asyncio.sleep(_LOOK_SECONDS)

    async def _do(self, chore: Chore) -> None:
        try:
            await asyncio.wait_for(self._provider.do(chore), ATTEMPT_SECONDS)
        except RetryNever as error:
            _log.warning("chore_impossible", kind=chore.kind, reason=error.reason)
        except RetryLater as error:
            await run_in_threadpool(mailbox.off, self._store, chore, error.after)
            return
        except Exception:
            _log.error("chore_failed", kind=chore.kind, exc_info=True)
            await run_in_threadpool(mailbox.off, self._store, chore)
            return
        await run_in_threadpool(mailbox.settled, self._store, chore)
