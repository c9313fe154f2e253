"""The chat page's two addresses: one takes messages, one waits for answers. And the page itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from bot.channels.base import AsciiJson, Intake
from bot.channels.web.parse import parse_message, parse_poll, parse_token
from bot.channels.web.watch import Watch
from bot.mailbox import Fetched, web_fetch
from bot.model import Channel
from bot.settings import Settings

if TYPE_CHECKING:
    from bot.channels.web.page import Page
    from bot.phrases.catalog import Phrases

WAIT_SECONDS = 25.0
"""The longest that a request for answers waits; proxies and phones cut at 30 to 60."""

_NET_SECONDS = 5.0
_CATALOGS = Path(__file__).resolve().parents[3] / "translations"


class WebDoor:
    """The web channel. The page's sender is the page: it fetches what the send queue holds for its token."""

    channel = Channel.WEB

    def __init__(self, settings: Settings, intake: Intake) -> None:
        self._settings = settings
        self._intake = intake
        self._store = intake.store
        self._watch = Watch(intake.store)
        self._loading: asyncio.Task[tuple[Phrases, Page]] | None = None

    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route("/channels/web/messages", self.message, methods=["POST"]),
            Route("/channels/web/poll", self.poll, methods=["POST"]),
            Route("/", self._page("page"), methods=["GET"]),
            Route("/strings/{code}", self._page("strings"), methods=["GET"]),
            Route("/static/{name}", self._page("file"), methods=["GET"]),
        ]

    async def work(self) -> None:
        self._loaded()
        await self._watch.run()

    def close(self) -> None:
        self._watch.close()

    async def message(self, request: Request) -> Response:
        """202 once the message is committed; a repeat of its id is a 202 too and changes nothing."""
        token = parse_token(request.headers.get("authorization"))
        await self._intake.accept(parse_message(await request.body(), token))
        return AsciiJson({"accepted": True}, 202)

    async def poll(self, request: Request) -> Response:
        """Messages behind ``after``, as soon as there are any; after 25 s none. Also answers when what was pending is done without a word."""
        token = parse_token(request.headers.get("authorization"))
        after = parse_poll(await request.body())
        names = self._store.vault.pseudonyms(Channel.WEB.value, token)
        end = time.monotonic() + WAIT_SECONDS
        with self._watch.waiting(names) as waiter:
            found = await self._fetch(token, after)
            while not found.messages and not waiter.ended and (left := end - time.monotonic()) > 0:
                waiter.pending = was_pending = found.pending
                await waiter.wait(min(left, _NET_SECONDS))
                found = await self._fetch(token, after)
                if was_pending and not found.pending:
                    break
        return AsciiJson(await self._written(found))

    async def _fetch(self, token: str, after: int) -> Fetched:
        return await run_in_threadpool(web_fetch, self._store, token, after)

    async def _written(self, found: Fetched) -> dict[str, Any]:
        rows: dict[str, str] = {}
        if found.messages:
            phrases, _ = await asyncio.shield(self._loaded())
            rows = {code: row.direction for code, row in phrases.languages.items()}
        return {
            "messages": [
                {"n": m.sequence, "text": m.text, "buttons": [{"id": b.id, "label": b.label} for b in m.buttons],
                 "direction": rows.get(m.language or "", "auto"), "language": m.language, "author": m.author.value}
                for m in found.messages
            ],
            "pending": found.pending,
        }

    def _loaded(self) -> asyncio.Task[tuple[Phrases, Page]]:
        """The catalogs, read in a thread once the process accepts; read again if that failed."""
        if self._loading is None or (self._loading.done() and (self._loading.cancelled() or self._loading.exception() is not None)):
            self._loading = asyncio.create_task(run_in_threadpool(self._load))
        return self._loading

    def _load(self) -> tuple[Phrases, Page]:
        # imported here, in a thread: the process accepts messages before it can show the page
        from bot.channels.web.page import Page
        from bot.phrases.catalog import Phrases
        from bot.phrases.facts import fact_values

        phrases = Phrases.load(_CATALOGS, fact_values(self._settings))
        return phrases, Page(phrases, self._settings)

    def _page(self, name: str) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            _, page = await asyncio.shield(self._loaded())
            handler: Callable[[Request], Awaitable[Response]] = getattr(page, name)
            return await handler(request)

        return answer
