"""Updates of the Bot API, parsed: pure functions over bytes. What we do not know is nothing, never an error.

Source of the shapes: https://core.telegram.org/bots/api#update and ``#message``, version 9.3.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn, Union

from bot.channels.base import Refused
from bot.model import Channel, Incoming, MessageKind

MOST_CHARACTERS = 20_000
COMMANDS = {"start": "greet", "help": "help", "language": "change_language", "erase": "delete_conversation"}
"""Our commands, and the options that they stand for. Every other text with a slash is a text."""

# ``/start`` may carry the one word of a link ``t.me/<bot>?start=<word>``: it says where somebody found the link, not what they want.
_COMMAND = re.compile(r"/([a-z]+)(?:@[A-Za-z0-9_]{3,64})?\s*", re.IGNORECASE)
_START_WITH_WORD = re.compile(r"/start(?:@[A-Za-z0-9_]{3,64})?\s+[A-Za-z0-9_-]{1,64}\s*", re.IGNORECASE)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,3}")
_MOST_NUMBER = 2**63

# Content by its key, the first that is there: an animation has a document beside it, a venue a location.
_CONTENT = (
    ("voice", MessageKind.VOICE), ("video_note", MessageKind.VOICE), ("audio", MessageKind.VOICE), ("photo", MessageKind.PHOTO),
    ("animation", MessageKind.OTHER), ("venue", MessageKind.LOCATION), ("location", MessageKind.LOCATION), ("contact", MessageKind.CONTACT),
    ("document", MessageKind.DOCUMENT),
)
# Keys that say about a message, and are nothing that a person sent.
_ABOUT = frozenset({
    "message_id", "message_thread_id", "direct_messages_topic", "from", "sender_chat", "sender_boost_count", "sender_business_bot", "sender_tag", "date", "chat",
    "business_connection_id", "forward_origin", "forward_from", "forward_from_chat", "forward_from_message_id", "forward_signature", "forward_sender_name",
    "forward_date", "is_topic_message", "is_automatic_forward", "reply_to_message", "reply_to_checklist_task_id", "reply_to_poll_option_id", "external_reply",
    "quote", "reply_to_story", "via_bot", "edit_date", "has_protected_content", "is_from_offline", "is_paid_post", "media_group_id", "author_signature",
    "paid_star_count", "entities", "link_preview_options", "suggested_post_info", "effect_id", "caption", "caption_entities", "show_caption_above_media",
    "has_media_spoiler", "reply_markup", "text", "guest_query_id", "guest_bot_caller_user", "guest_bot_caller_chat",
})
# Messages that Telegram writes about the chat itself: nobody said anything. (``users_shared`` and their like answer buttons that we never send.)
_SERVICE = frozenset({
    "new_chat_members", "new_chat_member", "new_chat_participant", "left_chat_member", "left_chat_participant", "new_chat_title", "new_chat_photo",
    "delete_chat_photo", "group_chat_created", "supergroup_chat_created", "channel_chat_created", "message_auto_delete_timer_changed", "migrate_to_chat_id",
    "migrate_from_chat_id", "pinned_message", "invoice", "successful_payment", "refunded_payment", "users_shared", "user_shared", "chat_shared", "connected_website",
    "write_access_allowed", "passport_data", "proximity_alert_triggered", "boost_added", "chat_background_set", "checklist_tasks_done", "checklist_tasks_added",
    "direct_message_price_changed", "forum_topic_created", "forum_topic_edited", "forum_topic_closed", "forum_topic_reopened", "general_forum_topic_hidden",
    "general_forum_topic_unhidden", "giveaway_created", "giveaway", "giveaway_winners", "giveaway_completed", "gift", "unique_gift", "gift_upgrade_sent",
    "paid_message_price_changed", "suggested_post_approved", "suggested_post_approval_failed", "suggested_post_declined", "suggested_post_paid",
    "suggested_post_refunded", "video_chat_scheduled", "video_chat_started", "video_chat_ended", "video_chat_participants_invited", "web_app_data",
    "chat_owner_left", "chat_owner_changed", "managed_bot_created", "poll_option_added", "poll_option_deleted",
})


@dataclass(frozen=True)
class Heard:
    """Somebody wrote, or sent something."""

    incoming: Incoming


@dataclass(frozen=True)
class Pressed:
    """A button under a message: ``token`` is what we had put behind it, ``query`` the id by which Telegram wants to hear that we heard."""

    query: str
    token: str
    incoming: Incoming


@dataclass(frozen=True)
class NotAlone:
    """A group or a channel: everybody in it would read along, so we leave."""

    chat: int


@dataclass(frozen=True)
class Blocked:
    """The person blocked the bot, at ``at`` (seconds since the epoch, UTC) as far as that is known."""

    address: str
    at: float | None


Event = Union[Heard, Pressed, NotAlone, Blocked]


def parse_update(body: bytes, bot: str) -> Event | None:
    """What one update says, ``None`` for nothing that concerns us. ``bot`` is the bot's id. Raises :class:`Refused` for what is no JSON at all."""
    try:
        # broken UTF-8 in a text must not cost the text
        found = json.loads(body.decode("utf-8", "replace"), parse_constant=_no_constant)
    except (ValueError, RecursionError):  # also a bomb of nested brackets, a number of a million digits
        raise Refused(400, "not_json") from None
    return read_update(found, bot)


