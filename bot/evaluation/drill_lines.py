"""By which door a drill's people write, and how their answers come out. One small class a door."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Protocol

import httpx

from bot.channels.sending import RetryLater, RetryNever, SendUnknown, Sent
from bot.mailbox.outbox import Outgoing
from bot.model import Channel
from bot.storage.chores import Chore

TOKEN = "1000:drill"  # noqa: S105 - known to the stand-in alone
SECRET = "drill-secret"  # noqa: S105


@dataclass(frozen=True)
class Request:
    """What a provider, or a page, posts to the doors."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


class Line(Protocol):
    """One door of the drill."""

    channel: Channel
    own_sender: bool
    """Whether the doors send by themselves; else the drill starts senders beside them."""

    def environ(self, stand_in: str) -> dict[str, str]:
        """Settings of all processes. ``stand_in``: the root address of the provider's stand-in."""
        ...

    def address(self, person: int) -> str:
        """Where ``person`` (0, 1, …) is reached: what the stand-in is told as ``chat_id``."""
        ...

    def request(self, person: int, number: int, text: str) -> Request:
        """The ``number``-th message of the whole drill."""
        ...


class PageLine:
    """In by the page's door; out by senders of the drill's own, since a page fetches for itself."""

    channel = Channel.WEB
    own_sender = False

    def environ(self, stand_in: str) -> dict[str, str]:
        return {}

    def address(self, person: int) -> str:
        return f"{person:064x}"

    def request(self, person: int, number: int, text: str) -> Request:
        return Request("/channels/web/messages", {"authorization": f"Bearer {self.address(person)}"}, {"id": f"drill-{number}", "text": text})


class TelegramLine:
    """In by ``POST /channels/telegram`` as Telegram does it (Bot API, ``Update``), out by the doors' own sender to the stand-in."""

    channel = Channel.TELEGRAM
    own_sender = True

    def environ(self, stand_in: str) -> dict[str, str]:
        return {"HELPLINE_TELEGRAM_TOKEN": TOKEN, "HELPLINE_TELEGRAM_SECRET": SECRET, "HELPLINE_TELEGRAM_MODE": "webhook",
                "HELPLINE_TELEGRAM_API_URL": stand_in, "HELPLINE_PUBLIC_URL": "https://drill.example.org"}

    def address(self, person: int) -> str:
        return str(1_000_000 + person)

    def request(self, person: int, number: int, text: str) -> Request:
        chat = int(self.address(person))
        update = {"update_id": number, "message": {
            "message_id": number, "date": int(time.time()), "text": text, "chat": {"id": chat, "type": "private", "first_name": "Drill"},
            "from": {"id": chat, "is_bot": False, "first_name": "Drill", "language_code": "en"}}}
        return Request("/channels/telegram", {"x-telegram-bot-api-secret-token": SECRET}, update)


class BotApi:
    """A provider that speaks the Bot API's ``sendMessage`` to a stand-in. It cannot be asked what it has."""

    def __init__(self, root: str, channel: Channel) -> None:
        self.channel = channel
        self._client = httpx.AsyncClient(base_url=root, timeout=5.0)

    async def send(self, message: Outgoing) -> Sent:
        """Raises as :class:`bot.channels.sending.Provider` says."""
        try:
            answer = await self._client.post(f"/bot{TOKEN}/sendMessage", json={"chat_id": message.address, "text": message.reply.text})
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise RetryLater("unreachable") from None
        except httpx.HTTPError:
            raise SendUnknown("no_answer") from None
        if answer.status_code == 429:
            raise RetryLater("slow_down", float(answer.json()["parameters"]["retry_after"]))
        if answer.status_code >= 500:
            raise SendUnknown("server_error")
        if answer.status_code != 200:
            raise RetryNever("refused")
        return Sent(str(answer.json()["result"]["message_id"]))

    async def find(self, message: Outgoing) -> Sent | None:
        raise SendUnknown("cannot_ask")

    async def do(self, chore: Chore) -> None:
        raise RetryNever("nothing_to_do")


LINES: dict[str, type[PageLine] | type[TelegramLine]] = {"web": PageLine, "telegram": TelegramLine}
