"""What stands around every request: headers that browsers obey, limits, and errors that tell nothing."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot import logs
from bot.channels.base import Refused, refusal
from bot.storage import StorageUnavailable

_log = logs.get_logger("web")

MOST_BODY_BYTES = 256 * 1024
BODY_SECONDS = 10.0
_MOST_ADDRESSES = 50_000
_FREE_OF_LIMITS = frozenset({"/healthz", "/readyz", "/metrics"})

_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
                               "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=(), interest-cohort=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-robots-tag": "noindex",
    "cache-control": "no-store",
}


class Headers:
    """Sets what an answer has not set itself. ``https``: browsers are told to come by TLS only, for a year."""

    def __init__(self, app: ASGIApp, https: bool) -> None:
        self._app = app
        self._headers = {**_HEADERS, **({"strict-transport-security": "max-age=31536000"} if https else {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


class Errors:
    """Turns exceptions into short answers; the log gets their kind and place. ``count(route, method, status, seconds)`` hears of each request."""

    def __init__(self, app: ASGIApp, count: Callable[[str, str, int, float], None]) -> None:
        self._app = app
        self._count = count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 0
        began = time.monotonic()

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        answer = None
        try:
            await self._app(scope, receive, noting)
        except Refused as refused:
            answer = refusal(refused.status, refused.code, {"connection": "close"} if refused.status in (408, 413) else None)
        except StorageUnavailable:
            answer = refusal(503, "try_again", {"retry-after": "2"})
        except Exception as error:
            _log.error("request_failed", exc_info=error)
            answer = refusal(500, "internal")
        if answer is not None and status == 0:
            await answer(scope, receive, noting)
        route = getattr(scope.get("route"), "path", "none")
        self._count(route, scope["method"] if scope["method"] in ("GET", "HEAD", "POST") else "other", status, time.monotonic() - began)


class Body:
    """Reads a request's body whole, before anybody handles it: 413 above 256 KiB, 408 when it takes longer than 10 s."""

    def __init__(self, app: ASGIApp, seconds: float = BODY_SECONDS) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or len(declared) > 12 or int(declared) > MOST_BODY_BYTES:
            raise Refused(413, "too_long")
        try:
            body = await asyncio.wait_for(_read(receive), self._seconds)
        except asyncio.TimeoutError:
            raise Refused(408, "too_slow") from None
        if body is None:
            return  # they hung up
        given = False

        async def replay() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, replay, send)


async def _read(receive: Receive) -> bytes | None:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > MOST_BODY_BYTES:
            raise Refused(413, "too_long")
        if not message.get("more_body", False):
            return bytes(body)


class Rate:
    """A bucket an address: ``burst`` requests at once, ``per_second`` for long; above that 429 with a second's wait.

    An IPv6 home is its /64. Wide on purpose: one address may be a whole mobile network or a reception centre, and the limit must never
    stand between a person in danger and the answer. ``per_second`` 0: no limit.
    """

    def __init__(self, app: ASGIApp, per_second: float, burst: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._per_second = per_second
        self._burst = float(burst)
        self._monotonic = monotonic
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._per_second > 0 and scope["path"] not in _FREE_OF_LIMITS and not self._admit(_home(scope)):
            raise_after = refusal(429, "too_many", {"retry-after": "1"})
            await raise_after(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _admit(self, home: str) -> bool:
        now = self._monotonic()
        left, at = self._buckets.pop(home, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._per_second)
        admitted = left >= 1
        self._buckets[home] = (left - 1 if admitted else left, now)
        if len(self._buckets) > _MOST_ADDRESSES:
            self._buckets.popitem(last=False)
        return admitted


def _home(scope: Scope) -> str:
    host = scope["client"][0] if scope.get("client") else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped) if mapped is not None else str(ipaddress.ip_network((address, 64), strict=False))
    return host
