"""What is sealed in a conversation's row and rows, and how it is written as bytes.

Everything is JSON in ASCII (a lone surrogate survives as an escape) under the conversation's data key, bound to its place: a body moved
to another conversation, column or row does not open.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from bot.model import Button, ConversationState, Flag, Incoming, Reply
from bot.vault import Vault, WrappedKey


@dataclass(frozen=True, repr=False)
class Sealed:
    """Seals and opens for one conversation. All methods raise :class:`bot.vault.VaultError` on bytes that do not belong there."""

    vault: Vault
    conversation_id: str
    data_key: bytes

    @staticmethod
    def open(vault: Vault, conversation_id: str, wrapped: WrappedKey) -> Sealed:
        return Sealed(vault, conversation_id, vault.unwrap(wrapped))

    def seal(self, place: str, plaintext: bytes) -> bytes:
        return self.vault.encrypt(self.data_key, plaintext, self._associated(place))

    def unseal(self, place: str, sealed: bytes) -> bytes:
        return self.vault.decrypt(self.data_key, bytes(sealed), self._associated(place))

    def seal_json(self, place: str, value: object) -> bytes:
        return self.seal(place, json.dumps(value, separators=(",", ":")).encode("ascii"))

    def unseal_json(self, place: str, sealed: bytes) -> Any:
        return json.loads(self.unseal(place, sealed))

    def _associated(self, place: str) -> bytes:
        return f"{self.conversation_id} {place}".encode("ascii")


def in_place(sequence: int) -> str:
    """The place of an incoming message's body."""
    return f"in {sequence}"


def out_place(sequence: int) -> str:
    """The place of an outgoing message's body."""
    return f"out {sequence}"


def reference_place(sequence: int, way: str) -> str:
    """The place of a provider's own id of a message; ``way`` is ``in`` or ``out``."""
    return f"reference {way} {sequence}"


def incoming_body(incoming: Incoming) -> dict[str, Any]:
    """What of an incoming message is sealed."""
    found: dict[str, Any] = {"text": incoming.text, "button": incoming.button, "hint": incoming.hint}
    if incoming.edited:
        found["edited"] = True
    return found


def reply_body(reply: Reply, language: str | None) -> dict[str, Any]:
    """What of an outgoing message is sealed. ``language`` is the one that it is written in, as far as known."""
    return {"text": reply.text, "buttons": [[b.id, b.label] for b in reply.buttons], "segments": reply.segments, "language": language}


def reply_of(body: dict[str, Any]) -> Reply:
    """Undo :func:`reply_body`."""
    return Reply(body["text"], tuple(Button(id, label) for id, label in body["buttons"]), body["segments"])


def state_fields(state: ConversationState) -> dict[str, Any]:
    """``state`` as JSON values; only what differs from an empty state."""
    fresh = ConversationState()
    found = {f.name: getattr(state, f.name) for f in dataclasses.fields(state)}
    return {name: _plain(value) for name, value in found.items() if value != getattr(fresh, name)}


def state_of(fields: dict[str, Any]) -> ConversationState:
    """Undo :func:`state_fields`. Names and flags that this version does not know are left out, so that an older program can read on."""
    known = {f.name for f in dataclasses.fields(ConversationState)}
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items() if name in known}
    if "flags" in values:
        values["flags"] = frozenset(Flag(flag) for flag in values["flags"] if flag in {f.value for f in Flag})
    return ConversationState(**values)


def _plain(value: object) -> object:
    if isinstance(value, (set, frozenset)):
        return sorted(str(getattr(item, "value", item)) for item in value)
    if isinstance(value, tuple):
        return list(value)
    return value
