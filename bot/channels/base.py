"""What every door has in common: it verifies and parses bytes, and hands what is left to the mailbox."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, Counter
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import BaseRoute

from bot.mailbox import Received, receive
from bot.model import Channel, Flood, Incoming
from bot.storage import Store


class Refused(Exception):
    """A request that a door does not take. ``code`` is a short word for programs; it never repeats what was sent."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


@dataclass(frozen=True)
class Finding:
    """One thing that ``helpline channels`` found, in plain words for an operator. ``ok``: nothing needs doing about it."""

    ok: bool
    text: str


class Door(Protocol):
    """One channel's side towards the internet."""

    channel: Channel

    def routes(self) -> Sequence[BaseRoute]:
        """The addresses that it answers at."""
        ...

    async def work(self) -> None:
        """What it does beside answering, for as long as the process lives; cancelled at the end."""
        ...

    def close(self) -> None:
        """Let go of requests that wait, so that the process can end."""
        ...


class Intake:
    """Puts verified messages into the mailbox and counts them. Blocking work runs in a thread."""

    def __init__(self, store: Store, registry: CollectorRegistry) -> None:
        self.store = store
        self._received = Counter("helpline_received_total", "Messages accepted, by channel; repeats apart.", ["channel", "repeat"], registry=registry)
        self._flooded = Counter("helpline_flooded_total", "Messages accepted above their sender's limits.", ["channel"], registry=registry)

    async def accept(self, incoming: Incoming) -> Received:
        """Returns once the message is committed. Raises :class:`bot.storage.StorageUnavailable`: then it was not accepted."""
        received = await run_in_threadpool(receive, self.store, incoming)
        self._received.labels(incoming.channel.value, "yes" if received.duplicate else "no").inc()
        if received.flood is not Flood.WITHIN:
            self._flooded.labels(incoming.channel.value).inc()
        return received


class AsciiJson(Response):
    """JSON in ASCII: whatever was stored, even half of a surrogate pair, leaves as valid bytes."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii")


def refusal(status: int, code: str, headers: dict[str, str] | None = None) -> AsciiJson:
    """An error answer: ``{"error": code}``."""
    return AsciiJson({"error": code}, status, headers)
