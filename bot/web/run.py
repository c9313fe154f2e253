"""``helpline web``: the doors as a process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Iterator

import uvicorn

from bot import logs
from bot.settings import Settings, SettingsError
from bot.storage import open_store
from bot.web import channels
from bot.web.app import Doors

_log = logs.get_logger("web")

DRAIN_SECONDS = 10


class _Server(uvicorn.Server):
    """Lets go of waiting polls before it waits for open requests, so that SIGTERM is quick."""

    def __init__(self, config: uvicorn.Config, doors: Doors) -> None:
        super().__init__(config)
        self._doors = doors

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn's own raises the signal again at the end, which would skip our closing
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._doors.close()
        await super().shutdown(sockets)


def listen(settings: Settings) -> socket.socket:
    """The listening socket. Raises :class:`SettingsError` when the address is taken or not ours."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        what = os.strerror(error.errno) if error.errno else type(error).__name__
        raise SettingsError(f"cannot listen on {settings.host}:{settings.port} ({what}); set HELPLINE_HOST or HELPLINE_PORT to a free one") from None
    listener.listen(2048)
    listener.setblocking(False)
    return listener


def serve(settings: Settings) -> None:
    """Answer until SIGTERM or SIGINT, then finish what is open. Raises :class:`SettingsError` and ``StorageUnusable`` before it begins."""
    channels.demand(settings)
    store = open_store(settings)
    try:
        store.check()
        listener = listen(settings)
        doors = Doors(settings, store)
        config = uvicorn.Config(
            doors.app, http="h11", ws="none", lifespan="on", log_config=None, access_log=False, server_header=False, proxy_headers=True,
            forwarded_allow_ips=settings.trusted_proxies or [], timeout_keep_alive=30, timeout_graceful_shutdown=DRAIN_SECONDS, backlog=2048,
        )
        _log.info("doors_open", port=listener.getsockname()[1], pid=os.getpid())
        asyncio.run(_Server(config, doors).serve(sockets=[listener]))
        _log.info("doors_closed", pid=os.getpid())
    finally:
        store.close()
