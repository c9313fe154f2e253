"""Named points of the way of a message, where drills kill a process. Nothing happens there in service."""

from __future__ import annotations

from collections.abc import Callable

POINTS = (
    "receive.stored", "receive.committed", "take.held", "take.committed", "turn.ran", "commit.written", "commit.committed", "send.claimed",
    "send.answered", "send.marked",
)
"""In the order of a message's way. ``stored``, ``held`` and ``written`` come just before a commit."""

_hook: Callable[[str], None] | None = None


def install(hook: Callable[[str], None] | None) -> None:
    """Call ``hook`` with the name of every point that is reached from now on; ``None``: no longer."""
    global _hook
    _hook = hook


def reach(name: str) -> None:
    """The process is at ``name``."""
    if _hook is not None:
        _hook(name)
