"""The engine's loop: take a conversation that nobody holds, run its turn, commit; one at a time, until told to stop.

A turn that raises is tried again with a pause; the third time its message is set aside, the person gets the safe phrase
and staff an entry in ``attention``, so that later messages flow. Nothing here sends: replies are rows of the mailbox.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from bot import logs, mailbox, points
from bot.clock import Clock, SystemClock
from bot.engine.limits import ALWAYS_ANSWERED, must_be_answered
from bot.mailbox import Changes, LeaseLost, Topic, Turn, TurnOutcome
from bot.model import Danger, Flood, MessageKind, Reply, StoredMessage, Understanding
from bot.storage import StorageUnavailable, Store

MAX_FAILURES = 3
# Turns begun for a message that neither ended nor raised: each of these took its process with it.
MAX_ATTEMPTS = 6
BEAT_SECONDS = 2.5
STUCK_SECONDS = 45.0
IDLE_SECONDS = 0.5
BURST_POLL_SECONDS = 0.1
TIDY_SECONDS = 5.0
AWAY_SECONDS = 0.5
# While many wait: so long between two looks through them for danger, and so long for one look at most.
LOOK_SECONDS = 0.25
GRADE_SECONDS = 0.25

_log = logs.get_logger("engine")


class HasOutcome(Protocol):
    """What a turn came to."""

    @property
    def outcome(self) -> TurnOutcome:
        """Everything to commit."""
        ...


class RunsTurns(Protocol):
    """What the loop needs of the turn engine (``bot.engine.turn.TurnEngine``)."""

    async def run(self, turn: Turn) -> HasOutcome:
        """Return everything that the turn changes. May raise; then nothing of the turn is kept."""
        ...


class Worker:
    """One engine process's loop. ``safe`` makes the replies of a turn that was given up; ``grade`` says how a fragment sounds."""

    def __init__(
        self,
        store: Store,
        engine: RunsTurns,
        *,
        owner: str,
        lease_seconds: float,
        burst_seconds: float,
        safe: Callable[[Turn], tuple[Reply, ...]],
        grade: Callable[[str], Understanding] | None = None,
        clock: Clock | None = None,
        backlog: int = 200,
    ) -> None:
        """``owner`` names this process in leases; ``burst_seconds`` is how long SMS and Telegram wait for the rest of a burst. When more than
        ``backlog`` messages wait, danger goes first."""
        self._store = store
        self._engine = engine
        self._owner = owner
        self._lease_seconds = lease_seconds
        self._burst_seconds = burst_seconds
        self._safe = safe
        self._grade = grade
        self._clock = clock if clock is not None else SystemClock()
        self._loop = asyncio.new_event_loop()
        self._stop = threading.Event()
        self._backlog = backlog
        self._graded: set[int] = set()
        self._crowded = False
        self._looked = 0.0
        self._tidied = self._clock.monotonic()
        self._worked = time.monotonic()

    def stop(self) -> None:
        """Ask the loop to end after the turn under way; safe in a signal handler."""
        self._stop.set()

    def close(self) -> None:
        """Free the event loop."""
        self._loop.close()

    def forever(self) -> None:
        """Work until ``stop``; a database that is away is waited for."""
        changes = Changes(self._store, Topic.MESSAGES)
        try:
            with self._beating():
                while not self._stop.is_set():
                    self._worked = time.monotonic()
                    try:
                        if not self.step():
                            self._tidy()
                            changes.wait(BURST_POLL_SECONDS if self._burst_seconds else IDLE_SECONDS)
                    except StorageUnavailable:
                        _log.warning("storage_away")
                        self._stop.wait(AWAY_SECONDS)
        finally:
            changes.close()

    def step(self) -> bool:
        """Run one turn if there is one; say whether there was. Raises ``StorageUnavailable``."""
        self._hurry_urgent()
        turn = mailbox.take(self._store, self._owner, self._lease_seconds, self._burst_seconds)
        if turn is None:
            return False
        started = time.monotonic()
        try:
            state = self._run(turn)
        except LeaseLost:
            # Another engine has it, or it was erased: what this one made of it is dropped.
            state = "lease_lost"
        _log.info("turn", conversation=turn.conversation_id, state=state, count=len(turn.messages), ms=round((time.monotonic() - started) * 1000))
        return True

    def _run(self, turn: Turn) -> str:
        if turn.failures >= MAX_FAILURES or turn.attempts > MAX_ATTEMPTS:
            return self._give_up(turn, "crash" if turn.failures < MAX_FAILURES else "failed")
        try:
            with self._renewing(turn):
                result = self._loop.run_until_complete(self._engine.run(turn))
            points.reach("turn.ran")
            mailbox.commit(self._store, turn, result.outcome)
        except (LeaseLost, StorageUnavailable):
            raise
        except Exception:
            _log.error("turn_failed", conversation=turn.conversation_id, attempt=turn.failures + 1, exc_info=True)
            if turn.failures + 1 >= MAX_FAILURES:
                return self._give_up(turn, "failed")
            mailbox.fail(self._store, turn)
            return "failed"
        return "committed"

    def _give_up(self, turn: Turn, reason: str) -> str:
        try:
            replies = self._safe(turn)
        except Exception:
            _log.error("safe_phrase_failed", conversation=turn.conversation_id, exc_info=True)
            replies = ()
        mailbox.set_aside(self._store, turn, reason, replies)
        return "set_aside"

    def _hurry_urgent(self) -> None:
        """A fragment that sounds like danger now does not wait for the rest of its burst; while many wait, or one sender floods, whoever is
        in danger, asks for silence or for a person goes before all others."""
        if self._grade is None or (self._crowded and time.monotonic() - self._looked < LOOK_SECONDS):
            return
        end = time.monotonic() + GRADE_SECONDS
        while True:
            found = mailbox.ungraded(self._store, self._graded, bursts=bool(self._burst_seconds), backlog=self._backlog)
            self._graded &= found.waiting
            self._crowded, self._looked = found.crowded, time.monotonic()
            for fragments in found.fragments:
                self._graded.update(message.id for message in fragments.messages)
                if any(self._is_urgent(message, found.crowded) for message in fragments.messages):
                    mailbox.hurry(self._store, fragments.conversation_id)
            if not found.fragments or time.monotonic() >= end:
                return

    def _is_urgent(self, message: StoredMessage, crowded: bool) -> bool:
        assert self._grade is not None
        if message.kind is MessageKind.LOCATION or message.button in ALWAYS_ANSWERED:
            return True
        if message.kind is MessageKind.BUTTON or not message.text:
            return False
        try:
            read = self._grade(message.text)
        except Exception:
            _log.error("grading_failed", exc_info=True)
            return True  # when it cannot be told, it does not wait
        if crowded or message.flood is not Flood.WITHIN:
            return must_be_answered(read.intent, read.danger)
        return read.danger is Danger.NOW

    def _tidy(self) -> None:
        if self._clock.monotonic() - self._tidied >= TIDY_SECONDS:
            self._tidied = self._clock.monotonic()
            mailbox.outbox.expire(self._store)
            self._store.scrub_if_due()

    @contextmanager
    def _renewing(self, turn: Turn) -> Iterator[None]:
        """Keep the lease in a thread while the turn runs, however long it takes."""
        done = threading.Event()

        def keep() -> None:
            while not done.wait(self._lease_seconds / 3):
                try:
                    mailbox.renew(self._store, turn)
                except LeaseLost:
                    return  # the commit will find out
                except StorageUnavailable:
                    _log.warning("storage_away")

        thread = threading.Thread(target=keep, name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    @contextmanager
    def _beating(self) -> Iterator[None]:
        """Tell the doors that this engine works, as long as its loop moves."""
        done = threading.Event()

        def beat() -> None:
            while True:
                if time.monotonic() - self._worked < STUCK_SECONDS:
                    try:
                        mailbox.beat(self._store, "engine", self._owner)
                    except StorageUnavailable:
                        pass  # the loop says so
                if done.wait(BEAT_SECONDS):
                    return

        thread = threading.Thread(target=beat, name="beat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            try:
                mailbox.stop_beating(self._store, "engine", self._owner)
            except StorageUnavailable:
                pass  # the beat grows old by itself
