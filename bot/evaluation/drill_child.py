"""The drill's children: ``python -m bot.evaluation.drill_child web|engine|echo|sender``.

``web`` and ``engine`` are the real commands, started as a person starts them. What makes them a drill's is the environment variable
``HELPLINE_DRILL_POINTS`` (``name:count,…``), read here and nowhere else: the process kills itself when it reaches that point for the
count-th time. In service this module does not run.
"""

from __future__ import annotations

import asyncio
import os
import runpy
import signal
import sys
from collections import Counter
from dataclasses import dataclass
from types import FrameType

from bot import logs, points, settings
from bot.channels.sending import Sender
from bot.engine.worker import Worker
from bot.evaluation.drill_lines import LINES, BotApi
from bot.mailbox import Turn, TurnOutcome
from bot.model import Reply
from bot.storage import open_store

VARIABLE = "HELPLINE_DRILL_POINTS"


def deadly_points(text: str) -> dict[str, int]:
    """``name:count,…`` as a table. Raises ``ValueError`` for a name that is not among :data:`bot.points.POINTS`."""
    found = {}
    for part in filter(None, text.split(",")):
        name, _, count = part.partition(":")
        if name not in points.POINTS:
            raise ValueError(f"no such point: {name}")
        found[name] = int(count or 1)
    return found


def arm(text: str) -> None:
    """Kill this process at the points that ``text`` names."""
    deadly = deadly_points(text)
    reached: Counter[str] = Counter()

    def hook(name: str) -> None:
        reached[name] += 1
        if reached[name] == deadly.get(name):
            os.kill(os.getpid(), signal.SIGKILL)

    points.install(hook if deadly else None)


@dataclass(frozen=True)
class _Answer:
    outcome: TurnOutcome


class Echo:
    """An engine without Rasa: each message is answered with its own text."""

    def __init__(self, seconds: float = 0.0) -> None:
        """``seconds``: how long a turn takes."""
        self._seconds = seconds

    async def run(self, turn: Turn) -> _Answer:
        await asyncio.sleep(self._seconds)
        return _Answer(TurnOutcome(turn.state, tuple(Reply(message.text) for message in turn.messages)))


def echo(loaded: settings.Settings, seconds: float) -> None:
    """The engine's loop around :class:`Echo`, ended by SIGTERM as the real one is."""
    store = open_store(loaded)
    worker = Worker(store, Echo(seconds), owner=f"echo-{os.getpid()}", lease_seconds=loaded.lease_seconds, burst_seconds=loaded.burst_seconds,
                    safe=lambda turn: ())

    def stop(_number: int, _frame: FrameType | None) -> None:
        worker.stop()

    signal.signal(signal.SIGTERM, stop)
    try:
        worker.forever()
    finally:
        worker.close()
        store.close()


async def _send(loaded: settings.Settings, root: str, line: str) -> None:
    store = open_store(loaded)
    sender = asyncio.create_task(Sender(store, BotApi(root, LINES[line].channel), f"sender-{os.getpid()}").run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, sender.cancel)
    try:
        await sender
    except asyncio.CancelledError:
        pass  # told to end: what was under way is done
    finally:
        store.close()


def main(arguments: list[str]) -> None:
    """Be the child that ``arguments`` name."""
    arm(os.environ.pop(VARIABLE, ""))
    kind = arguments[0]
    if kind in ("web", "engine"):
        sys.argv = ["helpline", kind]
        runpy.run_module("bot", run_name="__main__")
        return
    loaded = settings.load(os.environ)
    logs.configure("error")
    if kind == "echo":
        echo(loaded, float(arguments[1]) if len(arguments) > 1 else 0.0)
    elif kind == "sender":
        asyncio.run(_send(loaded, arguments[1], arguments[2]))
    else:
        raise SystemExit(f"no such child: {kind}")


if __name__ == "__main__":
    main(sys.argv[1:])
