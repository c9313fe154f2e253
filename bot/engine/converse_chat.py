"""``helpline chat``: the same conversations, by hand in a terminal."""

from __future__ import annotations

import sys

import typer

from bot.engine.converse import Answered, Conversations
from bot.model import Channel


def talk(conversations: Conversations, channel: Channel, language: str | None, understood: bool) -> None:
    """Read lines until the end of input and write the replies; an option is chosen by its number or its words."""
    typer.echo("Write a line; Ctrl-D ends. Nothing is kept.", err=True)
    prompt = "> " if sys.stdin.isatty() else ""
    while True:
        try:
            text = input(prompt)
        except EOFError:
            typer.echo()
            return
        if text.strip():
            _show(conversations.say("terminal", channel, text, hint=language), understood)


def _show(answered: Answered, understood: bool) -> None:
    if understood:
        flags = ", ".join(sorted(flag.value for flag in answered.flags)) or "no flags"
        handoff = answered.committed.handoff
        worker = "no handoff" if handoff is None else f"handoff {handoff.state.value}, priority {int(handoff.priority)}"
        typer.echo(f"  ({answered.language}; {answered.intent}; danger {answered.danger.value}; {flags}; {worker})")
    for reply in answered.replies:
        typer.echo(reply.text)
        if reply.segments is None:  # on SMS the numbered options are in the text
            for number, button in enumerate(reply.buttons, 1):
                typer.echo(f"  [{number}] {button.label}")
        else:
            typer.echo(f"  ({reply.segments} segments)")
    if not answered.replies:
        typer.echo("  (no reply: quiet)" if answered.quiet else "  (no reply)")
    if answered.failed:
        typer.echo("  (the turn failed and was given up)", err=True)
