"""Telegram's address for updates, and what the channel does beside: sending, polling, answering taps, leaving groups."""

from __future__ import annotations

import asyncio
import dataclasses
import hmac
import os
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from telegram.error import TelegramError
from tenacity import AsyncRetrying, retry_if_exception_type
from tenacity.wait import wait_random_exponential

from bot import logs
from bot.channels.base import AsciiJson, Intake, Refused
from bot.channels.sending import Sender
from bot.channels.telegram import menu
from bot.channels.telegram.api import Api
from bot.channels.telegram.config import PATH, TelegramConfig
from bot.channels.telegram.parse import Blocked, Event, Heard, NotAlone, Pressed, parse_update, read_update
from bot.channels.telegram.polling import Polling
from bot.channels.telegram.provider import TelegramProvider
from bot.mailbox import outbox
from bot.model import Channel
from bot.settings import Settings
from bot.storage import StorageUnavailable
from bot.vault import VaultError

_log = logs.get_logger("telegram")

SECRET_HEADER = "x-telegram-bot-api-secret-token"  # noqa: S105 - a header's name
UNKNOWN_BUTTON = "unknown"
"""What a button means that is not ours any more. The engine takes it as something that it did not understand."""

ANSWERS = frozenset({"yes", "no", "skip", "leave", "other_number", "write_here", "call_me", "i_will_call"})
"""Options that answer a question: only under the newest message that has buttons. An old yes must not answer a new question."""

_LEAVE_SECONDS = 60.0
_MOST_LEFT = 1000
_RESTART_SECONDS = 1.0
_MOST_AT_ONCE = 200


class TelegramDoor:
    """The Telegram channel."""

    channel = Channel.TELEGRAM

    def __init__(self, settings: Settings, config: TelegramConfig, intake: Intake, api: Api | None = None) -> None:
        self._settings = settings
        self._config = config
        self._intake = intake
        self._store = intake.store
        self._api = api if api is not None else Api(config)
        self._aside: set[asyncio.Task[None]] = set()
        self._left: dict[int, float] = {}

    def routes(self) -> Sequence[BaseRoute]:
        return [Route(PATH, self.update, methods=["POST"])]

    async def work(self) -> None:
        """Send, keep the menu, poll where that is the mode; what falls is taken up again."""
        sender = Sender(self._store, TelegramProvider(self._api, self._store.clock), f"doors-{os.getpid()}-{uuid.uuid4().hex[:8]}")
        parts: list[Coroutine[Any, Any, None]] = [_keep("sending", sender.run), self._menu()]
        if self._config.polling:
            parts.append(_keep("polling", Polling(self._api, self._store, self._config.bot, self._polled).run))
        try:
            await asyncio.gather(*parts)
        finally:
            for task in set(self._aside):
                task.cancel()
            await self._api.close()

    def close(self) -> None:
        """Nothing waits here."""

    async def update(self, request: Request) -> Response:
        """200 once the update is committed, or is nothing for us; a repeat is a 200 too. 403 without the secret."""
        given = request.headers.get(SECRET_HEADER, "")
        if not self._config.secret or not hmac.compare_digest(given.encode("utf-8"), self._config.secret.encode("utf-8")):
            raise Refused(403, "secret")
        await self._take(parse_update(await request.body(), self._config.bot))
        return AsciiJson({"ok": True})

    async def _polled(self, update: Any) -> None:
        await self._take(read_update(update, self._config.bot))

    async def _take(self, event: Event | None) -> None:
        """Returns once it is committed. Raises :class:`StorageUnavailable`: Telegram brings it again."""
        if isinstance(event, Heard):
            await self._intake.accept(event.incoming)
        elif isinstance(event, Pressed):
            option = await run_in_threadpool(self._option, event)
            await self._intake.accept(dataclasses.replace(event.incoming, button=option))
            self._beside("tap", lambda: self._api.bot.answer_callback_query(event.query))
        elif isinstance(event, Blocked):
            if await run_in_threadpool(outbox.blocked, self._store, Channel.TELEGRAM, event.address, event.at):
                _log.info("blocked", channel=Channel.TELEGRAM.value)
        elif isinstance(event, NotAlone):
            self._leave(event.chat)

    def _option(self, event: Pressed) -> str:
        try:
            found = outbox.pressed(self._store, Channel.TELEGRAM, event.incoming.address, event.token, newest_only=ANSWERS)
        except VaultError:  # a key is missing: the tap is heard all the same
            found = None
        return found or UNKNOWN_BUTTON

    def _leave(self, chat: int) -> None:
        """Leave without a word: whatever we said, everybody there would read it. Not more often than once a minute a chat."""
        now = time.monotonic()
        if now - self._left.get(chat, -_LEAVE_SECONDS) < _LEAVE_SECONDS:
            return
        if len(self._left) >= _MOST_LEFT:
            self._left.clear()
        self._left[chat] = now
        self._beside("group", lambda: self._api.bot.leave_chat(chat))

    def _beside(self, kind: str, request: Callable[[], Awaitable[object]]) -> None:
        """Ask Telegram for something that nobody waits for; the answer to the webhook does not."""
        if len(self._aside) >= _MOST_AT_ONCE:
            return
        task = asyncio.create_task(_once(kind, request))
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)

    async def _menu(self) -> None:
        """Tell Telegram the menu, until it has been told. It is not needed for anything else."""
        retrying = AsyncRetrying(retry=retry_if_exception_type((TelegramError, StorageUnavailable)), wait=wait_random_exponential(multiplier=5, max=600),
                                 before_sleep=lambda state: _log.warning("menu_not_set", attempt=state.attempt_number))
        try:
            phrases = await run_in_threadpool(menu.load, self._settings)
            await retrying(menu.publish, self._api, self._store, self._settings, self._config.bot, phrases)
        except Exception:
            _log.error("menu_failed", exc_info=True)


async def _once(kind: str, request: Callable[[], Awaitable[object]]) -> None:
    try:
        await request()
    except Exception as error:  # a tap that is too old, a group that is gone
        _log.info("request_failed", kind=kind, error=type(error).__name__)


async def _keep(name: str, run: Callable[[], Awaitable[None]]) -> None:
    """Run for as long as the process lives; an error that nobody foresaw must not end the channel."""
    while True:
        try:
            await run()
        except Exception:
            _log.error("work_failed", kind=name, exc_info=True)
        await asyncio.sleep(_RESTART_SECONDS)
