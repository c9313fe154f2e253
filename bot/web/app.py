"""The doors' application: channels, health and metrics behind one guard. Imports neither Rasa nor anything heavy."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from bot import logs, mailbox
from bot.channels.base import Door, Intake, refusal
from bot.channels.web.door import WebDoor
from bot.clock import Steady
from bot.settings import Settings
from bot.storage import StorageUnavailable, Store
from bot.web import channels
from bot.web.guard import Body, Errors, Headers, Rate
from bot.web.metrics import Health

_log = logs.get_logger("web")

_SWEEP_SECONDS = 5.0
_RETAIN_SECONDS = 3600.0
_CODES = {404: "not_found", 405: "method"}


class Doors:
    """The application and what it is made of."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._store = store
        registry = CollectorRegistry()
        self.health = Health(settings, store, registry)
        intake = Intake(store, registry)
        self.doors: Sequence[Door] = (WebDoor(settings, intake), *channels.doors(settings, intake))
        routes: list[BaseRoute] = [*self.health.routes(), *(route for door in self.doors for route in door.routes())]
        self.app = Starlette(
            routes=routes,
            middleware=[
                Middleware(Headers, https=settings.address.startswith("https://")),
                Middleware(Errors, count=self.health.count),
                Middleware(Rate, per_second=settings.rate_per_second, burst=settings.rate_burst),
                Middleware(Body),
            ],
            exception_handlers={HTTPException: _refused},
            lifespan=self._lifespan,
        )
        self.app.router.redirect_slashes = False

    def close(self) -> None:
        """Let go of requests that wait, so that the process can end soon."""
        for door in self.doors:
            door.close()

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(door.work()) for door in self.doors] + [asyncio.create_task(self._sweep())]
        try:
            yield
        finally:
            self.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _sweep(self) -> None:
        """Expiry, scrubbing and keeping times, for as long as the doors are open."""
        steady = Steady(self._store.clock)
        retained = time.monotonic() - _RETAIN_SECONDS
        while True:
            try:
                await run_in_threadpool(mailbox.outbox.expire, self._store)
                await run_in_threadpool(self._store.scrub_if_due)
                if time.monotonic() - retained >= _RETAIN_SECONDS and steady.trusted():
                    retained = time.monotonic()
                    await run_in_threadpool(mailbox.retain, self._store)
            except StorageUnavailable as error:
                _log.warning("sweep_failed", error=type(error).__name__)
            await asyncio.sleep(_SWEEP_SECONDS)


def _refused(_request: Request, error: Exception) -> Response:
    status, headers = (error.status_code, error.headers) if isinstance(error, HTTPException) else (500, None)
    found: dict[str, str] | None = None if headers is None else dict(headers)
    return refusal(status, _CODES.get(status, "refused"), found)


def create_app(settings: Settings, store: Store) -> Any:
    """The ASGI application over an open store."""
    return Doors(settings, store).app
