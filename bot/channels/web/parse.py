"""Requests of the chat page, parsed: pure functions over bytes. Everything odd is a :class:`Refused` with a short code."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from bot.channels.base import Refused
from bot.model import Channel, Incoming, MessageKind

MOST_CHARACTERS = 20_000
_TOKEN = re.compile(r"[0-9a-f]{64}")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_BUTTON = re.compile(r"[a-z0-9_:-]{1,64}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
_MOST_NUMBER = 2**53 - 1


def parse_token(authorization: str | None) -> str:
    """The page's token out of ``Authorization: Bearer …``: 64 hex digits that the page made. Anything else is 401."""
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or _TOKEN.fullmatch(token) is None:
        raise Refused(401, "token")
    return token


def parse_message(body: bytes, token: str) -> Incoming:
    """``{"id", "text" | "button", "language"?}`` as a message of this token.

    The provider id is the page's id together with its token: two pages that choose the same id do not meet.
    """
    found = _object(body)
    message_id, text, button, language = (found.get(key) for key in ("id", "text", "button", "language"))
    if not isinstance(message_id, str) or _ID.fullmatch(message_id) is None:
        raise Refused(422, "id")
    if language is not None and (not isinstance(language, str) or _LANGUAGE.fullmatch(language) is None):
        raise Refused(422, "language")
    if (text is None) == (button is None):
        raise Refused(422, "text_or_button")
    kind = MessageKind.TEXT if button is None else MessageKind.BUTTON
    if button is not None and (not isinstance(button, str) or _BUTTON.fullmatch(button) is None):
        raise Refused(422, "button")
    if text is not None:
        if not isinstance(text, str):
            raise Refused(422, "text")
        if len(text) > MOST_CHARACTERS:
            raise Refused(413, "too_long")
        if not text.strip():
            raise Refused(422, "empty")
    return Incoming(Channel.WEB, token, f"{token}:{message_id}", kind, text or "", button, language)


def parse_poll(body: bytes) -> int:
    """The number in ``{"after": n}``; absent: 0."""
    after = _object(body).get("after", 0)
    if isinstance(after, bool) or not isinstance(after, int) or not 0 <= after <= _MOST_NUMBER:
        raise Refused(422, "after")
    return after


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise Refused(400, "not_utf8") from None
    except (ValueError, RecursionError):  # a bomb of nested brackets, a number of a million digits
        raise Refused(400, "not_json") from None
    if not isinstance(found, dict):
        raise Refused(422, "not_an_object")
    return found


def _no_constant(_name: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")
