"""The Bot API through python-telegram-bot, and its errors as the sender knows them."""

from __future__ import annotations

import json
from contextvars import ContextVar
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
from telegram import Bot
from telegram.error import BadRequest, ChatMigrated, Conflict, Forbidden, InvalidToken, NetworkError, RetryAfter, TelegramError, TimedOut
from telegram.request import HTTPXRequest

from bot.channels.sending import RetryLater, RetryNever, SendError, SendUnknown
from bot.channels.telegram.config import ALLOWED_UPDATES, TelegramConfig

READ_SECONDS = 6.0
CONNECT_SECONDS = 3.0
POLL_SECONDS = 25
TOKEN_SECONDS = 30.0
_REFUSED_SECONDS = 5.0
# The request surely did not leave: no connection came about.
_NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)
_GONE = ("blocked", "deactivated", "kicked")

_last: ContextVar[tuple[int, bytes]] = ContextVar("telegram_answer", default=(0, b""))


class _Requests(HTTPXRequest):
    """Remembers the last answer of the task: an answer that was accepted, but has a shape that the library cannot read, was still accepted."""

    async def do_request(self, *args: Any, **kwargs: Any) -> tuple[int, bytes]:
        _last.set((0, b""))
        answer = await super().do_request(*args, **kwargs)
        _last.set(answer)
        return answer


class Api:
    """One bot. ``bot`` has the Bot API's methods; close it with :meth:`close`."""

    def __init__(self, config: TelegramConfig) -> None:
        self._config = config
        self._requests = _Requests(connection_pool_size=32, read_timeout=READ_SECONDS, write_timeout=READ_SECONDS, connect_timeout=CONNECT_SECONDS,
                                   pool_timeout=CONNECT_SECONDS)
        self._polls = HTTPXRequest(connection_pool_size=1, connect_timeout=CONNECT_SECONDS)
        self.bot = Bot(config.token, base_url=f"{config.api_url}/bot", base_file_url=f"{config.api_url}/file/bot", request=self._requests,
                       get_updates_request=self._polls)

    async def updates(self, offset: int | None) -> list[Any]:
        """What waits at ``getUpdates``, raw; waits up to 25 s. Raw, because one update that the library cannot read must not stop the others."""
        asked: dict[str, str | int] = {"timeout": POLL_SECONDS, "limit": 100, "allowed_updates": json.dumps(ALLOWED_UPDATES)}
        if offset is not None:
            asked["offset"] = offset
        found: Any = await self._polls.post(f"{self._config.api_url}/bot{self._config.token}/getUpdates?{urlencode(asked)}", read_timeout=POLL_SECONDS + 10)
        return found if isinstance(found, list) else []

    async def close(self) -> None:
        await self._requests.shutdown()
        await self._polls.shutdown()


def accepted_id() -> str | None:
    """The message's id out of the last answer of this task, if that was a yes: for an answer whose shape the library could not read."""
    status, payload = _last.get()
    try:
        found: Any = json.loads(payload) if 200 <= status <= 299 else None
        return str(int(found["result"]["message_id"])) if found["ok"] is True else None
    except (ValueError, TypeError, KeyError):
        return None


def seconds_of(period: int | timedelta) -> float:
    """A period of the library's in seconds."""
    return period.total_seconds() if isinstance(period, timedelta) else float(period)


def failure(error: TelegramError) -> SendError:
    """What a failed request means for a message. The reason never repeats what was sent."""
    if isinstance(error, RetryAfter):
        return RetryLater("too_many", seconds_of(error.retry_after))
    if isinstance(error, Forbidden):
        return RetryNever("blocked" if any(word in error.message.lower() for word in _GONE) else "forbidden")
    if isinstance(error, ChatMigrated):
        return RetryNever("group")
    if isinstance(error, InvalidToken):
        return RetryLater("token", TOKEN_SECONDS)
    if isinstance(error, Conflict):
        return RetryLater("conflict")
    if isinstance(error, BadRequest):
        return RetryNever("no_such_chat" if "chat not found" in error.message.lower() else "bad_request")
    if isinstance(error.__cause__, _NEVER_LEFT):
        return RetryLater("unreachable")
    if isinstance(error, TimedOut):
        return SendUnknown("timeout")
    if isinstance(error, NetworkError):
        if _last.get()[0] == 429:  # without saying for how long
            return RetryLater("too_many", _REFUSED_SECONDS)
        return SendUnknown("server_error" if error.__cause__ is None else "connection_lost")
    return SendUnknown("error")
