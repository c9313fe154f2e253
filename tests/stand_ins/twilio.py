"""A small Twilio: its messages interface over real HTTP, its webhooks signed by its own library, and its bad days.

Shapes follow Twilio's public description of the Message, Media, IncomingPhoneNumber, Account and Service resources.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import ImmutableMultiDict
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from twilio.request_validator import RequestValidator

from bot.clock import Clock
from tests.stand_ins.serving import serving

ACCOUNT, TOKEN, NUMBER = "AC" + "0" * 32, "0123456789abcdef0123456789abcdef", "+12025550100"
PUBLIC = "https://help.example.org"
_http = httpx.Client(verify=False)  # loopback only; one client, since making one is slow
IN_PROGRESS = ("accepted", "queued", "sending", "scheduled")


@dataclass
class Bad:
    """One bad answer to a message that we send. ``accept``: Twilio takes the message all the same; ``drop``: the answer breaks off."""

    status: int = 201
    code: int = 0
    retry_after: str | None = None
    accept: bool = False
    drop: bool = False
    seconds: float = 0.0
    body: str | None = None


@dataclass
class TwilioStandIn:
    """Records what it was asked, and does what it was told. ``app_url`` is where our doors really listen, behind ``PUBLIC``."""

    clock: Clock
    url: str = ""
    app_url: str = ""
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    media: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    sent: list[dict[str, str]] = field(default_factory=list)
    refused: list[dict[str, str]] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    redacted: list[str] = field(default_factory=list)
    asked_in_vain: list[str] = field(default_factory=list)
    bad: deque[Bad] = field(default_factory=deque)
    listing_fails: int = 0
    fetched: int = 0
    early_status: str | None = None
    page_size: int = 50
    token: str = TOKEN
    phone_numbers: list[dict[str, Any]] = field(default_factory=list)
    services: list[dict[str, Any]] = field(default_factory=list)
    account_status: str = "active"

    def __post_init__(self) -> None:
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self.phone_numbers.append({"sid": "PN" + "1" * 32, "phone_number": NUMBER, "sms_url": "", "sms_method": "POST", "sms_fallback_url": "",
                                   "sms_fallback_method": "POST", "account_sid": ACCOUNT})

    # --- what we send

    def texts(self, to: str | None = None) -> list[str]:
        """Bodies of the messages that were taken, oldest first."""
        return [one["Body"] for one in self.sent if to is None or one["To"] == to]

    def make(self, direction: str, sender: str, to: str, body: str, status: str, types: Sequence[str] = ()) -> str:
        """A message of the list; its id."""
        with self._lock:
            sid = ("MM" if types else "SM") + f"{next(self._ids):032x}"
        now = format_datetime(datetime.fromtimestamp(self.clock.now(), timezone.utc))
        self.messages[sid] = {"sid": sid, "account_sid": ACCOUNT, "from": sender, "to": to, "body": body, "status": status, "direction": direction,
                              "date_created": now, "date_sent": None if status in IN_PROGRESS else now, "date_updated": now, "error_code": None,
                              "error_message": None, "num_media": str(len(types)), "num_segments": "1", "api_version": "2010-04-01"}
        self.media[sid] = [{"sid": f"ME{n:032x}", "content_type": kind, "parent_sid": sid} for n, kind in enumerate(types, 1)]
        return sid

    async def create(self, request: Request) -> Response:
        fields = await _form(request)
        bad = self.bad.popleft() if self.bad else Bad()
        if bad.status >= 300 and not bad.accept:
            self.refused.append(fields)
            return _error(bad)
        sid = self.make("outbound-api", fields["From"], fields["To"], fields["Body"], "queued")
        self.messages[sid]["callback"] = fields.get("StatusCallback")
        self.sent.append({**fields, "sid": sid})
        if self.early_status is not None:
            await run_in_threadpool(self.status, sid, self.early_status)
        if bad.seconds:
            await run_in_threadpool(time.sleep, bad.seconds)
        if bad.drop:
            return _Broken()
        return _error(bad) if bad.status >= 300 else JSONResponse(self._shown(sid), 201)

    # --- what it tells us

    def incoming(self, sender: str, body: str = "", types: Sequence[str] = (), *, webhook: bool = True, times: int = 1, sid: str | None = None,
                 **more: str) -> str:
        """Somebody writes to our number; its id. Without ``webhook`` our doors were away."""
        if sid is None:
            sid = self.make("inbound", sender, NUMBER, body, "received", types)
        if webhook:
            for _ in range(times):
                answer = self.post("/channels/sms", incoming_fields(sid, sender, body, types, **more))
                assert answer.status_code == 200, answer.text
                assert answer.headers["content-type"].startswith("text/xml")
                assert answer.content.endswith(b"<Response/>")
        return sid

    def status(self, sid: str, status: str, code: int | None = None) -> httpx.Response | None:
        """One of our messages has come so far."""
        self.messages[sid].update(status=status, error_code=code)
        callback = self.messages[sid].get("callback")
        if callback is None:
            return None
        fields = {"MessageSid": sid, "SmsSid": sid, "MessageStatus": status, "SmsStatus": status, "AccountSid": ACCOUNT, "From": NUMBER,
                  "To": self.messages[sid]["to"], "ApiVersion": "2010-04-01", **({} if code is None else {"ErrorCode": str(code)})}
        answer = self.post(callback.removeprefix(PUBLIC), fields)
        assert answer.status_code == 204, answer.text
        return answer

    def post(self, path: str, fields: Mapping[str, str] | Sequence[tuple[str, str]], *, address: str = PUBLIC, token: str | None = None,
             headers: Mapping[str, str] | None = None) -> httpx.Response:
        """A signed request to our doors, through a proxy that ends TLS."""
        pairs = list(fields.items()) if isinstance(fields, Mapping) else list(fields)
        signed = RequestValidator(token if token is not None else self.token).compute_signature(address + path, ImmutableMultiDict(pairs))
        return _http.post(self.app_url + path, content=urlencode(pairs), timeout=20, headers={
            "content-type": "application/x-www-form-urlencoded; charset=UTF-8", "x-twilio-signature": signed, "host": "10.0.0.7:8000",
            "i-twilio-idempotency-token": "00000000", **(headers or {})})

    # --- what we ask

    async def fetch(self, request: Request) -> Response:
        sid = request.path_params["sid"]
        if sid not in self.messages:
            return JSONResponse({"code": 20404, "message": "not found", "status": 404}, 404)
        if request.method == "GET":
            self.fetched += 1
            return JSONResponse(self._shown(sid))
        if self.messages[sid]["status"] in IN_PROGRESS:
            self.asked_in_vain.append(sid)
            return JSONResponse({"code": 20009, "message": "in progress", "status": 409}, 409)
        if request.method == "DELETE":
            del self.messages[sid]
            self.deleted.append(sid)
            return Response(status_code=204)
        if (await _form(request)).get("Body") == "":
            self.messages[sid]["body"] = ""
            self.redacted.append(sid)
        return JSONResponse(self._shown(sid))

    async def list(self, request: Request) -> Response:
        if self.listing_fails and "From" in request.query_params:  # not what looks for lost messages
            self.listing_fails -= 1
            return JSONResponse({"code": 20500, "message": "internal", "status": 500}, 500)
        asked = request.query_params
        since = asked.get("DateSent>")
        found = [self._shown(sid) for sid in reversed(self.messages) if _matches(self.messages[sid], asked.get("To"), asked.get("From"), since)]
        size, page = min(int(asked.get("PageSize", 50)), self.page_size), int(asked.get("Page", 0))
        more = None
        if len(found) > size * (page + 1):
            more = f"{request.url.path}?{urlencode({**asked, 'Page': page + 1})}"
        return JSONResponse(_page("messages", found[size * page:size * (page + 1)], more))

    async def media_list(self, request: Request) -> Response:
        return JSONResponse(_page("media_list", self.media.get(request.path_params["sid"], [])))

    async def media_delete(self, request: Request) -> Response:
        sid = request.path_params["sid"]
        self.media[sid] = [one for one in self.media[sid] if one["sid"] != request.path_params["media"]]
        return Response(status_code=204)

    async def numbers(self, request: Request) -> Response:
        wanted = request.query_params.get("PhoneNumber")
        return JSONResponse(_page("incoming_phone_numbers", [one for one in self.phone_numbers if wanted in (None, one["phone_number"])]))

    async def number(self, request: Request) -> Response:
        one = next(one for one in self.phone_numbers if one["sid"] == request.path_params["sid"])
        names = {"SmsUrl": "sms_url", "SmsMethod": "sms_method", "SmsFallbackUrl": "sms_fallback_url", "SmsFallbackMethod": "sms_fallback_method"}
        one.update({names[name]: value for name, value in (await _form(request)).items()})
        return JSONResponse(one)

    async def account(self, _request: Request) -> Response:
        return JSONResponse({"sid": ACCOUNT, "friendly_name": "test", "status": self.account_status, "type": "Full"})

    async def service_list(self, _request: Request) -> Response:
        return JSONResponse({"services": [{k: v for k, v in one.items() if k != "numbers"} for one in self.services],
                             "meta": {"key": "services", "next_page_url": None}})

    async def service_numbers(self, request: Request) -> Response:
        one = next(one for one in self.services if one["sid"] == request.path_params["sid"])
        found = [{"sid": "PN" + "1" * 32, "phone_number": number, "service_sid": one["sid"], "account_sid": ACCOUNT} for number in one["numbers"]]
        return JSONResponse({"phone_numbers": found, "meta": {"key": "phone_numbers", "next_page_url": None}})

    def _shown(self, sid: str) -> dict[str, Any]:
        return {name: value for name, value in self.messages[sid].items() if name != "callback"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        basic = base64.b64encode(f"{ACCOUNT}:{self.token}".encode())
        if scope["type"] == "http" and dict(scope["headers"]).get(b"authorization") != b"Basic " + basic:
            await JSONResponse({"code": 20003, "message": "authenticate", "status": 401}, 401)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    @property
    def _app(self) -> Starlette:
        root = "/2010-04-01/Accounts/{account}"
        return Starlette(routes=[
            Route(f"{root}.json", self.account),
            Route(f"{root}/Messages.json", self.create, methods=["POST"]),
            Route(f"{root}/Messages.json", self.list, methods=["GET"]),
            Route(f"{root}/Messages/{{sid}}/Media.json", self.media_list),
            Route(f"{root}/Messages/{{sid}}/Media/{{media}}.json", self.media_delete, methods=["DELETE"]),
            Route(f"{root}/Messages/{{sid}}.json", self.fetch, methods=["GET", "POST", "DELETE"]),
            Route(f"{root}/IncomingPhoneNumbers.json", self.numbers),
            Route(f"{root}/IncomingPhoneNumbers/{{sid}}.json", self.number, methods=["POST"]),
            Route("/v1/Services", self.service_list),
            Route("/v1/Services/{sid}/PhoneNumbers", self.service_numbers),
        ])


def incoming_fields(sid: str, sender: str, body: str, types: Sequence[str] = (), **more: str) -> dict[str, str]:
    """What Twilio posts for a text: blank fields and all. The picture addresses lead nowhere."""
    key = hashlib.sha256(sender.encode()).hexdigest()[:8]
    fields = {"ToCountry": "US", "ToState": "", "SmsMessageSid": sid, "NumMedia": str(len(types)), "ToCity": "", "FromZip": "", "SmsSid": sid,
              "FromState": "", "SmsStatus": "received", "FromCity": "", "Body": body, "FromCountry": "", "To": NUMBER, "ToZip": "", "NumSegments": "1",
              "MessageSid": sid, "AccountSid": ACCOUNT, "From": sender, "ApiVersion": "2010-04-01"}
    for n, kind in enumerate(types):
        fields.update({f"MediaContentType{n}": kind, f"MediaUrl{n}": f"http://127.0.0.1:1/{key}/{n}"})
    return {**fields, **more}


async def _form(request: Request) -> dict[str, str]:
    return dict(parse_qsl((await request.body()).decode("utf-8"), keep_blank_values=True))


def _matches(one: Mapping[str, Any], to: str | None, sender: str | None, since: str | None) -> bool:
    if (to is not None and one["to"] != to) or (sender is not None and one["from"] != sender):
        return False
    if since is None:
        return True
    if one["date_sent"] is None:
        return False  # as the real list: what was not sent on yet has no such date
    from email.utils import parsedate_to_datetime

    return parsedate_to_datetime(one["date_sent"]) >= datetime.strptime(since, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)


def _page(key: str, found: Sequence[Mapping[str, Any]], more: str | None = None) -> dict[str, Any]:
    return {key: list(found), "page": 0, "page_size": 50, "uri": "/", "first_page_uri": "/", "next_page_uri": more, "previous_page_uri": None,
            "start": 0, "end": len(found)}


def _error(bad: Bad) -> Response:
    headers = {} if bad.retry_after is None else {"retry-after": bad.retry_after}
    if bad.body is not None:
        return Response(bad.body, bad.status, headers, "text/html")
    return JSONResponse({"code": bad.code, "message": "to +1 202 555 0199 secret", "more_info": "", "status": bad.status}, bad.status, headers)


class _Broken(Response):
    """An answer that breaks off."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 201, "headers": [(b"content-length", b"1000"), (b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": b'{"sid"', "more_body": True})
        raise ConnectionResetError


@contextmanager
def twilio() -> Iterator[Callable[[Clock], TwilioStandIn]]:
    """A Twilio on loopback. Call it for a fresh one at the same address; set its ``app_url`` once our doors are open."""
    now: list[TwilioStandIn] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await now[0](scope, receive, send)

    with serving(app) as url:

        def fresh(clock: Clock) -> TwilioStandIn:
            now[:] = [TwilioStandIn(clock, url)]
            return now[0]

        yield fresh
