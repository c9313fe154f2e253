"""An ASGI application behind a real socket of this machine, in a thread of its own."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import uvicorn


class Served:
    """Serves ``app`` until :meth:`close`; ``url`` is where."""

    def __init__(self, app: Any, lifespan: Literal["on", "off"] = "on") -> None:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(512)
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(app, http="h11", ws="none", lifespan=lifespan, log_config=None, access_log=False, timeout_graceful_shutdown=2)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]}, daemon=True)
        self._thread.start()
        end = time.monotonic() + 10
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > end:
                raise RuntimeError("the server did not start")
            time.sleep(0.005)

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(15)


@contextmanager
def serving(app: Any, lifespan: Literal["on", "off"] = "off") -> Iterator[str]:
    """Serve ``app`` on a free port of loopback until the block ends; its address."""
    served = Served(app, lifespan)
    try:
        yield served.url
    finally:
        served.close()


def until(true: Callable[[], object], otherwise: str = "it did not happen", seconds: float = 8.0) -> None:
    """Return as soon as ``true`` holds. Raises ``AssertionError`` after ``seconds``."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise AssertionError(otherwise)
        time.sleep(0.01)
