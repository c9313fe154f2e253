"""Telegram as the sender sees it: one message out, with its buttons; and deleting what was erased."""

from __future__ import annotations

from telegram import InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions
from telegram.error import BadRequest, TelegramError

from bot.channels.sending import RetryLater, RetryNever, SendError, SendUnknown, Sent
from bot.channels.telegram.api import Api, accepted_id, failure
from bot.channels.telegram.pace import Pace
from bot.channels.telegram.split import split
from bot.clock import Clock
from bot.mailbox.outbox import Outgoing
from bot.model import Author, Channel
from bot.storage.chores import Chore

ASKED_SECONDS = 60.0
"""A reply that comes later than this after what it answers is no longer what the person waits for: it makes no sound."""

_SHORT_LABEL = 12
_MOST_DELETED = 100
_NO_PREVIEW = LinkPreviewOptions(is_disabled=True)
# These come from an accepted answer that it cannot read.
_UNREADABLE = (KeyError, TypeError, ValueError, AttributeError)


class TelegramProvider:
    """Implements :class:`bot.channels.sending.Provider` over the Bot API."""

    channel = Channel.TELEGRAM

    def __init__(self, api: Api, clock: Clock, pace: Pace | None = None) -> None:
        self._api = api
        self._clock = clock
        self._pace = pace if pace is not None else Pace()

    async def send(self, message: Outgoing) -> Sent:
        """Send one message as plain text. One above 4,096 characters goes in parts, the buttons with the last; their ids are joined by commas."""
        chat = _chat(message.address)
        keyboard = _keyboard(message)
        silent = self._silent(message)
        parts = split(message.reply.text)
        sent: list[str] = []
        for number, part in enumerate(parts, 1):
            try:
                await self._pace.turn(chat)
                sent.append(await self._send_one(chat, part, keyboard if number == len(parts) else None, silent))
            except (RetryLater, RetryNever) as error:
                if sent:  # a part is there already: trying again would say it twice
                    raise SendUnknown("part_of_it") from error
                raise
        return Sent(",".join(sent))

    async def _send_one(self, chat: int, text: str, keyboard: InlineKeyboardMarkup | None, silent: bool) -> str:
        try:
            made = await self._api.bot.send_message(
                chat, text, reply_markup=keyboard, disable_notification=silent, link_preview_options=_NO_PREVIEW,
                protect_content=False)  # people must be able to keep the number
        except TelegramError as error:
            raise self._failed(chat, error) from error
        except _UNREADABLE as error:
            number = accepted_id()
            if number is None:
                raise SendUnknown("unreadable") from error
            return number
        return str(made.message_id)

    async def find(self, message: Outgoing) -> Sent | None:
        """A bot cannot read what it sent. Raises :class:`SendUnknown`, always."""
        raise SendUnknown("cannot_be_asked")

    async def do(self, chore: Chore) -> None:
        """``delete``: take both sides' messages out of the chat. What is not there any more, or too old, is left.

        Source: Bot API, ``deleteMessages``: at most 100, any message of a private chat that was sent less than 48 hours ago.
        """
        if chore.kind != "delete":
            raise RetryNever("unknown_chore")
        chat = _chat(str(chore.body["address"]))
        joined = ",".join(str(reference) for reference in chore.body["references"])
        ids = sorted({int(one) for one in joined.split(",") if one.isascii() and one.isdigit()})
        for start in range(0, len(ids), _MOST_DELETED):
            await self._delete(chat, ids[start : start + _MOST_DELETED])

    async def _delete(self, chat: int, ids: list[int]) -> None:
        try:
            await self._api.bot.delete_messages(chat, ids)
        except BadRequest:
            # one of them cannot go: the others must
            for one in ids:
                try:
                    await self._api.bot.delete_message(chat, one)
                except BadRequest:
                    continue
                except TelegramError as error:
                    raise _chore_failure(self._failed(chat, error)) from error
        except TelegramError as error:
            raise _chore_failure(self._failed(chat, error)) from error

    def _failed(self, chat: int, error: TelegramError) -> SendError:
        failed = failure(error)
        if isinstance(failed, RetryLater) and failed.reason == "too_many":
            self._pace.refused(chat, failed.after or 0.0)
        return failed

    def _silent(self, message: Outgoing) -> bool:
        """Whether no sound may draw somebody's eyes to the phone: for everything but the answer to what the person has just written."""
        asked = message.asked_at
        return message.author is Author.WORKER or asked is None or self._clock.now() - asked > ASKED_SECONDS


def _chore_failure(failed: SendError) -> SendError:
    return RetryLater(failed.reason) if isinstance(failed, SendUnknown) else failed  # deleting twice does no harm


def _chat(address: str) -> int:
    try:
        return int(address)
    except ValueError:
        raise RetryNever("no_such_chat") from None


def _keyboard(message: Outgoing) -> InlineKeyboardMarkup | None:
    """One option a row, two where the labels are short. What is behind a button is opaque: only we can say what it means."""
    rows: list[list[InlineKeyboardButton]] = []
    room = False
    for button, token in zip(message.reply.buttons, message.tokens, strict=True):
        short = len(button.label) <= _SHORT_LABEL
        made = InlineKeyboardButton(button.label, callback_data=token)
        if short and room:
            rows[-1].append(made)
            room = False
        else:
            rows.append([made])
            room = short
    return InlineKeyboardMarkup(rows) if rows else None


