"""What the webhooks did not bring: messages of an outage, and delivery states that never came.

Twilio tries a webhook for 15 s at most, all repeats included; after that only its list of messages knows of it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from starlette.concurrency import run_in_threadpool

from bot import logs, mailbox
from bot.channels.base import Refused
from bot.channels.sms.client import ApiError, NotAnswered, NotReached, ProviderError, plain
from bot.channels.sms.parse import messages, our_number, report
from bot.channels.sms.provider import TwilioProvider
from bot.mailbox import outbox, receive
from bot.mailbox.owed import REDACT_WITHIN
from bot.model import Channel
from bot.settings import Settings
from bot.storage import Store

_log = logs.get_logger("sms")

OVERLAP_SECONDS = 900.0
"""So far back each look begins before the last one ended: the provider's clock and list may lag."""

ASK_AFTER = (600.0, 3600.0, 6 * 3600.0, 24 * 3600.0)
"""How long after it was handed over a message without a delivery state is asked after, in seconds."""

LEAVE_SECONDS = 20.0
"""Younger messages are left to their webhook, which knows more (a place, an opt-out) and may still come."""

_HEARD, _ASKED = "sms.heard", "sms.asked"
_PAGE = 200


@dataclass(frozen=True)
class Reconciled:
    """What one look found: messages listed, those of them that were new to us, and delivery states learned."""

    listed: int
    new: int
    states: int


async def reconcile(settings: Settings, store: Store, provider: TwilioProvider) -> Reconciled:
    """Look once. Raises ``ApiError``, ``NotReached`` or ``NotAnswered``; then the next look begins where this one did."""
    listed, new = await _inbound(settings, store, provider)
    states = await _outbound(store, provider)
    if new or states:
        _log.info("reconciled", channel=Channel.SMS.value, count=new)
    return Reconciled(listed, new, states)


def reconcile_once(settings: Settings, store: Store) -> Reconciled:
    """`helpline reconcile`. Raises :class:`bot.channels.sms.client.ProviderError`."""

    async def once() -> Reconciled:
        provider = TwilioProvider(settings, store)
        try:
            return await reconcile(settings, store, provider)
        finally:
            await provider.close()

    try:
        return asyncio.run(once())
    except (ApiError, NotReached, NotAnswered) as error:
        raise ProviderError(plain(error)) from None


async def _inbound(settings: Settings, store: Store, provider: TwilioProvider) -> tuple[int, int]:
    began = store.clock.now()
    since = await _stand(store, _HEARD, began) - OVERLAP_SECONDS
    found = await provider.client.messages.list_async(
        to=our_number(settings.twilio_from), date_sent_after=datetime.fromtimestamp(since, timezone.utc), page_size=_PAGE)
    # the list is newest first
    inbound = sorted((one for one in found if one.direction == "inbound" and _time(one) <= began - LEAVE_SECONDS), key=_time)
    new = 0
    for one in inbound:
        new += await _take(store, provider, one)
    await run_in_threadpool(mailbox.set_mark, store, _HEARD, str(began))
    return len(inbound), new


async def _take(store: Store, provider: TwilioProvider, one: Any) -> bool:
    """Give one listed message to the mailbox, which knows it if it came before; whether it was new."""
    kinds = [str(media.content_type or "") for media in await one.media.list_async()] if int(one.num_media or 0) else []
    try:
        incoming = messages(str(one.sid), str(one.from_ or ""), one.body or "", kinds, sent_at=_time(one))
    except Refused as refused:
        _log.warning("unreadable_at_provider", reason=refused.code)
        return False
    # one by one: the text and its marker have receipts of their own
    return not all([(await run_in_threadpool(receive, store, part)).duplicate for part in incoming])


async def _outbound(store: Store, provider: TwilioProvider) -> int:
    """Ask after messages that were handed over and never heard of again, some times and then no more."""
    now = store.clock.now()
    last = await _stand(store, _ASKED, now)
    states = 0
    for sid, sent_at in await run_in_threadpool(outbox.unreported, store, Channel.SMS, last - ASK_AFTER[-1], now - ASK_AFTER[0]):
        if not any(last < sent_at + wait <= now for wait in ASK_AFTER):
            continue
        one = await provider.client.messages(sid).fetch_async()
        said = report(sid, str(one.status), None if one.error_code is None else str(one.error_code))
        if said.state is not None:
            states += await run_in_threadpool(outbox.report, store, Channel.SMS, sid, said.state, said.reason)
        elif now - sent_at >= ASK_AFTER[-1] and Channel.SMS.value in store.limits.redact:
            # its network tells nothing: after a day the text goes from the provider anyway
            await run_in_threadpool(mailbox.owe, store, Channel.SMS, "redact", {"references": [sid]}, REDACT_WITHIN)
    await run_in_threadpool(mailbox.set_mark, store, _ASKED, str(now))
    return states


async def _stand(store: Store, name: str, now: float) -> float:
    """Where a look ended last; now, before the first one. A mark from the future (the clock was set back) counts as now."""
    found = await run_in_threadpool(mailbox.mark_of, store, name)
    return now if found is None else min(float(found), now)


def _time(one: Any) -> float:
    moment: datetime | None = one.date_sent or one.date_created
    return 0.0 if moment is None else moment.timestamp()


