"""``helpline channels check`` and ``connect`` for Telegram: what is wrong, in words for an operator."""

from __future__ import annotations

import asyncio
import re
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import tomli
from telegram import WebhookInfo
from telegram.error import Conflict, InvalidToken, TelegramError

from bot.channels.base import Finding
from bot.channels.telegram import menu
from bot.channels.telegram.api import Api
from bot.channels.telegram.config import ALLOWED_UPDATES, TelegramConfig, demand
from bot.settings import Settings, SettingsError

_CATALOGS = Path(__file__).resolve().parents[3] / "translations"
_PORTS = (443, 80, 88, 8443)
"""Ports to which Telegram brings updates (Bot API, ``setWebhook``)."""

_MOST_PENDING = 20
_TOKEN = re.compile(r"[0-9]{5,20}:[A-Za-z0-9_-]{30,64}")


def check(settings: Settings) -> list[Finding]:
    """Everything about token, names, webhook and certificate; nothing where the channel is off."""
    return _ask(settings, _check)


def connect(settings: Settings) -> list[Finding]:
    """Register the webhook (or take it away, for polling) and the menus; then what :func:`check` finds."""
    return _ask(settings, _connect)


def _ask(settings: Settings, question: Any) -> list[Finding]:
    try:
        config = demand(settings)
    except SettingsError as error:
        return [Finding(False, str(error))]
    if config is None:
        return []

    async def answer() -> list[Finding]:
        api = Api(config)
        try:
            found: list[Finding] = await question(api, config, settings)
            return found
        except InvalidToken:
            shape = "" if _TOKEN.fullmatch(config.token) else "; it does not look like one either (digits, a colon, 35 characters)"
            return [Finding(False, f"Telegram does not know HELPLINE_TELEGRAM_TOKEN: copy it again from @BotFather{shape}")]
        except Conflict:
            return [Finding(False, "another process reads this bot's updates: stop it, or give this one a bot of its own")]
        except TelegramError as error:
            return [Finding(False, f"Telegram's server does not answer as it should ({type(error).__name__}): look at HELPLINE_TELEGRAM_API_URL and the network")]
        finally:
            await api.close()

    return asyncio.run(answer())


async def _check(api: Api, config: TelegramConfig, settings: Settings) -> list[Finding]:
    me = await api.bot.get_me()
    found = [Finding(True, f"the token is that of @{me.username}")]
    for what, name in (("the bot's name", me.first_name), ("the bot's address", me.username or ""), ("HELPLINE_BOT_NAME", settings.bot_name)):
        if _names_subject(name):
            found.append(Finding(False, f"{what} names the subject, and shows on a locked phone: choose a neutral one with @BotFather"))
    if me.can_join_groups:
        found.append(Finding(True, "groups can add the bot; it leaves them without a word. @BotFather, /setjoingroups, Disable spares that"))
    info = await api.bot.get_webhook_info()
    return [*found, *(_polling(info) if config.polling else _webhook(info, config))]


def _polling(info: WebhookInfo) -> list[Finding]:
    if info.url:
        return [Finding(False, f"a webhook is registered ({urlsplit(info.url).hostname}), so polling gets nothing: `helpline channels connect` takes it away")]
    return [Finding(True, "no webhook is registered: polling works")]


def _webhook(info: WebhookInfo, config: TelegramConfig) -> list[Finding]:
    found = list(_address(config))
    if not info.url:
        return [*found, Finding(False, "no webhook is registered, Telegram brings nothing: `helpline channels connect`")]
    if info.url != config.webhook:
        found.append(Finding(False, f"Telegram brings updates to {urlsplit(info.url).hostname or 'another address'}, not to {config.webhook}: `helpline channels connect`"))
    else:
        found.append(Finding(True, f"Telegram brings updates to {config.webhook}"))
    # Telegram names no list where all common kinds are brought
    missing = [kind for kind in ALLOWED_UPDATES if info.allowed_updates and kind not in info.allowed_updates]
    if missing:
        found.append(Finding(False, f"Telegram does not bring {', '.join(missing)}: `helpline channels connect`"))
    if info.has_custom_certificate:
        found.append(Finding(True, "a certificate of its own was handed to Telegram; when it changes, it must be handed over again"))
    if info.last_error_date is not None:
        found.append(_last_error(info))
    if info.pending_update_count > _MOST_PENDING:
        found.append(Finding(False, f"{info.pending_update_count} updates wait at Telegram: the doors do not take them, look at their log and at /healthz from outside"))
    return found


def _last_error(info: WebhookInfo) -> Finding:
    assert info.last_error_date is not None
    minutes = max(0, round((datetime.now(timezone.utc) - info.last_error_date).total_seconds() / 60))
    text = info.last_error_message or "no reason given"
    lower = text.lower()
    if "certificate" in lower or "ssl" in lower:
        advice = "the certificate is expired, incomplete (the chain is needed) or for another name"
    elif "403" in text:
        advice = "the secret that Telegram knows is not HELPLINE_TELEGRAM_SECRET: `helpline channels connect`"
    elif "404" in text:
        advice = "the proxy does not pass /channels/telegram on to the doors"
    elif "timed out" in lower or "refused" in lower or "resolve" in lower:
        advice = "the address cannot be reached from outside"
    elif "50" in text:
        advice = "the doors or the proxy have trouble: look at their logs"
    else:
        advice = "see the Bot API's getWebhookInfo"
    return Finding(minutes > 60 and info.pending_update_count == 0, f"Telegram's last failure to bring an update, {minutes} min ago: \"{text}\": {advice}")


def _address(config: TelegramConfig) -> list[Finding]:
    parts = urlsplit(config.webhook)
    if parts.scheme != "https":
        return [Finding(False, "HELPLINE_PUBLIC_URL is not https: Telegram brings updates by TLS only")]
    if (parts.port or 443) not in _PORTS:
        return [Finding(False, f"HELPLINE_PUBLIC_URL has port {parts.port}: Telegram only comes to {', '.join(map(str, _PORTS))}")]
    return []


async def _connect(api: Api, config: TelegramConfig, settings: Settings) -> list[Finding]:
    if config.polling:
        await api.bot.delete_webhook(drop_pending_updates=False)
        found = [Finding(True, "any webhook was taken away; what waited is kept")]
    else:
        # nothing that waits is dropped: each is somebody's message
        await api.bot.set_webhook(config.webhook, allowed_updates=ALLOWED_UPDATES, drop_pending_updates=False, secret_token=config.secret)
        found = [Finding(True, f"the webhook is registered: {config.webhook}")]
    await menu.publish(api, None, settings, config.bot, menu.load(settings))
    found.append(Finding(True, "the command menu and the description are set in every language"))
    return [*found, *await _check(api, config, settings)]


def _names_subject(name: str) -> bool:
    words = tomli.loads((_CATALOGS / "subject-words.toml").read_text(encoding="utf-8"))
    return any(word in name.casefold() for of_language in words.values() for word in of_language)
