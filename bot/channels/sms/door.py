"""The SMS channel: Twilio's two addresses, the sender behind them, and the look for what an outage lost."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Sequence
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from bot import logs, mailbox
from bot.channels.base import Intake
from bot.channels.sending import Sender
from bot.channels.sms.client import ApiError, NotAnswered, NotReached
from bot.channels.sms.parse import Report, check_ours, messages_of, our_number, report_of
from bot.channels.sms.provider import REPORT, REPORT_SECONDS, STATUS_PATH, TwilioProvider
from bot.channels.sms.reconcile import reconcile
from bot.channels.sms.verify import verified
from bot.mailbox import outbox
from bot.model import Channel
from bot.settings import Settings
from bot.storage import StorageUnavailable

_log = logs.get_logger("sms")

PATH = "/channels/sms"
RECONCILE_SECONDS = 120.0
"""Well within the ten minutes that a reply may still be sent in."""

_NOTHING = b'<?xml version="1.0" encoding="UTF-8"?><Response/>'


class SmsDoor:
    """Takes messages and delivery states, sends replies. ``settings.sms`` must be true."""

    channel = Channel.SMS

    def __init__(self, settings: Settings, intake: Intake) -> None:
        self._settings, self._intake, self._store = settings, intake, intake.store
        self._number = our_number(settings.twilio_from)

    def routes(self) -> Sequence[BaseRoute]:
        return [Route(PATH, self.message, methods=["POST"]), Route(STATUS_PATH, self.status, methods=["POST"])]

    async def work(self) -> None:
        """Send, and look at the provider's list at the start and every two minutes."""
        provider = TwilioProvider(self._settings, self._store)
        sender = Sender(self._store, provider, f"sms-{os.getpid()}-{uuid.uuid4().hex[:8]}")
        looking = asyncio.create_task(self._reconcile(provider))
        try:
            while True:
                try:
                    await sender.run()
                except Exception:
                    _log.error("sender_fell", exc_info=True)
                    await asyncio.sleep(1.0)
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
            await provider.close()

    def close(self) -> None:
        """Nothing waits here."""

    async def message(self, request: Request) -> Response:
        """An empty TwiML once the message is committed: replies go by REST. Also Twilio's fallback address: a repeat changes nothing."""
        fields = await self._verified(request, PATH)
        check_ours(fields, self._settings.twilio_account_sid, self._number)
        for incoming in messages_of(fields):
            await self._intake.accept(incoming)
        return Response(_NOTHING, media_type="text/xml")

    async def status(self, request: Request) -> Response:
        """204 once the delivery state is committed. One that comes before its message is marked as sent is kept and told again."""
        fields = await self._verified(request, STATUS_PATH)
        said = report_of(fields)
        if said.state is not None:
            await run_in_threadpool(self._learn, said)
        return Response(status_code=204)

    async def _verified(self, request: Request, path: str) -> Any:
        return verified(await request.body(), request.scope.get("query_string", b""), request.headers.get("x-twilio-signature"),
                        self._settings.address + path, self._settings.twilio_auth_token)

    def _learn(self, said: Report) -> None:
        assert said.state is not None
        if not outbox.report(self._store, self.channel, said.sid, said.state, said.reason) and not outbox.known(self._store, self.channel, (said.sid,)):
            body = {"sid": said.sid, "state": said.state.value, "reason": said.reason}
            mailbox.owe(self._store, self.channel, REPORT, body, REPORT_SECONDS)

    async def _reconcile(self, provider: TwilioProvider) -> None:
        while True:
            try:
                await reconcile(self._settings, self._store, provider)
            except (ApiError, NotReached, NotAnswered, StorageUnavailable) as error:
                _log.warning("reconcile_failed", error=type(error).__name__, status=getattr(error, "status", None))
            except Exception:
                _log.error("reconcile_failed", exc_info=True)
            await asyncio.sleep(RECONCILE_SECONDS)
