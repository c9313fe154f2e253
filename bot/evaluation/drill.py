"""``helpline drill``: real processes, many messages, a provider on a bad day, and kills at named points; then everything is counted."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from bot import mailbox, settings
from bot.evaluation.drill_child import VARIABLE
from bot.evaluation.drill_count import Report, count
from bot.evaluation.drill_lines import LINES, Line
from bot.evaluation.drill_stand_in import StandIn
from bot.storage import StorageUnavailable, Store, open_store
from bot.vault import SecretKeys

ROOT = Path(__file__).resolve().parents[2]
DRAIN_SECONDS = 120.0
_REPEATED = 0.02
_POINTS = {
    "web": ("receive.stored", "receive.committed"),
    "engine": ("take.held", "take.committed", "turn.ran", "commit.written", "commit.committed"),
    "sender": ("send.claimed", "send.answered", "send.marked"),
}


class DrillError(Exception):
    """The drill cannot be held; the message says why."""


@dataclass(frozen=True)
class Plan:
    """What is drilled. ``echo``: engines without Rasa. ``rounds``: how often each point kills. ``per_second``: pace of the input, 0: as fast as it goes.

    ``database`` empty: SQLite in a folder that is thrown away; else the URL of an empty database.
    """

    messages: int = 1000
    people: int = 50
    engines: int = 2
    senders: int = 2
    seed: int = 0
    rounds: int = 1
    per_second: float = 0.0
    echo: bool = True
    line: str = "web"
    database: str = ""


@dataclass
class _Process:
    """One child, and the points that still wait for it and its successors."""

    kind: str
    command: tuple[str, ...]
    points: list[str] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None
    armed: str = ""


class Drill:
    """One drill: :meth:`hold` it once."""

    def __init__(self, plan: Plan, say: Callable[[str], None]) -> None:
        self._plan, self._say = plan, say
        self._random = random.Random(plan.seed)  # noqa: S311 - a schedule, not a secret
        self._line: Line = LINES[plan.line]()
        self._stand_in = StandIn(plan.seed)
        self._kills: list[tuple[float, str]] = []
        self._accepted: dict[str, float] = {}
        self._folder = Path(tempfile.mkdtemp(prefix="helpline-drill-"))
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = int(probe.getsockname()[1])
        ours = {
            "HELPLINE_VAR": str(self._folder), "HELPLINE_DATABASE_URL": plan.database, "HELPLINE_SECRET_KEYS": SecretKeys.generate(),
            "HELPLINE_PORT": str(self._port), "HELPLINE_BURST_SECONDS": "0", "HELPLINE_FLOOD_PER_MINUTE": "0", "HELPLINE_RATE_PER_SECOND": "0",
            "HELPLINE_LOG_LEVEL": "error", **self._line.environ(self._stand_in.root),
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith(settings.PREFIX) or name == "HELPLINE_MODEL"}
        self._environ = {**kept, **ours}
        self._settings = settings.load(self._environ)

    def hold(self) -> Report:
        """Run it to its end. Raises :class:`DrillError`."""
        self._say(f"seed {self._plan.seed}: {self._plan.messages} messages of {self._plan.people} people")
        store = open_store(self._settings)
        try:
            store.migrate()
            store.check()
            if next(mailbox.audit.talks(store), None) is not None:
                raise DrillError("the database is not empty; give the drill one of its own")
            self._stand_in.start()
            return asyncio.run(self._run(store))
        finally:
            self._stand_in.stop()
            store.close()
            shutil.rmtree(self._folder, ignore_errors=True)

    async def _run(self, store: Store) -> Report:
        began = time.monotonic()
        with self._processes() as children:
            keeper = asyncio.create_task(self._keep(children))
            try:
                await self._open()
                began = time.monotonic()
                await self._write()
                self._say(f"all accepted after {time.monotonic() - began:.1f} s; draining")
                self._stand_in.calm()
                await self._drained(store)
            finally:
                keeper.cancel()
                await asyncio.gather(keeper, return_exceptions=True)
        return count(self._plan.seed, list(mailbox.audit.talks(store)), self._accepted, self._stand_in.deliveries, self._stand_in.met, self._kills, began, echo=self._plan.echo)

    # --- processes

    @contextmanager
    def _processes(self) -> Iterator[list[_Process]]:
        plan, me = self._plan, (sys.executable, "-m", "bot.evaluation.drill_child")
        engine = (*me, "echo") if plan.echo else (*me, "engine")
        children = [_Process("web", (*me, "web")), *(_Process("engine", engine) for _ in range(plan.engines))]
        if not self._line.own_sender:
            children += [_Process("sender", (*me, "sender", self._stand_in.root, plan.line)) for _ in range(plan.senders)]
        for kind, names in _POINTS.items():
            mine = [child for child in children if child.kind == kind] or children[:1]
            points = [name for name in names for _ in range(plan.rounds)]
            self._random.shuffle(points)
            for number, point in enumerate(points):
                mine[number % len(mine)].points.append(point)
        try:
            for child in children:
                self._start(child)
            yield children
        finally:
            for child in children:
                if child.process is not None:
                    child.process.terminate()
            for child in children:
                if child.process is not None:
                    try:
                        child.process.wait(20)
                    except subprocess.TimeoutExpired:
                        child.process.kill()
                        child.process.wait()

    def _start(self, child: _Process) -> None:
        environ = dict(self._environ)
        if child.points:
            # spread over the drill, with some to spare: a turn may take several messages at once
            share = max(1, self._plan.messages // (4 * (len(child.points) + 1) * max(self._plan.engines, self._plan.senders)))
            environ[VARIABLE] = f"{child.points.pop(0)}:{self._random.randint(1, share)}"
        with (self._folder / f"{child.kind}.log").open("ab") as log:
            child.process = subprocess.Popen(child.command, cwd=ROOT, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)  # noqa: S603
        child.armed = environ.get(VARIABLE, "").split(":")[0]

    async def _keep(self, children: list[_Process]) -> None:
        """Start again whoever fell, as a supervisor does, and note when it was."""
        while True:
            for child in children:
                assert child.process is not None
                code = child.process.poll()
                if code is not None:
                    self._kills.append((time.monotonic(), child.armed if code == -9 and child.armed else f"{child.kind} ended with {code}"))
                    self._start(child)
            await asyncio.sleep(0.02)

    # --- people

    async def _open(self) -> None:
        async with httpx.AsyncClient() as client:
            end = time.monotonic() + 60
            while time.monotonic() < end:
                try:
                    if (await client.get(f"http://127.0.0.1:{self._port}/healthz")).status_code == 200:
                        return
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
        raise DrillError("the doors did not open")

    async def _write(self) -> None:
        plan = self._plan
        own: list[list[int]] = [[] for _ in range(plan.people)]
        for number in range(plan.messages):
            own[number % plan.people].append(number)
        limits = httpx.Limits(max_connections=min(plan.people, 64))
        began = time.monotonic()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self._port}", limits=limits, timeout=20) as client:
            await asyncio.gather(*(self._person(client, person, numbers, began) for person, numbers in enumerate(own)))

    async def _person(self, client: httpx.AsyncClient, person: int, numbers: list[int], began: float) -> None:
        for number in numbers:
            if self._plan.per_second:
                await asyncio.sleep(max(0.0, began + number / self._plan.per_second - time.monotonic()))
            tag = f"m{number:07}"
            await self._deliver(client, person, number, tag)
            self._accepted[tag] = time.monotonic()
            if self._random.random() < _REPEATED:
                await self._deliver(client, person, number, tag)

    async def _deliver(self, client: httpx.AsyncClient, person: int, number: int, tag: str) -> None:
        """As a provider does: again and again, until it is accepted."""
        request = self._line.request(person, number + 1, tag)
        end = time.monotonic() + DRAIN_SECONDS
        while time.monotonic() < end:
            try:
                if (await client.post(request.path, headers=request.headers, json=request.body)).status_code < 300:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)
        raise DrillError("the doors no longer accept")

    async def _drained(self, store: Store) -> None:
        end = time.monotonic() + DRAIN_SECONDS
        while time.monotonic() < end:
            try:
                found = await asyncio.get_running_loop().run_in_executor(None, mailbox.figures, store)
                if not found.waiting and not found.outgoing.get("queued") and not found.outgoing.get("sending"):
                    return
            except StorageUnavailable:
                pass
            await asyncio.sleep(0.2)
        self._say("not everything was done in time")
