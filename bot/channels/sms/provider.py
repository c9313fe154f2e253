"""Twilio seen from the sender: send, ask after a doubtful message, delete and redact.

Error numbers are those of Twilio's "Error and warning dictionary".
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Iterable
from datetime import datetime
from typing import Any

from starlette.concurrency import run_in_threadpool

from bot import logs, mailbox
from bot.channels.sending import RetryLater, RetryNever, SendUnknown, Sent
from bot.channels.sms.client import ApiError, NotAnswered, NotReached, client
from bot.channels.sms.country import ANSWERABLE
from bot.channels.sms.parse import our_number
from bot.mailbox import outbox
from bot.mailbox.outbox import Outgoing
from bot.model import Channel, SendState
from bot.settings import Settings
from bot.storage import Store
from bot.storage.chores import Chore

_log = logs.get_logger("sms")

STATUS_PATH = "/channels/sms/status"
LONGEST_VALIDITY = 14_400
"""Seconds; what Twilio takes as ``ValidityPeriod``."""

IN_PROGRESS = frozenset({20009})
"""A message that is still under way can be neither deleted nor redacted."""

_TOO_MANY = frozenset({20429, 14107})
_SLACK_SECONDS = 30.0
_RECENT = 50
_ALARM_SECONDS = 3600.0
_AT_ONCE = 4
REPORT = "report"
REPORT_SECONDS = 3600.0
"""How long a delivery state waits for the message that it is about."""


class TwilioProvider:
    """Implements :class:`bot.channels.sending.Provider`."""

    channel = Channel.SMS

    def __init__(self, settings: Settings, store: Store) -> None:
        """``settings.sms`` must be true."""
        self._settings, self._store = settings, store
        self._number = our_number(settings.twilio_from)
        self._callback = settings.address + STATUS_PATH
        self.client, self._http = client(settings)
        self._alarmed: float | None = None

    async def close(self) -> None:
        await self._http.close()

    async def send(self, message: Outgoing) -> Sent:
        """Hand one message over; Twilio keeps it no longer than it may be sent. Raises a :class:`bot.channels.sending.SendError`."""
        if ANSWERABLE.fullmatch(message.address) is None:
            raise RetryNever("no_reply_address")  # a short code or a name: nobody is there to read it
        left = message.expires_at - self._store.clock.now()
        if left < 1:
            raise RetryLater("too_late", 0.0)  # it expires in the queue, and staff see it as that
        try:
            sent = await self.client.messages.create_async(
                to=message.address, from_=self._number, body=message.reply.text, status_callback=self._callback,
                validity_period=min(int(left), LONGEST_VALIDITY), smart_encoded=False)
        except NotReached:
            raise RetryLater("not_reached") from None
        except NotAnswered:
            raise SendUnknown("no_answer") from None
        except ApiError as error:
            raise await self._refused(error) from None
        except (ValueError, TypeError, AttributeError):
            raise SendUnknown("odd_answer") from None
        if not sent.sid:
            raise SendUnknown("odd_answer")
        return Sent(str(sent.sid))

    async def find(self, message: Outgoing) -> Sent | None:
        """Whether Twilio has a doubtful message: the same words to the same number since it was queued, under an id that we do not know yet.

        Asked without a time, newest first: a message that Twilio has not sent on yet has none. Raises ``SendUnknown``.
        """
        try:
            found = await self.client.messages.list_async(to=message.address, from_=self._number, limit=_RECENT)
        except (ApiError, NotReached, NotAnswered, ValueError, TypeError, AttributeError):
            raise SendUnknown("cannot_ask") from None
        since = message.created_at - _SLACK_SECONDS
        same = [str(one.sid) for one in reversed(found)  # the oldest first: replies with the same words keep their order
                if (one.body or "").strip() == message.reply.text.strip() and _not_before(one.date_created, since)]
        known = await run_in_threadpool(outbox.known, self._store, self.channel, same)
        return next((Sent(sid) for sid in same if sid not in known), None)

    async def do(self, chore: Chore) -> None:
        """Delete or redact messages, or report a delivery state that came before its message was marked. Raises ``RetryLater``, ``RetryNever``."""
        if chore.kind == REPORT:
            await self._report(chore)
        elif chore.kind in ("delete", "redact"):
            act = self._delete if chore.kind == "delete" else self._redact
            await _all(act(str(sid)) for sid in chore.body["references"])
        else:
            raise RetryNever("no_such_chore")

    async def _delete(self, sid: str) -> None:
        context = self.client.messages(sid)
        try:
            if sid.startswith("MM"):
                for media in await context.media.list_async():
                    await self._done(self.client.messages(sid).media(media.sid).delete_async())
        except ApiError as error:
            if error.status != 404:
                raise await self._later(error) from None
        except (NotReached, NotAnswered):
            raise RetryLater("not_reached") from None
        await self._done(context.delete_async())

    async def _redact(self, sid: str) -> None:
        await self._done(self.client.messages(sid).update_async(body=""))

    async def _done(self, request: Awaitable[Any]) -> None:
        """Carry one deletion out. What is gone already is done."""
        try:
            await request
        except ApiError as error:
            if error.status != 404:
                raise await self._later(error) from None
        except (NotReached, NotAnswered):
            raise RetryLater("not_reached") from None  # asked once more it is a 404

    async def _later(self, error: ApiError) -> RetryLater:
        """Deleting is owed for as long as Twilio keeps messages: whatever it says, it is asked again."""
        if error.status in (401, 403):
            await self._alarm(error)
        if error.code in IN_PROGRESS:
            return RetryLater("in_progress", 20.0)
        return RetryLater(_reason(error), error.retry_after)

    async def _report(self, chore: Chore) -> None:
        sid, state = str(chore.body["sid"]), SendState(chore.body["state"])
        if not await run_in_threadpool(outbox.report, self._store, self.channel, sid, state, chore.body["reason"]) and not await self.knows(sid):
            raise RetryLater("not_marked_yet", min(0.5 * 2 ** min(chore.attempts, 8), 60.0))

    async def knows(self, sid: str) -> bool:
        """Whether a message of ours has this id."""
        return bool(await run_in_threadpool(outbox.known, self._store, self.channel, (sid,)))

    async def _refused(self, error: ApiError) -> RetryLater | RetryNever | SendUnknown:
        """What an error answer to a send means."""
        if error.status == 429 or error.code in _TOO_MANY:
            return RetryLater("too_many", error.retry_after)
        if error.status in (401, 403) and error.code not in _NEVER:
            await self._alarm(error)
            return RetryLater("not_allowed", error.retry_after if error.retry_after is not None else 30.0)
        if error.status >= 500 or error.status == 408:
            return SendUnknown(_reason(error))  # it may have been taken before it failed
        return RetryNever(_reason(error))

    async def _alarm(self, error: ApiError) -> None:
        """Wrong token, closed account: nobody gets an answer until somebody acts."""
        _log.error("provider_refuses_us", status=error.status, reason=_reason(error))
        now = time.monotonic()
        if self._alarmed is None or now - self._alarmed > _ALARM_SECONDS:
            self._alarmed = now
            await run_in_threadpool(mailbox.alarm, self._store, "sms_refused")


_NEVER = frozenset({21610, 21211, 21614, 21408, 21606, 21612})
"""About this number, not about our account, whatever HTTP status they come with: opted out, no number, no mobile, no permission for the
region, not ours to send from, unreachable by this route."""


def _reason(error: ApiError) -> str:
    return str(error.code) if 0 < error.code < 100_000 else f"http_{error.status}"


def _not_before(created: datetime | None, since: float) -> bool:
    return created is None or created.timestamp() >= since


async def _all(requests: Iterable[Awaitable[None]]) -> None:
    """All of them, a few at once; the first error once all have ended."""
    hands = asyncio.Semaphore(_AT_ONCE)

    async def one(request: Awaitable[None]) -> None:
        async with hands:
            await request

    for result in await asyncio.gather(*(one(request) for request in requests), return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
