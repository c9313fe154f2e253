"""Whole conversations through the trained model, the real rules, the real mailbox and a moved clock. The stories are data."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot import mailbox
from bot.clock import ManualClock
from bot.engine.acts import ActReader
from bot.engine.turn import TurnEngine
from bot.engine.worker_parts import Parts
from bot.model import Channel, Incoming, MessageKind, Reply
from bot.storage import Limits, Store
from bot.vault import SecretKeys, Vault
from tests.model import LoadedModel

STORIES: list[dict[str, Any]] = [
    story for path in sorted(Path(__file__).parent.glob("*.yml")) for story in yaml.safe_load(path.read_text(encoding="utf-8"))
]
_NUMBERS = itertools.count(1)
# On the page, in a menu: the choice of a language and erasing, whatever was said last.
ALWAYS_THERE = ("lang:", "delete_conversation")


class Person:
    """Somebody who writes through one channel, with the store and the clock of their story."""

    def __init__(self, parts: Parts, model: LoadedModel, channel: Channel, staffed: bool) -> None:
        settings = dataclasses.replace(model.settings, desk_staffed=staffed, bot_expiry_minutes=10**6, stranger_days=365)
        self.clock = ManualClock(1_770_000_000.0)
        self.store = Store.throwaway(Vault(SecretKeys.parse(SecretKeys.generate())), self.clock, Limits.of(settings))
        acts = ActReader(parts.understander, parts.composer.phrases, model.names, parts.dialogue.intents)
        self.engine = TurnEngine(parts.dialogue, acts, parts.composer, settings, self.clock, model.assault_words)
        self.phrases, self.channel = parts.composer.phrases, channel
        self.sms = channel is Channel.SMS
        self.buttons: tuple[str, ...] = ()

    def writes(self, text: str, button: str | None = None) -> tuple[mailbox.TurnOutcome, Any, mailbox.Committed]:
        kind = MessageKind.TEXT if button is None else MessageKind.BUTTON
        received = mailbox.receive(self.store, Incoming(self.channel, "a person", f"m{next(_NUMBERS)}", kind, text, button))
        turn = mailbox.take(self.store, "test", 10.0, conversation_id=received.conversation_id)
        assert turn is not None
        result = asyncio.run(self.engine.run(turn))
        return result.outcome, result, mailbox.commit(self.store, turn, result.outcome)

    def words(self, phrase: str, language: str) -> str:
        """A phrase as this person would read it, up to its first value that changes."""
        form = "short" if self.sms else "full"
        return self.phrases.text(phrase, language, form, count=30, erase_word=self.phrases.text("word.erase", language))


@pytest.mark.trained
@pytest.mark.parametrize("story", STORIES, ids=[story["story"] for story in STORIES])
def test_story(story: dict[str, Any], model: LoadedModel) -> None:
    person = Person(model.parts, model, Channel(story["channel"]), bool(story.get("staffed")))
    try:
        for number, step in enumerate(story["turns"], 1):
            person.clock.advance(3600 * step.get("hours", 0) + 20)
            button = step.get("press")
            if button is not None and not button.startswith(ALWAYS_THERE):
                assert button in person.buttons, f"turn {number}: {button} was not offered, only {person.buttons}"
            outcome, result, committed = person.writes("" if button else step["person"], button)
            person.buttons = tuple(option for option in outcome.state.options)
            problems = list(_differences(step, person, outcome, result, committed))
            assert not problems, f"turn {number} ({step.get('person') or button!r}): " + "; ".join(problems)
    finally:
        person.store.close()


def _differences(step: dict[str, Any], person: Person, outcome: mailbox.TurnOutcome, result: Any, committed: mailbox.Committed) -> Iterator[str]:
    replies: tuple[Reply, ...] = () if outcome.state.quiet_since is not None else outcome.replies
    said = "\n".join(reply.text for reply in replies)
    language = result.language
    if step.get("silent") and replies:
        yield "they were answered"
    if not step.get("silent") and not replies:
        yield "they got no answer"
    if "first" in step and not (replies and replies[0].text.startswith(step["first"])):
        yield f"the first reply does not begin with {step['first']}"
    for phrase in step.get("says", ()):
        if _flat(person.words(phrase, language)) not in _flat(said):
            yield f"{phrase} was not said in {language}; understood: {result.act.intent} {result.act.danger.value}"
    for phrase in step.get("unsaid", ()):
        if _flat(person.words(phrase, language)) in _flat(said):
            yield f"{phrase} was said"
    if "says_any" in step and not any(_flat(person.words(phrase, language)) in _flat(said) for phrase in step["says_any"]):
        yield f"none of {step['says_any']} was said; understood: {result.act.intent}"
    for phrase in step.get("english_and_finnish", ()):
        if not all(_flat(person.words(phrase, code)) in _flat(said) for code in ("en", "fi")):
            yield f"{phrase} was not said in English and Finnish"
    for name, found in {
        "language": language, "danger": result.act.danger.value, "quiet": outcome.state.quiet_since is not None,
        "opted_out": outcome.state.opted_out_at is not None, "erased": outcome.erase,
        "handoff": committed.handoff and [committed.handoff.state.value, int(committed.handoff.priority)],
    }.items():
        if name in step and found != step[name]:
            yield f"{name} is {found}, not {step[name]}"
    if "flags" in step and not set(step["flags"]) <= {flag.value for flag in result.act.flags}:
        yield f"flags are {sorted(flag.value for flag in result.act.flags)}"
    if person.sms and any((reply.segments or 0) > 3 for reply in replies):
        yield "a reply takes more than three segments"
    if {*outcome.attention} - {"quiet_after_danger"} != {*step.get("staff", ())}:
        yield f"staff were alarmed: {outcome.attention}"


def _flat(text: str) -> str:
    return " ".join(text.split())
