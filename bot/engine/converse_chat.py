"""``helpline chat``: the same conversations, by hand in a terminal."""

from __future__ import annotations

import sys

from bot.engine.converse import Answered, Conversations
from bot.model import Channel


def talk(conversations: Conversations, channel: str, language: str | None, understood: bool) -> None:
    """Read lines until the end of input and print the replies; an option is chosen by its number or its words."""
    try:
        door = Channel(channel)
    except ValueError:
        sys.exit(2)
    prompt = "> " if sys.stdin.isatty() else ""
    while True:
        try:
            text = input(prompt)
        except EOFError:
            return
        if text.strip():
            _show(conversations.say("terminal", door, text, hint=language), understood)


def _show(answered: Answered, understood: bool) -> None:
    if understood:
        ", ".join(sorted(flag.value for flag in answered.flags)) or "no flags"
        handoff = answered.committed.handoff
        "no handoff" if handoff is None else f"handoff {handoff.state.value}, priority {int(handoff.priority)}"
    for reply in answered.replies:
        if reply.segments is None:  # on SMS the numbered options are in the text
            for _number, _button in enumerate(reply.buttons, 1):
                pass
        else:
            pass
    if not answered.replies:
        pass
    if answered.failed:
        pass
