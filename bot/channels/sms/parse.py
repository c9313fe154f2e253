"""Twilio's parameters as messages and delivery states: pure functions over verified fields.

Source: Twilio, "Twilio's request to your application" (messaging) and "Track the message status of outbound messages".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bot.channels.base import Refused
from bot.channels.sms.country import language_of
from bot.model import Channel, Incoming, MessageKind, SendState

MOST_ADDRESS = 64
_SID = re.compile(r"[A-Z]{2}[0-9A-Za-z]{1,64}")
_CODE = re.compile(r"[0-9]{1,5}")
_STATES = {"delivered": SendState.DELIVERED, "read": SendState.DELIVERED, "failed": SendState.FAILED, "undelivered": SendState.FAILED,
           "canceled": SendState.FAILED}
OPT_OUT = "stop_messages"


@dataclass(frozen=True)
class Report:
    """What the provider says of one outgoing message. ``state`` is ``None`` while it is under way."""

    sid: str
    state: SendState | None
    reason: str | None = None


def our_number(number: str) -> str:
    """A number without the spaces and marks that people write into it."""
    return re.sub(r"[^0-9+]", "", number)


def sid_of(fields: Mapping[str, str]) -> str:
    """The message's id. Raises :class:`Refused` (422)."""
    sid = fields.get("MessageSid") or fields.get("SmsSid") or ""
    if _SID.fullmatch(sid) is None:
        raise Refused(422, "sid")
    return sid


def check_ours(fields: Mapping[str, str], account: str, number: str) -> None:
    """Raises :class:`Refused` (403) for a message to another account or number: signed rightly, but not for us."""
    if fields.get("AccountSid") != account or our_number(fields.get("To", "")) != number:
        raise Refused(403, "not_ours")


def messages_of(fields: Mapping[str, str]) -> tuple[Incoming, ...]:
    """A webhook's message: its text, and beside it a marker where pictures or a place came with it. Nothing is fetched.

    Both carry the message's own id as ``reference``, and ids of their own. Raises :class:`Refused` (422).
    """
    count = fields.get("NumMedia", "0")
    kinds = [fields.get(f"MediaContentType{n}", "") for n in range(min(int(count), 10))] if _CODE.fullmatch(count) else []
    place = bool(fields.get("Latitude") and fields.get("Longitude"))
    return messages(sid_of(fields), fields.get("From", ""), fields.get("Body", ""), kinds, place=place, opted_out=fields.get("OptOutType", "").upper() == "STOP")


def messages(sid: str, sender: str, body: str, content_types: list[str], *, place: bool = False, opted_out: bool = False,
             sent_at: float | None = None) -> tuple[Incoming, ...]:
    """The same from its parts, as they come from the provider's list too."""
    if not sender.strip() or len(sender) > MOST_ADDRESS:
        raise Refused(422, "from")
    marker = MessageKind.LOCATION if place else media_kind(content_types) if content_types else None
    found: list[Incoming] = []
    if body.strip() or marker is None:
        # where the provider itself has stopped our messages (advanced opt-out), our state follows, whatever word it was
        kind, button = (MessageKind.BUTTON, OPT_OUT) if opted_out else (MessageKind.TEXT, None)
        found.append(Incoming(Channel.SMS, sender, sid, kind, body, button, language_of(sender), sid, sent_at=sent_at))
    if marker is not None:
        found.append(Incoming(Channel.SMS, sender, f"{sid}:media" if found else sid, marker, hint=language_of(sender), reference=sid, sent_at=sent_at))
    return tuple(found)


def media_kind(content_types: list[str]) -> MessageKind:
    """What came, by its first content type. A voice message matters most: its sender may not be able to write."""
    types = [one.lower().split(";")[0].strip() for one in content_types]
    if any(one.startswith("audio/") for one in types):
        return MessageKind.VOICE
    first = types[0]
    if first.startswith(("image/", "video/")):
        return MessageKind.PHOTO
    if first in ("text/vcard", "text/x-vcard", "text/directory"):
        return MessageKind.CONTACT
    return MessageKind.DOCUMENT if first.startswith(("application/", "text/")) else MessageKind.OTHER


def report_of(fields: Mapping[str, str]) -> Report:
    """A status callback's word. Raises :class:`Refused` (422)."""
    return report(sid_of(fields), fields.get("MessageStatus") or fields.get("SmsStatus") or "", fields.get("ErrorCode"))


def report(sid: str, status: str, error_code: str | None) -> Report:
    """The same from its parts. ``reason`` is the provider's error number (21610 opted out, 30003 unreachable, 30005 unknown …) or its word."""
    state = _STATES.get(status)
    if state is not SendState.FAILED:
        return Report(sid, state)
    return Report(sid, state, error_code if error_code and _CODE.fullmatch(error_code) else status)
