"""``helpline bench``: how quick the real processes are on this machine, and how that compares with a stock Rasa server on the same messages.

Figures are taken in one run, so that their ratios mean something on a machine of any speed. The provider is a stand-in on loopback.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx

from bot import mailbox, settings
from bot.evaluation.drill_lines import LINES, Line
from bot.evaluation.drill_stand_in import StandIn
from bot.storage import Store, open_store
from bot.vault import SecretKeys

ROOT = Path(__file__).resolve().parents[2]
OPEN_SECONDS = 120.0
WAITING = 50
"""So many turns wait while the webhook is timed."""


class BenchError(Exception):
    """The bench cannot be run; the message says why."""


@dataclass(frozen=True)
class Spread:
    """Milliseconds."""

    median: float
    p95: float
    p99: float

    @staticmethod
    def of(seconds: Sequence[float]) -> Spread:
        ordered = sorted(value * 1000 for value in seconds)
        at = [round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1) for share in (0.95, 0.99)]
        return Spread(round(statistics.median(ordered), 1), *at)


@dataclass
class Figures:
    """What was measured. ``None``: not asked for. Rates in messages a second, replies sent included; memory in MB."""

    paced: Spread | None = None
    webhook: Spread | None = None
    sustained: float | None = None
    stock: float | None = None
    memory_early: float | None = None
    memory_late: float | None = None
    lost: int = 0
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Processes:
    """The doors, engines and, on the page's line, senders, over a database of their own."""

    def __init__(self, line: str, engines: int, database: str = "") -> None:
        self.line: Line = LINES[line]()
        self.stand_in = StandIn(0)
        self.stand_in.calm()
        self.port = free_port()
        self._name, self._engines = line, engines
        self._folder = Path(tempfile.mkdtemp(prefix="helpline-bench-"))
        kept = {name: value for name, value in os.environ.items() if not name.startswith(settings.PREFIX) or name == "HELPLINE_MODEL"}
        self._environ = {
            **kept, "HELPLINE_VAR": str(self._folder), "HELPLINE_DATABASE_URL": database, "HELPLINE_SECRET_KEYS": SecretKeys.generate(),
            "HELPLINE_PORT": str(self.port), "HELPLINE_BURST_SECONDS": "0", "HELPLINE_FLOOD_PER_MINUTE": "0", "HELPLINE_RATE_PER_SECOND": "0",
            "HELPLINE_LOG_LEVEL": "error", **self.line.environ(self.stand_in.root)}  # fmt: skip
        self.engines: list[subprocess.Popen[bytes]] = []

    @contextmanager
    def running(self) -> Iterator[Store]:
        """Start all, wait until an engine works, end them. Raises :class:`BenchError`."""
        store = open_store(settings.load(self._environ))
        me = (sys.executable, "-m", "bot.evaluation.drill_child")
        started: list[subprocess.Popen[bytes]] = []
        try:
            store.migrate()
            self.stand_in.start()
            started.append(self._start(*me, "web"))
            self.engines = [self._start(*me, "engine") for _ in range(self._engines)]
            started += self.engines
            if not self.line.own_sender:
                started.append(self._start(*me, "sender", self.stand_in.root, self._name))
            self._wait(store)
            yield store
        finally:
            for process in started:
                process.terminate()
            for process in started:
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            self.stand_in.stop()
            store.close()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, cwd=ROOT, env=self._environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603

    def _wait(self, store: Store) -> None:
        end = time.monotonic() + OPEN_SECONDS
        while time.monotonic() < end:
            try:
                if httpx.get(f"http://127.0.0.1:{self.port}/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise BenchError("doors and engine did not become ready; try `helpline check`")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def memory(self) -> float:
        """Of the first engine, MB resident."""
        status = Path(f"/proc/{self.engines[0].pid}/status").read_text(encoding="ascii")
        return round(int(next(row.split()[1] for row in status.splitlines() if row.startswith("VmRSS"))) / 1024, 1)


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def post(client: httpx.AsyncClient, line: Line, person: int, number: int, text: str) -> float:
    """One message; seconds until its answer. Raises :class:`BenchError` where it was not accepted."""
    request = line.request(person, number, text)
    began = time.monotonic()
    answer = await client.post(request.path, headers=request.headers, json=request.body)
    if answer.status_code >= 300:
        raise BenchError(f"the doors answered {answer.status_code}")
    return time.monotonic() - began


async def drained(store: Store, seconds: float = 300.0) -> None:
    """Until everything has an outcome."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = await asyncio.get_running_loop().run_in_executor(None, mailbox.figures, store)
        if not found.waiting and not found.outgoing.get("queued") and not found.outgoing.get("sending"):
            return
        await asyncio.sleep(0.05)
    raise BenchError("not everything was done in time")


async def paced(processes: Processes, store: Store, texts: Sequence[str], per_second: float) -> Spread:
    """From a message accepted to its first reply at the provider, one message every ``1 / per_second`` seconds, each of somebody else."""
    accepted: dict[str, float] = {}
    async with httpx.AsyncClient(base_url=processes.url, timeout=20) as client:

        async def one(person: int, text: str) -> None:
            await post(client, processes.line, person, person + 1, text)
            accepted[processes.line.address(person)] = time.monotonic()

        began = time.monotonic()
        tasks = []
        for person, text in enumerate(texts):
            await asyncio.sleep(max(0.0, began + person / per_second - time.monotonic()))
            tasks.append(asyncio.create_task(one(person, text)))
        await asyncio.gather(*tasks)
    await drained(store)
    first: dict[str, float] = {}
    for delivery in processes.stand_in.deliveries:
        first.setdefault(delivery.address, delivery.at)
    return Spread.of([max(0.0, first[address] - at) for address, at in accepted.items() if address in first])


async def busy_webhook(processes: Processes, store: Store, texts: Sequence[str], first_person: int) -> Spread:
    """How long a webhook takes while :data:`WAITING` turns or more wait for the engine."""
    async with httpx.AsyncClient(base_url=processes.url, timeout=20) as client:
        people = range(first_person, first_person + WAITING)
        await asyncio.gather(*(post(client, processes.line, person, person + 1, texts[person % len(texts)]) for person in people))
        taken: list[float] = []
        person = first_person + WAITING
        while len(taken) < 300:
            waiting = (await asyncio.get_running_loop().run_in_executor(None, mailbox.figures, store)).waiting
            batch = max(1, min(10, WAITING + 5 - waiting))
            for _ in range(batch):
                taken.append(await post(client, processes.line, person, person + 1, texts[person % len(texts)]))
                person += 1
    await drained(store)
    return Spread.of(taken)


async def flat_out(processes: Processes, store: Store, texts: Sequence[str], people: int, connections: int = 16) -> float:
    """Messages a second, from the first post to the last reply, as fast as it goes; each person's in order."""
    began = time.monotonic()
    async with httpx.AsyncClient(base_url=processes.url, timeout=60, limits=httpx.Limits(max_connections=connections)) as client:

        async def write(person: int) -> None:
            for number in range(person, len(texts), people):
                await post(client, processes.line, person, 10_000_000 + number, texts[number])

        await asyncio.gather(*(write(person) for person in range(people)))
    await drained(store)
    return round(len(texts) / (time.monotonic() - began), 1)


def run(
    texts: Sequence[str], say: Callable[[str], None], *, messages: int, engines: int, database: str, memory: int, stock: Callable[[Sequence[str]], float] | None
) -> Figures:
    """All figures. ``database``: URL of an empty PostgreSQL database for the sustained part; none: SQLite. ``memory``: so many messages."""
    found = Figures()
    many = [texts[number % len(texts)] for number in range(max(messages, memory, 600))]
    if not database:
        say("latency at 10 messages a second, over the Telegram door")
        processes = Processes("telegram", 1)
        with processes.running() as store:
            asyncio.run(paced(processes, store, many[:40], 10.0))  # warm
            processes.stand_in.deliveries.clear()
            processes.line = _Shifted(processes.line, 1000)
            found.paced = asyncio.run(paced(processes, store, many[:600], 10.0))
            say(f"  {found.paced}")
            processes.line = _Shifted(LINES["telegram"](), 5000)
            found.webhook = asyncio.run(busy_webhook(processes, store, many, 0))
            say(f"webhook while {WAITING} turns wait: {found.webhook}")
    say(f"sustained, {engines} engine(s), {'PostgreSQL' if database else 'SQLite'}")
    processes = Processes("web", engines, database)
    with processes.running() as store:
        asyncio.run(flat_out(processes, store, many[:60], 20))
        found.sustained = asyncio.run(flat_out(processes, store, many[:messages], max(1, messages // 6)))
        say(f"  {found.sustained} messages a second")
        if memory:
            asyncio.run(flat_out(processes, store, many[: max(0, 1000 - messages - 60)], 100))
            found.memory_early = processes.memory()
            asyncio.run(flat_out(processes, store, many[:memory], 500))
            found.memory_late = processes.memory()
            say(f"memory of an engine: {found.memory_early} MB after 1,000 messages, {found.memory_late} MB after {memory + 1000}")
    if stock is not None:
        say("a stock Rasa server on the same messages")
        found.stock = stock(many[:messages])
        say(f"  {found.stock} messages a second; ours {found.sustained / found.stock:.2f} of it")
    return found


class _Shifted:
    """The same line with other people."""

    def __init__(self, line: Line, by: int) -> None:
        self._line, self._by = line, by
        self.channel, self.own_sender = line.channel, line.own_sender
        self.environ = line.environ

    def address(self, person: int) -> str:
        return self._line.address(person + self._by)

    def request(self, person: int, number: int, text: str) -> Any:
        return self._line.request(person + self._by, number + self._by, text)