def update_id(update: object) -> int | None:
    """The update's own number, by which a repeat is known and polling goes on."""
    return _whole(_object(update).get("update_id"))


def read_update(update: object, bot: str) -> Event | None:
    """The same of an update that is JSON already."""
    number = update_id(update)
    if number is None:
        return None
    fields = _object(update)
    provider_id = f"{bot}:{number}"
    for kind in ("message", "edited_message"):
        if kind in fields:
            return _message(_object(fields[kind]), provider_id, edited=kind == "edited_message")
    if "callback_query" in fields:
        return _pressed(_object(fields["callback_query"]), provider_id)
    if "my_chat_member" in fields:
        return _membership(_object(fields["my_chat_member"]))
    for kind in ("channel_post", "edited_channel_post"):
        if kind in fields:
            return _not_alone(_object(_object(fields[kind]).get("chat")))
    return None


def _message(message: dict[str, Any], provider_id: str, *, edited: bool) -> Event | None:
    chat = _object(message.get("chat"))
    address = _private(chat)
    if address is None:
        return _not_alone(chat)
    sender = _object(message.get("from"))
    if sender.get("is_bot") is True:
        return None
    found = _content(message, edited)
    if found is None:
        return None
    kind, text, button = found
    reference = _whole(message.get("message_id"))
    sent = _whole(message.get("edit_date")) if edited else _whole(message.get("date"))
    return Heard(Incoming(
        Channel.TELEGRAM, address, provider_id, kind, text, button, _language(sender), None if reference is None else str(reference), edited,
        float(sent) if sent else None))


def _content(message: dict[str, Any], edited: bool) -> tuple[MessageKind, str, str | None] | None:
    """Kind, text and option of a message. What stands under a picture is the picture's text: danger in it must be found."""
    text = message.get("text")
    if isinstance(text, str) and text.strip():
        option = _command(text)
        return (MessageKind.TEXT, text[:MOST_CHARACTERS], None) if option is None else (MessageKind.BUTTON, "", option)
    caption = message.get("caption")
    caption = caption[:MOST_CHARACTERS] if isinstance(caption, str) and caption.strip() else ""
    if edited and not caption:
        return None  # another picture, or a place that moves: these come every few seconds
    for key, kind in _CONTENT:
        if key in message:
            return kind, caption, None
    unknown = message.keys() - _ABOUT - _SERVICE
    return (MessageKind.OTHER, caption, None) if unknown or caption else None


def _command(text: str) -> str | None:
    """The option behind one of our commands, standing alone."""
    found = _COMMAND.fullmatch(text)
    if found is not None:
        return COMMANDS.get(found.group(1).lower())
    return COMMANDS["start"] if _START_WITH_WORD.fullmatch(text) else None


def _pressed(query: dict[str, Any], provider_id: str) -> Event | None:
    sender = _object(query.get("from"))
    chat = _object(_object(query.get("message")).get("chat"))
    # the message may be gone; in a private chat the chat's id is the person's
    address = _private(chat) if chat else _id(sender.get("id"))
    if address is None:
        return _not_alone(chat)
    number, data = query.get("id"), query.get("data")
    if not isinstance(number, str) or not number:
        return None
    incoming = Incoming(Channel.TELEGRAM, address, provider_id, MessageKind.BUTTON, "", None, _language(sender))
    return Pressed(number, data if isinstance(data, str) else "", incoming)


def _membership(change: dict[str, Any]) -> Event | None:
    chat = _object(change.get("chat"))
    status = _object(change.get("new_chat_member")).get("status")
    address = _private(chat)
    if address is None:
        return None if status in ("left", "kicked") else _not_alone(chat)
    at = _whole(change.get("date"))
    return Blocked(address, None if at is None else float(at)) if status == "kicked" else None


def _private(chat: dict[str, Any]) -> str | None:
    return _id(chat.get("id")) if chat.get("type") == "private" else None


def _not_alone(chat: dict[str, Any]) -> NotAlone | None:
    number = _whole(chat.get("id"))
    return NotAlone(number) if number is not None and chat.get("type") in ("group", "supergroup", "channel") else None


def _language(sender: dict[str, Any]) -> str | None:
    code = sender.get("language_code")
    return code if isinstance(code, str) and _LANGUAGE.fullmatch(code) else None


def _id(value: object) -> str | None:
    number = _whole(value)
    return None if number is None else str(number)


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _MOST_NUMBER else None


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _no_constant(_name: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")
