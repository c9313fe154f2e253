"""``helpline run``: doors and engine as two child processes on one machine, each started again when it dies."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from types import FrameType

from bot import logs
from bot.mailbox import alive
from bot.settings import Settings
from bot.storage import StorageUnavailable, Store, open_store
from bot.web import channels
from bot.web.run import listen

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
    environ: dict[str, str] = field(default_factory=dict)

    def start(self) -> None:
        # a session of its own: Ctrl-C reaches this process, which tells the children in order
        environ = {**os.environ, **self.environ}
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, start_new_session=True, env=environ, preexec_fn=_end_with_parent)  # noqa: S603
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


def _end_with_parent() -> None:
    """Runs in the child: when the supervisor is killed outright, Linux tells the child to end too (``prctl(PR_SET_PDEATHSIG)``)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def children() -> tuple[Child, ...]:
    """The doors first: they accept while the engine loads."""
    return tuple(Child(name, (sys.executable, "-m", "bot", name)) for name in ("web", "engine"))


def supervise(settings: Settings, parts: tuple[Child, ...] | None = None) -> None:
    """Bring the store up to date, start the parts, print where people write, and keep both alive until SIGTERM or SIGINT.

    Then they finish what they hold; whoever has not ended after 20 s is killed (nothing is lost by that). Raises ``SettingsError`` and
    ``StorageUnusable`` before it begins.
    """
    channels.demand(settings)
    store = open_store(settings)
    store.migrate()
    store.check()
    with contextlib.closing(listen(settings)) as free:  # a taken port is told here, and 0 becomes a number that both can know
        settings = replace(settings, port=free.getsockname()[1])
    stopping = told = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    parts = children() if parts is None else parts
    try:
        for part in parts:
            part.environ["HELPLINE_PORT"] = str(settings.port)
            part.start()
        say(f"The chat page: {settings.address}/")
        say("The engine is loading (10 to 20 s); messages wait until then. Ctrl-C ends it.")
        while not stopping:
            time.sleep(_LOOK_SECONDS)
            for part in parts:
                part.look()
            if not told and _engine_works(store):
                told = True
                say("Ready.")
    finally:
        _end(parts)
        store.close()
        for number, handler in before.items():
            signal.signal(number, handler)


def _engine_works(store: Store) -> bool:
    try:
        return alive(store, "engine")
    except StorageUnavailable:
        return False


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
