"""``helpline run``: doors and engine as two child processes on one machine, each started again when it dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from types import FrameType

from bot import logs
from bot.settings import Settings
from bot.storage import open_store

_log = logs.get_logger("supervise")

_LOOK_SECONDS = 0.1
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 30.0
_STEADY_SECONDS = 60.0
DRAIN_SECONDS = 20.0


@dataclass
class Child:
    """One child: its command, its process while it lives, and when it may be started again."""

    name: str
    command: tuple[str, ...]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    pause: float = _FIRST_PAUSE
    not_before: float = 0.0
    falls: int = 0

    def start(self) -> None:
        # a session of its own: Ctrl-C reaches this process, which tells the children in order
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603
        self.started = time.monotonic()

    def look(self) -> None:
        """Start it when it is due; note when it fell. The pause doubles while it falls soon after starting."""
        now = time.monotonic()
        if self.process is None:
            if now >= self.not_before:
                self.start()
            return
        code = self.process.poll()
        if code is None:
            return
        if now - self.started >= _STEADY_SECONDS:
            self.pause = _FIRST_PAUSE
        self.falls += 1
        _log.error("child_fell", process=self.name, status=code, seconds=round(self.pause, 1))
        self.process, self.not_before = None, now + self.pause
        self.pause = min(self.pause * 2, _LONGEST_PAUSE)

    def tell(self, number: int) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)


def children() -> tuple[Child, ...]:
    """The doors first: they accept while the engine loads."""
    return tuple(Child(name, (sys.executable, "-m", "bot", name)) for name in ("web", "engine"))


def supervise(settings: Settings, parts: tuple[Child, ...] | None = None) -> None:
    """Bring the store up to date, start the parts, print where people write, and keep both alive until SIGTERM or SIGINT.

    Then they finish what they hold; whoever has not ended after 20 s is killed (nothing is lost by that). Raises ``SettingsError`` and
    ``StorageUnusable`` before it begins.
    """
    store = open_store(settings)
    store.migrate()
    store.check()
    store.close()
    stopping = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    parts = children() if parts is None else parts
    try:
        for part in parts:
            part.start()
        say(f"The chat page: {settings.address}/")
        say("Ready when the engine has loaded (10 to 20 s); messages wait until then. Ctrl-C ends it.")
        while not stopping:
            time.sleep(_LOOK_SECONDS)
            for part in parts:
                part.look()
    finally:
        _end(parts)
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(parts: tuple[Child, ...]) -> None:
    for part in parts:
        part.tell(signal.SIGTERM)
    end = time.monotonic() + DRAIN_SECONDS
    for part in parts:
        if part.process is None:
            continue
        try:
            part.process.wait(max(0.1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            _log.error("child_killed", process=part.name)
            part.tell(signal.SIGKILL)
            part.process.wait()


def say(line: str) -> None:
    """One line for the operator, on standard output at once."""
    os.write(1, (line + "\n").encode())
