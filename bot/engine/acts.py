"""From waiting messages to acts: what each one means, before any rule runs.

Here a typed digit becomes the option that it names, a yes the answer to the question that was asked, fragments one
text, and danger in any fragment the danger of the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from bot.engine.language import LanguageNames, count_words
from bot.engine.options import CRY_FOR_HELP, LANGUAGE, Chosen, chosen, typed
from bot.model import ConversationState, Danger, Flag, MessageKind, StoredMessage, Understanding
from bot.phrases.catalog import Phrases

FALLBACK = "nlu_fallback"
# Below this probability the best intent is not acted on: the person is asked to say it in other words.
UNSURE = 0.35
# A wish for no more messages, in a sentence, is carried out from this probability on; a bare keyword has more.
CLEAR_WISH = 0.9
# Questions to which a no means: somebody is near, be quiet.
FREELY = "freely"
FREELY_QUESTIONS = frozenset({FREELY, "handoff_freely"})
ERASE, SELF_CHECK = "erase", "self_check"
OFFER_LANGUAGE = "language:"
YES_NO = frozenset({"yes", "no"})


class Reader(Protocol):
    """What understands texts (``bot.understanding.understand.Understander``)."""

    def parse_batch(self, texts: Sequence[str], contexts: Sequence[dict[str, str] | None] | None = None) -> list[Understanding]:
        """One understanding a text, in order. ``contexts``: ``language``, ``hint``, ``question``, ``expects``."""
        ...


@dataclass(frozen=True)
class Act:
    """One thing that the person did. ``read`` is what the text was understood as; ``intent`` and ``choice`` what it means here."""

    kind: MessageKind
    text: str
    intent: str
    choice: str | None = None
    read: Understanding | None = None
    danger: Danger = Danger.NONE
    flags: frozenset[Flag] = frozenset()
    near_intent: str | None = None


class ActReader:
    """Turns stored messages into acts, one after another, since each may change the state that the next is read in."""

    def __init__(self, reader: Reader, phrases: Phrases, names: LanguageNames, intents: frozenset[str]) -> None:
        """``intents`` are those that the rules know; options are checked against them."""
        self._reader, self._phrases, self._names, self._intents = reader, phrases, names, intents
        self._languages = frozenset(phrases.languages)

    @staticmethod
    def group(messages: Sequence[StoredMessage]) -> list[list[StoredMessage]]:
        """Neighbouring texts are one turn's text, and so are neighbouring pictures; a button stands alone, and so does what was edited.

        What is written under a picture is a text among texts.
        """
        groups: list[list[StoredMessage]] = []
        for message in messages:
            before = groups[-1][-1] if groups else None
            alike = before is not None and before.kind is message.kind and bool(before.text) == bool(message.text)
            if before is not None and before.edited == message.edited and ((before.text and message.text) or alike) and MessageKind.BUTTON not in (before.kind, message.kind):
                groups[-1].append(message)
            else:
                groups.append([message])
        return groups

    def read(self, group: Sequence[StoredMessage], state: ConversationState, language: str, hint: str | None) -> Act:
        """What one group means in this state."""
        last = group[-1]
        if last.kind is MessageKind.BUTTON:
            return self._option(last.button or "", state, last.text)
        if last.kind is not MessageKind.TEXT and not last.text:
            return Act(last.kind, "", last.kind.value)
        text = "\n".join(message.text for message in group)
        read = self._understand([message.text for message in group], text, state, hint)
        # a cry for help may be worded like a label ("Help"): the cry wins, a digit chooses
        cry = read.intent == "ask_human" and read.danger is Danger.POSSIBLE
        if read.danger is not Danger.NOW and not (cry and not _has_digit(text)) and (option := typed(text, state.options, self._phrases, language)) is not None:
            return replace(self._option(option, state, text), read=read)
        return self._meaning(read, state)

    def _understand(self, parts: list[str], text: str, state: ConversationState, hint: str | None) -> Understanding:
        context = {"language": state.language or "", "hint": hint or "", "question": state.question or ""}
        if YES_NO & set(state.options) or state.question in FREELY_QUESTIONS:
            context["expects"] = "yes_no"
        texts = [text, *(parts if len(parts) > 1 else [])]
        whole, *fragments = self._reader.parse_batch(texts, [context] * len(texts))
        flags = frozenset(flag for one in (whole, *fragments) for flag in one.flags)
        whole = replace(whole, flags=flags)
        for one in reversed(fragments):
            # The last fragment that asks us not to write wins over calm ones; danger in any fragment wins over all of those.
            if one.danger is Danger.NOW:
                return replace(whole, intent=one.intent, confidence=one.confidence, danger=Danger.NOW)
        if fragments and fragments[-1].intent == "cannot_talk_now":
            return replace(whole, intent="cannot_talk_now", confidence=fragments[-1].confidence, danger=_most(whole, *fragments))
        return replace(whole, danger=_most(whole, *fragments)) if whole.danger is not Danger.NOW else whole

    def _option(self, option: str, state: ConversationState, text: str) -> Act:
        found = chosen(option, self._intents, self._languages)
        if found is None:  # never given out: as if nothing was understood
            return Act(MessageKind.BUTTON, text, FALLBACK)
        found = self._answer(found, state)
        danger = Danger.NOW if found.intent == "report_emergency" else Danger.POSSIBLE if option == CRY_FOR_HELP else Danger.NONE
        flags = frozenset({Flag.TEXT_ONLY}) if found.choice == "cannot_speak" else frozenset()
        return Act(MessageKind.BUTTON, text, found.intent, found.choice, None, danger, flags)

    def _meaning(self, read: Understanding, state: ConversationState) -> Act:
        intent = read.intent
        if read.confidence < UNSURE and read.danger is not Danger.NOW:
            intent = FALLBACK
        if intent == "stop_messages" and (read.danger is not Danger.NONE or read.confidence < CLEAR_WISH):
            # "make him stop" is no opt-out: only a bare keyword or a clear wish silences us
            intent = FALLBACK if read.danger is Danger.NONE else "ask_human"
        found = self._answer(Chosen(intent), state)
        if found.intent == "change_language" and found.choice is None:
            code = self._names.find(read.text, self._languages)
            found = Chosen("change_language", f"{LANGUAGE}{code}" if code else None)
        if found.intent == "delete_conversation" and found.choice is None and count_words(read.text) == 1:
            found = Chosen("delete_conversation", "erase_now")  # a bare keyword is carried out at once
        near = next((other for other, _ in read.ranking if other != read.intent), None)
        return Act(MessageKind.TEXT, read.text, found.intent, found.choice, read, read.danger, read.flags, near)

    @staticmethod
    def _answer(found: Chosen, state: ConversationState) -> Chosen:
        """A yes or a no is the answer to the question that was asked."""
        question = state.question or ""
        yes, no = found.intent == "affirm", found.intent == "deny" and found.choice in (None, "no")
        if no and question in FREELY_QUESTIONS:
            return Chosen("cannot_talk_now")
        if question == ERASE and (yes or no):
            return Chosen("delete_conversation", "erase_now") if yes else Chosen("deny", "erase_no")
        if question == SELF_CHECK and yes:
            return Chosen("ask_am_i_victim", "self_check")
        if question.startswith(OFFER_LANGUAGE) and yes:
            return Chosen("change_language", LANGUAGE + question.removeprefix(OFFER_LANGUAGE))
        return found


def _has_digit(text: str) -> bool:
    return any(character.isdecimal() for character in text)


def _most(*reads: Understanding) -> Danger:
    grades = {one.danger for one in reads}
    return Danger.NOW if Danger.NOW in grades else Danger.POSSIBLE if Danger.POSSIBLE in grades else Danger.NONE
