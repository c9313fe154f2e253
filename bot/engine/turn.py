"""One turn: who wins between danger, quiet and everything else, and what is said.

Order, for each act: language; danger now (112 first, whatever else is going on); quiet (nothing is said); the question
"can you write freely" after a quiet time or a gap; then what Rasa's rules and forms say. 112 is an invariant here, not
only a rule: whatever came back, the replies to a danger ``now`` begin with it. A turn in which anything failed says the
safe phrase instead, and staff are told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any, Protocol

from bot.clock import Clock
from bot.engine.acts import FALLBACK, FREELY, OFFER_LANGUAGE, Act, ActReader
from bot.engine.carrier import by_carrier_word
from bot.engine.compose import Composer
from bot.engine.dialogue import DialogueResult, Said
from bot.engine.language import DEFAULT, LanguageDecision, decide_language, likely
from bot.engine.limits import must_be_answered
from bot.engine.markers import NO_PENDING, OBEYED, edit_asks, lately, media_answer
from bot.engine.options import LANGUAGE, MAX_LIKELY_LANGUAGES, expand
from bot.mailbox import HandoffChange, Turn, TurnOutcome
from bot.model import Channel, ConversationState, Danger, Flag, Flood, HandoffState, MessageKind, Priority, Reply, StoredMessage, Understanding
from bot.phrases.catalog import MissingPhrase
from bot.settings import Settings

SAFE = "safe.fallback"
SLOW = "flood.slow"
EMERGENCY = "emergency.now"
EMERGENCY_PHRASES = frozenset({EMERGENCY, "emergency.again", "emergency.text", "emergency.no_speech", "media.location_danger"})
EMERGENCY_AGAIN_SECONDS = 300.0
# Phrases that name the subject, or come near it: after a gap they wait until the person can write freely.
NAMES_SUBJECT = frozenset({"trafficking", "who", "am_i", "disclose", "disclose.more", "suspicion", "refer", "residence.detained", "information",
                           "contact.email", "check.intro", "check.some", "check.none", "minor.first", "help.seri"})
# With these intents the person has named the subject themself.
PERSON_NAMES_SUBJECT = frozenset({"ask_what_is_trafficking", "ask_who_traffickers_are", "refer_someone", "ask_more_information"})
CONFUSING = frozenset({FALLBACK, "out_of_scope"})


class Talk(Protocol):
    """What runs the rules (``bot.engine.dialogue.Dialogue``)."""

    @property
    def intents(self) -> frozenset[str]:
        """The intents that the rules know."""
        ...

    async def turn(self, snapshot: bytes | None, parse: dict[str, Any], context: dict[str, object]) -> DialogueResult:
        """One message through rules, forms and actions."""
        ...


@dataclass(frozen=True)
class TurnResult:
    """What to commit, and how the (last) message was read: ``None`` for a button or a picture."""

    outcome: TurnOutcome
    read: Understanding | None
    act: Act | None
    language: str


@dataclass
class _Work:
    """The turn as it grows, act by act."""

    state: ConversationState
    snapshot: bytes | None
    replies: list[Reply] = field(default_factory=list)
    priority: Priority | None = None
    answers: dict[str, str] = field(default_factory=dict)
    attention: list[str] = field(default_factory=list)
    cancel: bool = False
    erase: bool = False
    quieted: bool = False
    media: set[str] = field(default_factory=set)
    language: str = DEFAULT

    def want_worker(self, priority: Priority) -> None:
        self.priority = priority if self.priority is None else max(self.priority, priority)


class TurnEngine:
    """Runs turns. Holds no conversation: everything comes with the turn and leaves with its outcome."""

    def __init__(self, talk: Talk, acts: ActReader, composer: Composer, settings: Settings, clock: Clock, assault_words: Sequence[str] = ()) -> None:
        """``assault_words`` are beginnings of words for forced sex, in all languages, in lower case."""
        self._talk, self._acts, self._composer, self._settings, self._clock = talk, acts, composer, settings, clock
        self._assault = tuple(assault_words)
        self._languages = tuple(composer.phrases.languages)

    async def run(self, turn: Turn) -> TurnResult:
        """Answer all waiting messages of a turn. Never raises for what a person wrote."""
        work = _Work(turn.state, turn.snapshot, language=turn.state.language or DEFAULT)
        act: Act | None = None
        for group in self._acts.group(turn.messages):
            heard_before = work.state.last_heard_at
            hint = next((message.hint for message in reversed(group) if message.hint), turn.hint)
            act = self._acts.read(group, work.state, work.language, hint)
            if turn.channel is Channel.SMS:
                act = by_carrier_word(act)
            markers = [message.kind for message in group if message.kind not in (MessageKind.TEXT, MessageKind.BUTTON)]
            if (markers and not act.text and work.quieted) or (group[-1].edited and not edit_asks(act, work.state)):
                work.state = replace(work.state, flags=work.state.flags | act.flags, last_heard_at=group[-1].received_at)
                continue
            if self._above_limit(group, act, work):
                work.language = decide_language(work.state, act.read, hint, frozenset(self._languages)).reply
                work.state = replace(work.state, flags=work.state.flags | act.flags, last_heard_at=group[-1].received_at)
                continue
            said_before = len(work.replies)
            await self._act(act, turn, work, hint, heard_before)
            if act.danger is Danger.NOW:  # 112 is the first line, whatever came before it in the same breath
                work.replies = work.replies[said_before:] + work.replies[:said_before]
            elif act.text and markers and not group[-1].edited and act.intent not in OBEYED and work.state.quiet_since is None:
                self._media(markers[-1], act, turn, work, self._clock.now())
            work.state = replace(work.state, last_heard_at=group[-1].received_at, last_intent=act.intent)
            if work.erase:
                break
        self._say_slow(turn, work, act)
        handoff = HandoffChange(work.priority or Priority.NORMAL, work.answers) if work.priority is not None or (work.answers and turn.handoff) else None
        outcome = TurnOutcome(
            state=work.state, replies=tuple(work.replies), snapshot=work.snapshot, handoff=handoff, cancel_unsent=work.cancel,
            erase=work.erase, attention=tuple(work.attention),
        )
        return TurnResult(outcome, act.read if act else None, act, work.language)

    async def _act(self, act: Act, turn: Turn, work: _Work, hint: str | None, heard_before: float | None) -> None:
        now = self._clock.now()
        came_from_quiet = work.state.quiet_since is not None
        decided = decide_language(work.state, act.read, hint, frozenset(self._languages))
        work.state = self._remember(decided.state, act, now)
        work.language = decided.reply
        if act.intent == "cannot_talk_now":
            return self._be_quiet(work, now)
        if act.kind not in (MessageKind.TEXT, MessageKind.BUTTON):
            if came_from_quiet:
                work.state = replace(work.state, question=FREELY, pending=None)
                return self._say([Said("freely.ask", ("yes", "no"))], act, turn, work, decided, hint, now)
            return self._media(act.kind, act, turn, work, now)
        pending, act = self._pending(act, work)
        result = await self._ask_rasa(act, turn, work, decided, hint)
        failed = bool(result.errors)
        if failed:
            work.attention.extend(result.errors)
        said, snapshot = list(result.said), result.snapshot
        self._carry_out(result.effects, work, now)
        if work.state.quiet_since is not None and not came_from_quiet:
            return self._be_quiet(work, now)
        if act.danger is Danger.NOW:
            work.want_worker(Priority.DANGER_NOW)
            if not said or said[0].phrase not in EMERGENCY_PHRASES:
                said = [Said(EMERGENCY, ("cannot_speak",))]
        elif failed:
            said = [Said(SAFE)]
        elif act.read is not None and act.read.fishing and act.intent not in OBEYED:
            # who asks what somebody else wrote learns nothing, not even whether they wrote; staff see it
            said = [Said("fishing", ("worker",))]
            work.attention.append("fishing")
        elif self._must_ask_freely(act, said, came_from_quiet, heard_before, now, pending):
            said, snapshot = [Said("freely.ask", ("yes", "no"))], work.snapshot
            work.state = replace(work.state, question=FREELY, pending=None if act.intent in NO_PENDING else act.intent)
        if not failed:
            work.snapshot = snapshot
        if decided.offer and act.danger is not Danger.NOW:
            said.append(Said("language.offer", ("yes", "no")))
            work.state = replace(work.state, question=OFFER_LANGUAGE + decided.offer)
        self._say(said, act, turn, work, decided, hint, now)

    # --- limits

    def _above_limit(self, group: Sequence[StoredMessage], act: Act, work: _Work) -> bool:
        """Whether an act is only read, not answered: all of it came above the sender's limits, and nothing in it must be answered."""
        if any(message.flood is Flood.WITHIN for message in group) or must_be_answered(act.intent, act.danger):
            return False
        if act.read is not None and must_be_answered(act.read.intent, act.read.danger):
            return False  # a word such as "help" may also be the label of a button
        return not (act.kind is MessageKind.LOCATION and lately(work.state.danger_now_at, self._clock.now()))

    def _say_slow(self, turn: Turn, work: _Work, act: Act | None) -> None:
        """Once, when a limit was met: they can write again soon. Not to somebody who asked for silence, nor after 112."""
        told = any(message.flood is Flood.FIRST_OVER for message in turn.messages)
        silent = work.state.quiet_since is not None or work.state.opted_out_at is not None or work.erase
        if not told or silent or (act is not None and act.danger is Danger.NOW):
            return
        try:
            work.replies.extend(self._composer.compose([Said(SLOW)], (), work.language, turn.channel)[0])
        except MissingPhrase:
            work.attention.append("phrase_missing")

    # --- what is remembered

    @staticmethod
    def _remember(state: ConversationState, act: Act, now: float) -> ConversationState:
        """Danger, flags, quiet and the count of what was not understood, before anything is said."""
        changes: dict[str, Any] = {"quiet_since": None, "opted_out_at": None, "flags": state.flags | act.flags}
        if act.danger is Danger.NOW:
            changes["danger_now_at"] = now
        elif act.danger is Danger.POSSIBLE:
            changes["danger_possible_at"] = now
        if act.intent in PERSON_NAMES_SUBJECT:
            changes["subject_named"] = True
        return replace(state, **changes)

    def _pending(self, act: Act, work: _Work) -> tuple[bool, Act]:
        """A yes to "can you write freely" takes up what waited for it; anything else lets the question go."""
        question, waiting = work.state.question, work.state.pending
        work.state = replace(work.state, question=None, pending=None)
        if question != FREELY or act.intent != "affirm":
            return False, act
        return True, replace(act, intent=waiting or "affirm", choice=None)

    # --- quiet

    def _be_quiet(self, work: _Work, now: float) -> None:
        """No reply, everything unsent is cancelled. Staff are paged at the top where danger or a minor showed in the last hour."""
        work.replies.clear()
        work.cancel = work.quieted = True
        state = work.state
        danger_now = lately(state.danger_now_at, now)
        danger = danger_now or lately(state.danger_possible_at, now)
        if danger or Flag.MINOR in state.flags:
            work.want_worker(Priority.DANGER_NOW if danger_now else Priority.HIGH)
            work.attention.append("quiet_after_danger")
        work.state = replace(state, quiet_since=now, question=None, pending=None, options=())
        work.snapshot = None

    # --- Rasa

    async def _ask_rasa(self, act: Act, turn: Turn, work: _Work, decided: LanguageDecision, hint: str | None) -> DialogueResult:
        state, settings = work.state, self._settings
        if act.intent == "affirm" and act.choice is None and state.question is None and turn.state.question == FREELY:
            return DialogueResult((Said("freely.go_on", ("ask_what_help", "worker")),), (), work.snapshot, ())
        now = self._clock.now()
        waiting = turn.handoff.state.value if turn.handoff and turn.handoff.state is not HandoffState.CLOSED else "none"
        context: dict[str, object] = {
            "language": decided.reply,
            "channel": turn.channel.value,
            "short": turn.channel is Channel.SMS,
            "staffed": settings.desk_staffed,
            "call_back": settings.call_back,
            "danger": act.danger.value,
            "flags": sorted(flag.value for flag in act.flags | (state.flags & {Flag.MINOR})),
            "handoff_state": waiting,
            "subject_named": state.subject_named,
            "choice": act.choice,
            "start_check": act.choice == "self_check",
            "not_understood": float(min(state.not_understood, 9)),
            "near_intent": act.near_intent,
            "emergency_recent": state.emergency_told_at is not None and now - state.emergency_told_at < EMERGENCY_AGAIN_SECONDS,
            "text_112": settings.text_112,
            "contacts_fresh": settings.facts_fresh(datetime.fromtimestamp(now, timezone.utc).date()),
            "assault": self._names_assault(act.text),
            "keep_days": str(settings.keep_days),
            "likely_languages": list(likely(act.read.language if act.read else None, hint, decided.reply, self._languages, MAX_LIKELY_LANGUAGES)),
        }
        confidence = act.read.confidence if act.read and act.choice is None else 1.0
        parse = {"text": act.text, "intent": {"name": act.intent, "confidence": confidence}, "entities": []}
        result = await self._talk.turn(work.snapshot, parse, context)
        confused = state.not_understood + 1 if act.intent in CONFUSING else 0
        question = str((result.slots or {}).get("requested_slot") or "") or None
        work.state = replace(work.state, not_understood=confused, question=question)
        return result

    def _names_assault(self, text: str) -> bool:
        folded = text.casefold()
        return any(word in folded for word in self._assault)

    def _carry_out(self, effects: Sequence[dict[str, Any]], work: _Work, now: float) -> None:
        """Effects of the actions become changes of our own state, committed with the replies."""
        for effect in effects:
            kind = effect["kind"]
            if kind == "handoff":
                work.want_worker(Priority(int(effect["priority"])))
            elif kind == "answers":
                work.answers.update({str(key): str(value) for key, value in effect["answers"].items()})
            elif kind == "question":
                work.state = replace(work.state, question=str(effect["name"]))
            elif kind == "language":
                work.state = replace(work.state, language=str(effect["code"]), language_chosen=True, other_language=None, other_language_count=0)
                work.language = str(effect["code"])
            elif kind == "stop":
                work.cancel = True
                work.state = replace(work.state, opted_out_at=now)
            elif kind == "erase":
                work.erase = work.cancel = True
            elif kind == "quiet":
                work.state = replace(work.state, quiet_since=now)
            else:
                raise ValueError(f"no such effect: {kind}")

    def _must_ask_freely(self, act: Act, said: Sequence[Said], from_quiet: bool, heard_before: float | None, now: float, answered: bool) -> bool:
        if act.intent in OBEYED or answered or not said or said[0].phrase == "freely.go_on":
            return False
        if from_quiet:
            return True
        gap = heard_before is not None and now - heard_before >= self._settings.gap_minutes * 60
        return gap and any(one.phrase in NAMES_SUBJECT for one in said)

    # --- pictures, voice, places

    def _media(self, kind: MessageKind, act: Act, turn: Turn, work: _Work, now: float) -> None:
        """Many of a kind in one turn are answered once."""
        said, priority = media_answer(kind, work.state, self._settings.desk_staffed, now)
        if said[-1].phrase in work.media:
            return
        work.media.add(said[-1].phrase)
        if priority is not None:
            work.want_worker(priority)
        decided = decide_language(work.state, None, None, frozenset(self._languages))
        act = replace(act, kind=kind, danger=Danger.NONE)
        self._say(said, act, turn, work, decided, None, now)

    # --- saying it

    def _say(self, said: list[Said], act: Act, turn: Turn, work: _Work, decided: LanguageDecision, hint: str | None, now: float) -> None:
        if not said:
            return
        emergency = act.danger is Danger.NOW
        options = next((one.options for one in reversed(said) if one.options), ())
        unknown = decided.unknown and not work.state.language_chosen
        if unknown and not emergency and act.intent not in OBEYED:
            said = [Said("language.unknown")]
            options = tuple(LANGUAGE + code for code in likely(act.read.language if act.read else None, hint, "", self._languages, MAX_LIKELY_LANGUAGES))
            options = (*options, "more_languages")
        if act.danger is Danger.POSSIBLE:
            in_writing = Flag.TEXT_ONLY in act.flags and self._settings.text_112
            said = [Said("emergency.text" if in_writing else "danger.line"), *said]
        first = not work.state.greeted and act.intent not in ("stop_messages", "delete_conversation")
        if first:
            named = Said("first.contact_named") if self._settings.bot_name else Said("first.contact")
            said = [*said, Said("first.brief")] if emergency else [said[0], named, *said[1:]] if act.danger is Danger.POSSIBLE else [named, *said]
            if decided.guessed and not options:
                options = ("change_language",)
        options = expand(options, staffed=self._settings.desk_staffed, call_back=self._settings.call_back, languages=self._languages)
        try:
            replies, offered = self._render(said, options, work.language, turn.channel, unknown, first and not emergency)
        except MissingPhrase:
            # Even now danger gets 112, and everybody the number.
            work.attention.append("phrase_missing")
            work.snapshot = turn.snapshot
            replies, offered = self._render([Said(EMERGENCY if emergency else SAFE)], (), work.language, turn.channel, unknown, False)
        if emergency:
            work.state = replace(work.state, emergency_told_at=now)
        work.state = replace(work.state, greeted=work.state.greeted or first, options=offered)
        work.replies.extend(replies)

    def _render(self, said: Sequence[Said], options: tuple[str, ...], language: str, channel: Channel, unknown: bool, first: bool) -> tuple[list[Reply], tuple[str, ...]]:
        """Compose; an unknown language gets English and Finnish. What is said at first contact is a message of its own."""
        if unknown:
            english, offered = self._composer.compose(said, (), DEFAULT, channel)
            finnish, offered = self._composer.compose(said, options, "fi", channel)
            return [*english, *finnish], offered
        cut = next((n + 1 for n, one in enumerate(said) if one.phrase.startswith("first.contact")), 0) if first else 0
        head, _ = self._composer.compose(said[:cut], (), language, channel)
        rest, offered = self._composer.compose(said[cut:], options, language, channel)
        return [*head, *rest], offered
