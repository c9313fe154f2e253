"""What an operator is told about the account at Twilio, and the one change that can be made from here: our addresses on our number."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from bot.channels.base import Finding
from bot.channels.sms.client import ApiError, NotAnswered, NotReached, ProviderError, client, plain
from bot.channels.sms.door import PATH
from bot.channels.sms.parse import our_number
from bot.settings import Settings, SettingsError

_FAILED = (ApiError, NotReached, NotAnswered)


def check(settings: Settings) -> list[Finding]:
    """What is right and wrong, in plain words; empty when SMS is off. Changes nothing. Raises nothing for what Twilio answers."""
    try:
        if not settings.sms:
            return []
    except SettingsError as error:
        return [Finding(False, str(error))]
    return _run(settings, _check)


def connect(settings: Settings) -> list[Finding]:
    """Set our addresses on our number, then :func:`check`. Raises :class:`bot.channels.sms.client.ProviderError`."""
    if not settings.sms:
        return []
    return _run(settings, _connect)


def _run(settings: Settings, ask: Callable[[Settings, Any], Awaitable[list[Finding]]]) -> list[Finding]:
    async def once() -> list[Finding]:
        twilio, http = client(settings)
        try:
            return await ask(settings, twilio)
        finally:
            await http.close()

    return asyncio.run(once())


async def _connect(settings: Settings, twilio: Any) -> list[Finding]:
    ours = settings.address + PATH
    try:
        number = await _number(settings, twilio)
        if number is None:
            raise ProviderError("HELPLINE_TWILIO_FROM is not a number of this account: buy it, or write the right one")
        # the fallback is the same address: a second attempt of the same message is known by its id
        await twilio.incoming_phone_numbers(number.sid).update_async(sms_url=ours, sms_method="POST", sms_fallback_url=ours, sms_fallback_method="POST")
    except _FAILED as error:
        raise ProviderError(plain(error)) from None
    return await _check(settings, twilio)


async def _check(settings: Settings, twilio: Any) -> list[Finding]:
    found = [_public(settings)]
    try:
        account = await twilio.api.accounts(settings.twilio_account_sid).fetch_async()
        active = account.status == "active"
        found.append(Finding(active, "the account answers and is active" if active else f"the account is {account.status}: nobody gets an answer until it is active"))
        if getattr(account, "type", None) == "Trial":
            found.append(Finding(False, "the account is a trial: it writes only to numbers that were verified by hand, and puts its own words first"))
        number = await _number(settings, twilio)
        if number is None:
            return [*found, Finding(False, "HELPLINE_TWILIO_FROM is not a number of this account: buy it, or write the right one")]
        found += _addresses(settings, number)
        found += await _opt_out(settings, twilio)
    except _FAILED as error:
        found.append(Finding(False, plain(error)))
    return found


def _public(settings: Settings) -> Finding:
    if urlsplit(settings.address).scheme == "https":
        return Finding(True, "HELPLINE_PUBLIC_URL is https")
    return Finding(False, "HELPLINE_PUBLIC_URL is not https: what people write would pass the internet in the clear")


async def _number(settings: Settings, twilio: Any) -> Any | None:
    found = await twilio.incoming_phone_numbers.list_async(phone_number=our_number(settings.twilio_from), limit=2)
    return found[0] if found else None


def _addresses(settings: Settings, number: Any) -> list[Finding]:
    ours = settings.address + PATH
    found = []
    for name, url, method in (("messages", number.sms_url, number.sms_method), ("the fallback", number.sms_fallback_url, number.sms_fallback_method)):
        right = (url or "").split("#")[0] == ours and (method or "POST").upper() == "POST"
        found.append(Finding(right, f"{name}: the number's address is ours" if right else
                             f"{name}: the number's address is not {ours} (POST): run `helpline channels connect`"))
    return found


async def _opt_out(settings: Settings, twilio: Any) -> list[Finding]:
    """Who answers STOP and HELP. The choice itself is not in Twilio's interface: only where to look can be told."""
    ours, number = settings.address + PATH, our_number(settings.twilio_from)
    for service in await twilio.messaging.v1.services.list_async(limit=50):
        if not any(one.phone_number == number for one in await twilio.messaging.v1.services(service.sid).phone_numbers.list_async(limit=400)):
            continue
        takes_over = not service.use_inbound_webhook_on_number and (service.inbound_request_url or "") != ours
        found = [Finding(True, "the number is in a Messaging Service: see there, under Opt-Out Management, that STOP and HELP are left to us (docs/operating.md)")]
        if takes_over:
            found.append(Finding(False, "the Messaging Service takes the number's messages elsewhere: set its Integration to \"Defer to sender's webhook\""))
        return found
    return [Finding(False, "the number is in no Messaging Service: Twilio itself answers STOP and HELP, and then blocks our replies (docs/operating.md)")]
