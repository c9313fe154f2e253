"""A stand-in for a provider: the Bot API's ``sendMessage``, on loopback, with the faults of a bad day chosen by a seed."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import socket
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

FAULTS = {"429": 0.01, "5xx": 0.005, "5xx after accepting": 0.005, "answer dropped": 0.005, "slow": 0.01}
"""Share of requests that meet each."""

SLOW_SECONDS = 0.5


@dataclass(frozen=True)
class Delivery:
    """One text that the provider took, ``at`` seconds of the monotonic clock."""

    at: float
    address: str
    text: str


class StandIn:
    """Serves in a thread between :meth:`start` and :meth:`stop`. ``calm()`` ends the faults."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - faults, not secrets
        self._faults = dict(FAULTS)
        self.deliveries: list[Delivery] = []
        self.met: dict[str, int] = dict.fromkeys(FAULTS, 0)
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        self._listener = listener
        app = Starlette(routes=[Route("/{bot}/{method}", self._answer, methods=["POST"])])
        self._server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", http="h11", ws="none"))
        self._server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._serve, name="stand-in", daemon=True)

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def start(self) -> None:
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # it would complain of the answers that break off
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)

    def calm(self) -> None:
        """No more faults."""
        self._faults = {}

    def _serve(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._listener]))

    async def _answer(self, request: Request) -> Response:
        if request.path_params["method"] != "sendMessage":
            return JSONResponse({"ok": True, "result": True})
        body = await _body(request)
        fault = self._fault()
        if fault == "429":
            return JSONResponse({"ok": False, "error_code": 429, "description": "Too Many Requests", "parameters": {"retry_after": 1}}, 429)
        if fault == "5xx":
            return JSONResponse({"ok": False, "error_code": 502, "description": "Bad Gateway"}, 502)
        if fault == "slow":
            await asyncio.sleep(SLOW_SECONDS)
        self.deliveries.append(Delivery(time.monotonic(), str(body["chat_id"]), str(body["text"])))
        if fault == "5xx after accepting":
            return JSONResponse({"ok": False, "error_code": 502, "description": "Bad Gateway"}, 502)
        if fault == "answer dropped":
            return StreamingResponse(_broken(), headers={"content-length": "100"})
        sent = {"message_id": len(self.deliveries), "date": int(time.time()), "chat": {"id": body["chat_id"], "type": "private"}, "text": body["text"]}
        return JSONResponse({"ok": True, "result": sent})

    def _fault(self) -> str | None:
        draw = self._random.random()
        for name, share in self._faults.items():
            draw -= share
            if draw < 0:
                self.met[name] += 1
                return name
        return None


async def _body(request: Request) -> dict[str, Any]:
    """What was sent, as JSON or as a form: the Bot API takes both."""
    raw = await request.body()
    if request.headers.get("content-type", "").startswith("application/json"):
        return dict(json.loads(raw))
    return dict(parse_qsl(raw.decode("utf-8"), keep_blank_values=True))


async def _broken() -> AsyncIterator[bytes]:
    yield b"{"
    raise ConnectionResetError  # the connection is cut in the middle of the answer
