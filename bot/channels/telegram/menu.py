"""What Telegram shows around the chat: the command menu and the description in each language, and a name. All of it neutral."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from telegram import BotCommand, BotCommandScopeAllPrivateChats

from bot import mailbox
from bot.channels.telegram.api import Api
from bot.phrases.catalog import Phrases
from bot.phrases.facts import fact_values
from bot.settings import Settings
from bot.storage import Store

DEFAULT = "en"
COMMANDS = (("start", "page.title"), ("help", "option.ask_what_help"), ("language", "option.change_language"), ("erase", "page.erase"))
"""Our commands in the menu's order, and the phrases that describe them."""

DESCRIPTION = "first.contact"
SHORT_DESCRIPTION = "page.title"
_CATALOGS = Path(__file__).resolve().parents[3] / "translations"


@dataclass(frozen=True)
class Menu:
    """What is shown to one language; ``language`` is empty for people whose language has none. Lengths: Bot API, ``setMyDescription`` and its kin."""

    language: str
    commands: tuple[tuple[str, str], ...]
    description: str
    short_description: str


def load(settings: Settings) -> Phrases:
    """The catalogs, with the settings' numbers: most of a second, so not in the event loop."""
    return Phrases.load(_CATALOGS, {**fact_values(settings), "name": settings.bot_name})


def menus(phrases: Phrases) -> list[Menu]:
    """One a language, the default first. Raises :class:`bot.phrases.catalog.MissingPhrase`."""
    found = []
    for shown, language in (("", DEFAULT), *((code, code) for code in phrases.languages)):
        commands = tuple((name, phrases.text(phrase, language)) for name, phrase in COMMANDS)
        found.append(Menu(shown, commands, phrases.text(DESCRIPTION, language)[:512], phrases.text(SHORT_DESCRIPTION, language)[:120]))
    return found


async def publish(api: Api, store: Store | None, settings: Settings, bot: str, phrases: Phrases) -> bool:
    """Tell Telegram all of it, unless ``store`` says that it was told the same before; whether it was told now. Raises ``TelegramError``."""
    wanted = menus(phrases)
    told = json.dumps([settings.bot_name, [[m.language, m.commands, m.description, m.short_description] for m in wanted]])
    mark, digest = f"telegram.menu.{bot}", hashlib.sha256(told.encode("ascii")).hexdigest()
    if store is not None and await run_in_threadpool(mailbox.mark_of, store, mark) == digest:
        return False
    for menu in wanted:
        commands = [BotCommand(name, text) for name, text in menu.commands]
        await api.bot.set_my_commands(commands, scope=BotCommandScopeAllPrivateChats(), language_code=menu.language)
        await api.bot.set_my_description(menu.description, language_code=menu.language)
        await api.bot.set_my_short_description(menu.short_description, language_code=menu.language)
    if settings.bot_name:
        await api.bot.set_my_name(settings.bot_name)
    if store is not None:
        await run_in_threadpool(mailbox.set_mark, store, mark, digest)
    return True
