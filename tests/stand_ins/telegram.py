"""A Bot API server for tests: answers as Telegram does, notes every request, and fails when told to.

Shapes: https://core.telegram.org/bots/api. ``sendMessage`` refuses what Telegram refuses: empty or too long texts, callback data above 64 bytes.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.stand_ins.serving import Served

TOKEN = "1001:" + "t" * 35
SECRET = "secret_Of-the_test"


@dataclass(frozen=True)
class Call:
    """One request: its method, its parameters (JSON values read), and when it came."""

    method: str
    params: dict[str, Any]
    at: float


@dataclass(frozen=True)
class Trouble:
    """What to do with a request instead of a plain yes. ``status`` 0: drop the connection. ``accept``: note it as accepted first. ``slow``: seconds."""

    status: int = 0
    description: str = ""
    retry_after: int | None = None
    accept: bool = False
    slow: float = 0.0


@dataclass
class Chat:
    """What a chat shows: message ids, texts and keyboards in order."""

    messages: dict[int, dict[str, Any]] = field(default_factory=dict)


class _Half(Response):
    """A head that promises more than comes: the connection ends in the middle of the answer."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})


class TelegramStandIn:
    """The server. Give troubles to :attr:`troubles` by method; they are used up one a request, or ``when`` decides each time."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.chats: dict[int, Chat] = defaultdict(Chat)
        self.troubles: dict[str, deque[Trouble]] = defaultdict(deque)
        self.when: Callable[[Call], Trouble | None] = lambda _: None
        self.webhook: dict[str, Any] = {"url": "", "has_custom_certificate": False, "pending_update_count": 0}
        self.pending: list[dict[str, Any]] = []
        self.me: dict[str, Any] = {"id": 1001, "is_bot": True, "first_name": "Info", "username": "neutral_bot", "can_join_groups": False}
        self.wrong_token = False
        self._ids = itertools.count(9001)
        self._changed = threading.Condition()
        self._served = Served(Starlette(routes=[Route("/bot{token}/{method}", self._call, methods=["GET", "POST"])]))
        self.url = self._served.url

    def close(self) -> None:
        self._served.close()

    # --- what a test asks

    def of(self, method: str, chat: int | None = None) -> list[dict[str, Any]]:
        """Parameters of the requests of one method, in order."""
        with self._changed:
            return [call.params for call in self.calls if call.method == method and (chat is None or call.params.get("chat_id") == chat)]

    def texts(self, chat: int) -> list[str]:
        """What the chat shows of the bot's, in order."""
        with self._changed:
            return [str(message["text"]) for message in self.chats[chat].messages.values()]

    def keyboard(self, chat: int) -> list[dict[str, Any]]:
        """The buttons of the last message that has some."""
        with self._changed:
            found = [m["reply_markup"]["inline_keyboard"] for m in self.chats[chat].messages.values() if m.get("reply_markup")]
        return [button for row in found[-1] for button in row] if found else []

    def wait(self, until: Callable[[], bool], seconds: float = 15.0) -> None:
        """Return when ``until`` holds, looked at after each request. Fails the test when it does not in time."""
        end = time.monotonic() + seconds
        while not until():
            with self._changed:
                self._changed.wait(0.05)
            assert time.monotonic() < end, f"it did not happen; asked so far: {[call.method for call in self.calls]}"

    # --- the server

    async def _call(self, request: Request) -> Response:
        method, params = request.path_params["method"], await _params(request)
        call = Call(method, params, time.monotonic())
        if self.wrong_token or request.path_params["token"] != TOKEN:
            return _no(401, "Unauthorized")
        with self._changed:
            self.calls.append(call)
            trouble = self.troubles[method].popleft() if self.troubles[method] else self.when(call)
            result = None if trouble is not None and not trouble.accept else self._do(method, params)
            self._changed.notify_all()
        if trouble is not None:
            if trouble.slow:
                await asyncio.sleep(trouble.slow)
            if trouble.status == 0 and not trouble.slow:
                return _Half()
            if trouble.status:
                extra = {} if trouble.retry_after is None else {"parameters": {"retry_after": trouble.retry_after}}
                return _no(trouble.status, trouble.description, **extra)
            result = result if result is not None else self._do(method, params)
        if method == "getUpdates":
            return JSONResponse({"ok": True, "result": await self._updates(params)})
        return result if isinstance(result, Response) else JSONResponse({"ok": True, "result": result})

    def _do(self, method: str, params: dict[str, Any]) -> Any:
        if method == "sendMessage":
            return self._send(params)
        if method in ("deleteMessages", "deleteMessage"):
            for one in params.get("message_ids", [params.get("message_id")]):
                self.chats[params["chat_id"]].messages.pop(one, None)
        if method == "getMe":
            return self.me
        if method == "setWebhook":
            self.webhook = {"url": params["url"], "has_custom_certificate": False, "pending_update_count": 0, "allowed_updates": params["allowed_updates"]}
        if method == "deleteWebhook":
            self.webhook["url"] = ""
        return self.webhook if method == "getWebhookInfo" else True

    def _send(self, params: dict[str, Any]) -> Any:
        text = str(params.get("text", ""))
        buttons = [button for row in params.get("reply_markup", {}).get("inline_keyboard", ()) for button in row]
        if not text.strip():
            return _no(400, "Bad Request: message text is empty")
        if len(text.encode("utf-16-le")) // 2 > 4096:
            return _no(400, "Bad Request: message is too long")
        if any(not 1 <= len(button["callback_data"].encode()) <= 64 for button in buttons):
            return _no(400, "Bad Request: BUTTON_DATA_INVALID")
        number = next(self._ids)
        self.chats[params["chat_id"]].messages[number] = params
        return {"message_id": number, "date": int(time.time()), "chat": {"id": params["chat_id"], "type": "private"}, "text": text}

    async def _updates(self, params: dict[str, Any]) -> list[dict[str, Any]]:
        offset = int(params.get("offset", 0))
        for _ in range(20):
            found = [update for update in self.pending if update["update_id"] >= offset]
            if found:
                return found[:100]
            await asyncio.sleep(0.01)
        return []


async def _params(request: Request) -> dict[str, Any]:
    raw = {**request.query_params, **dict(parse_qsl((await request.body()).decode("utf-8"), keep_blank_values=True))}
    found = {}
    for key, value in raw.items():
        try:
            found[key] = value if key == "text" else json.loads(value)
        except ValueError:
            found[key] = value
    return found


def _no(status: int, description: str, **extra: Any) -> JSONResponse:
    return JSONResponse({"ok": False, "error_code": status, "description": description, **extra}, status)
