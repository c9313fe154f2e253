"""Rasa's working memory of one conversation as one small blob: slots, active loop and (as a slot) the question asked.

There is no history of events in it, so a turn costs the same at message 300 as at message 5. The blob may be lost
without losing a message, a handoff or an opt-out: those live in our own tables.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

VERSION = 1


class SnapshotError(ValueError):
    """The blob cannot be read. The conversation goes on with an empty one."""


@dataclass(frozen=True)
class Snapshot:
    """``slots`` holds only what differs from the domain's initial values; every value is JSON. ``loop`` is a form's name."""

    slots: Mapping[str, object] = field(default_factory=dict)
    loop: str | None = None

    def encode(self) -> bytes:
        """Return ASCII JSON, so that lone surrogates in a slot survive. Raises ``TypeError`` for a value that is not JSON."""
        return json.dumps({"v": VERSION, "slots": dict(self.slots), "loop": self.loop}, separators=(",", ":"), sort_keys=True).encode("ascii")

    @classmethod
    def decode(cls, blob: bytes | None) -> Snapshot:
        """Read a blob; ``None`` is an empty one. Raises ``SnapshotError`` for anything that this version did not write."""
        if blob is None:
            return cls()
        try:
            data = json.loads(blob)
        except (ValueError, RecursionError) as error:
            raise SnapshotError("the snapshot is not JSON") from error
        if not isinstance(data, dict) or data.get("v") != VERSION:
            raise SnapshotError("the snapshot is of another version")
        slots, loop = data.get("slots"), data.get("loop")
        if not isinstance(slots, dict) or not (loop is None or isinstance(loop, str)):
            raise SnapshotError("the snapshot has another shape")
        return cls(slots, loop)
