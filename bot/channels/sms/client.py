"""Twilio's own client over httpx: it does not hold up the event loop, has a time-out, and says plainly what went wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Optional
from urllib.parse import urlsplit

import httpx
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from bot.settings import Settings

SECONDS = 8.0
"""One request ends before the sender's attempt (10 s) does, so that what became of it is known by name."""

CONNECT_SECONDS = 4.0
REAL_ROOT = "https://api.twilio.com"


class ProviderError(Exception):
    """A command cannot do what was asked because of Twilio; the message is one line that says what to do."""


class ApiError(Exception):
    """Twilio answered with an error. ``status`` is HTTP's, ``code`` its own number (0: none), ``retry_after`` seconds where it said so."""

    def __init__(self, status: int, code: int, retry_after: float | None = None) -> None:
        super().__init__(f"{status}/{code}")
        self.status, self.code, self.retry_after = status, code, retry_after


class NotReached(Exception):
    """No connection came about: the request did not leave."""


class NotAnswered(Exception):
    """The request left, and no whole answer came: Twilio may have done what was asked."""


class HttpxClient(AsyncHttpClient):
    """What Twilio's library sends its requests with. ``root`` replaces its addresses' scheme and host unless it is the real one."""

    def __init__(self, root: str, seconds: float) -> None:
        super().__init__(None, True, seconds)
        self._root = root.rstrip("/")
        self._http = httpx.AsyncClient(timeout=httpx.Timeout(seconds, connect=CONNECT_SECONDS), limits=httpx.Limits(max_connections=40))

    async def request(self, method: str, url: str, params: Optional[dict[str, object]] = None, data: Optional[dict[str, object]] = None,
                      headers: Optional[dict[str, str]] = None, auth: Optional[tuple[str, str]] = None, timeout: Optional[float] = None,
                      allow_redirects: bool = False) -> Response:
        """One request. Raises :class:`ApiError`, :class:`NotReached` or :class:`NotAnswered`."""
        try:
            answer = await self._http.request(method.upper(), self._place(url), params=_text(params), data=_text(data), headers=headers, auth=auth,
                                              follow_redirects=allow_redirects)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as error:
            raise NotReached(type(error).__name__) from None  # its own text holds the address, with the person's number in it
        except httpx.HTTPError as error:
            raise NotAnswered(type(error).__name__) from None
        if answer.status_code >= 300:
            raise ApiError(answer.status_code, _code(answer), _seconds(answer.headers.get("retry-after")))
        return Response(answer.status_code, answer.text, answer.headers)

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.aclose()

    def _place(self, url: str) -> str:
        if self._root == REAL_ROOT:
            return url  # Twilio's other hosts (messaging.twilio.com) too
        parts = urlsplit(url)
        return f"{self._root}{parts.path}" + (f"?{parts.query}" if parts.query else "")


def client(settings: Settings) -> tuple[Client, HttpxClient]:
    """Twilio's client for these settings, and what to close at the end."""
    http = HttpxClient(settings.twilio_api_url, SECONDS)
    return Client(settings.twilio_account_sid, settings.twilio_auth_token, http_client=http), http


def plain(error: ApiError | NotReached | NotAnswered) -> str:
    """What went wrong, for an operator; never the provider's own words, which may quote a number."""
    if isinstance(error, NotReached):
        return "Twilio cannot be reached: check HELPLINE_TWILIO_API_URL, the network and any proxy"
    if isinstance(error, NotAnswered):
        return "Twilio does not answer: try again later"
    if error.status in (401, 403):
        return "Twilio refuses the account: check HELPLINE_TWILIO_ACCOUNT_SID and HELPLINE_TWILIO_AUTH_TOKEN (the primary token), and that the account is active"
    return f"Twilio answers with an error (HTTP {error.status}, number {error.code}): look it up in its error dictionary"


def _text(values: Mapping[str, object] | None) -> dict[str, Any] | None:
    """Twilio's library leaves truth values to its transport: the interface wants them in lower case."""
    if not values:
        return None
    return {name: str(value).lower() if isinstance(value, bool) else value for name, value in values.items()}


def _code(answer: httpx.Response) -> int:
    try:
        found = json.loads(answer.text)
        return int(found.get("code") or 0) if isinstance(found, dict) else 0
    except (ValueError, TypeError):
        return 0  # a gateway's own page


def _seconds(header: str | None) -> float | None:
    try:
        return None if header is None else min(max(float(header), 0.0), 3600.0)
    except ValueError:
        return None  # a date: our own pause does
