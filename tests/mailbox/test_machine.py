"""Anything that may happen to messages, in any order, with crashes between: every one of them has one row and one final outcome."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from bot.clock import ManualClock
from bot.mailbox import LeaseLost, Turn, TurnOutcome, commit, erase, fail, outbox, receive, release, renew, set_aside, take, web_fetch
from bot.model import Channel, ConversationState, Incoming, Reply, SendState
from bot.storage import Limits, Store
from bot.storage.tables import conversations, messages, outgoing, receipts
from bot.vault import SecretKeys, Vault
from tests.postgres import Server

VAULT = Vault(SecretKeys.parse(SecretKeys.generate()))
PEOPLE = st.sampled_from([(Channel.SMS, "+1 202 555 0101"), (Channel.SMS, "+1 202 555 0102"), (Channel.WEB, "a" * 64)])
IDS = st.integers(1, 12).map("id-{}".format)
FINAL = {"handled", "set_aside", "erased"}
LIMITS = Limits(flood_per_minute=3, flood_segments_per_hour=5)


class Mailbox(RuleBasedStateMachine):
    """People write, providers repeat, engines work, die and are overtaken, people go quiet and erase, senders die, clocks jump."""

    turns: Bundle[Turn] = Bundle("turns")

    def __init__(self, opened: Callable[[ManualClock], ExitStack]) -> None:
        super().__init__()
        self.opened = opened

    @initialize()
    def open(self) -> None:
        self.clock = ManualClock()
        self.resources = ExitStack()
        self.store = self.resources.enter_context(self.opened(self.clock))
        self.accepted: dict[tuple[Channel, str], str] = {}  # provider id → text
        self.answered: Counter[str] = Counter()  # text → committed turns that handled it
        self.sending: list[outbox.Outgoing] = []
        self.may_have_it: Counter[tuple[str, int]] = Counter()  # (conversation, number) → requests that may have reached the provider
        self.newest: dict[str, int] = {}  # conversation → number of the newest message that a sender took
        self.goodbyes: dict[str, tuple[int, ...]] = {}  # conversation that opted out → what may still be sent

    @rule(person=PEOPLE, provider_id=IDS)
    def write(self, person: tuple[Channel, str], provider_id: str) -> None:
        key = (person[0], provider_id)
        text = f"{person[0].value} {provider_id}"
        received = receive(self.store, Incoming(*person, provider_id, text=text))
        assert received.duplicate == (key in self.accepted)
        self.accepted.setdefault(key, text)

    @rule(target=turns, owner=st.sampled_from(["engine-1", "engine-2"]), burst=st.sampled_from([0.0, 2.0]))
    def take(self, owner: str, burst: float) -> Turn | None:  # type: ignore[return]
        turn = take(self.store, owner, 10, burst)
        if turn is None:
            return None
        sequences = [m.sequence for m in turn.messages]
        assert sequences == sorted(sequences)
        assert not any(self.answered[m.text] for m in turn.messages), "an answered message came again"
        return turn

    @rule(turn=turns, erases=st.booleans(), wish=st.sampled_from(["", "", "quiet", "stop"]), replies=st.integers(0, 2), part=st.booleans())
    def commit(self, turn: Turn | None, erases: bool, wish: str, replies: int, part: bool) -> None:
        if turn is None:
            return
        quiet, stop = wish == "quiet", wish == "stop"
        handled = turn.messages[:1] if part else turn.messages
        texts = tuple(Reply(f"to {turn.messages[0].text} {n}") for n in range(replies))
        state = ConversationState(quiet_since=self.clock.now() if quiet else None, opted_out_at=self.clock.now() if stop else None)
        outcome = TurnOutcome(state, texts, b"s", cancel_unsent=quiet or stop, erase=erases, handled=tuple(m.id for m in handled))
        try:
            done = commit(self.store, turn, outcome)
        except LeaseLost:
            return
        if stop and not erases:
            self.goodbyes[turn.conversation_id] = done.sequences
        else:
            self.goodbyes.pop(turn.conversation_id, None)
        for message in handled:
            self.answered[message.text] += 1

    @rule(turn=turns, how=st.sampled_from(["fail", "release", "renew", "set_aside"]))
    def give_up(self, turn: Turn | None, how: str) -> None:
        if turn is None:
            return
        try:
            if how == "fail":
                assert fail(self.store, turn) == turn.failures + 1
            elif how == "set_aside":
                set_aside(self.store, turn, "broken", (Reply("safe"),))
                for message in turn.messages:
                    self.answered[message.text] += 1
            else:
                {"release": release, "renew": renew}[how](self.store, turn)
        except LeaseLost:
            pass

    @rule(seconds=st.sampled_from([0.5, 3.0, 11.0, 700.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(seconds=st.sampled_from([-86400.0, 86400.0]))
    def the_clock_is_set(self, seconds: float) -> None:
        self.clock.jump(seconds)

    @rule(person=PEOPLE)
    def erase(self, person: tuple[Channel, str]) -> None:
        there = self.reachable(person)
        assert erase(self.store, person[0].value, person[1]) == there
        assert not self.reachable(person)

    @rule()
    def page_fetches(self) -> None:
        web_fetch(self.store, "a" * 64, 0)

    @rule(owner=st.sampled_from(["doors-1", "doors-2"]))
    def sender_claims(self, owner: str) -> None:
        found = outbox.due(self.store, Channel.SMS, owner)
        assert len({m.conversation_id for m in found}) == len(found), "two messages of one person under way at once"
        assert all(m.expires_at > self.clock.now() for m in found), "sent too late"
        with self.store.read() as tx:
            quiet = set(tx.execute(sa.select(conversations.c.id).where(conversations.c.quiet)).scalars())
        for message in found:
            key = message.conversation_id
            assert message.doubtful or key not in quiet, "sent while quiet"
            assert message.doubtful or key not in self.goodbyes or message.sequence in self.goodbyes[key], "sent to somebody who opted out"
            assert message.sequence >= self.newest.get(key, 0), "out of order"
            self.newest[key] = message.sequence
        self.sending.extend(found)

    @rule(how=st.sampled_from(["sent", "429", "never", "unknown", "dies before", "dies after"]), which=st.integers(0, 3))
    def sender_sends(self, how: str, which: int) -> None:
        """One attempt: what the provider has afterwards, and what the sender says of it, if it lives to say so."""
        if not self.sending:
            return
        message = self.sending.pop(which % len(self.sending))
        if how in ("sent", "unknown", "dies after"):
            self.may_have_it[message.conversation_id, message.sequence] += 1
        if how == "sent":
            outbox.mark(self.store, message, SendState.SENT, provider_id=f"{message.conversation_id} {message.sequence} {message.attempt}")
        elif how == "429":
            outbox.mark(self.store, message, SendState.QUEUED, retry_after=30)
        elif how == "never":
            outbox.mark(self.store, message, SendState.FAILED, reason="blocked")
        elif how == "unknown":
            outbox.mark(self.store, message, SendState.UNKNOWN, reason="timeout")

    @rule()
    def all_senders_die(self) -> None:
        self.sending.clear()

    @invariant()
    def what_the_provider_may_have_twice_is_marked(self) -> None:
        if not hasattr(self, "store"):
            return
        twice = {key for key, count in self.may_have_it.items() if count > 1}
        with self.store.read() as tx:
            rows = tx.execute(sa.select(outgoing)).all() if twice else []
        assert not [row for row in rows if (row.conversation_id, row.sequence) in twice and not row.possible_duplicate], "doubled without a mark"

    @invariant()
    def every_accepted_message_has_one_row_and_at_most_one_outcome(self) -> None:
        if not hasattr(self, "store"):
            return
        with self.store.read() as tx:
            rows = list(tx.execute(sa.select(receipts.c.hash, receipts.c.outcome, messages.c.id, messages.c.handled_at)
                                   .outerjoin(messages, messages.c.receipt == receipts.c.hash)))
            orphans = tx.execute(sa.select(sa.func.count()).select_from(messages).where(
                messages.c.conversation_id.not_in(sa.select(conversations.c.id)))).scalar()
        assert len(rows) == len(self.accepted)
        assert {r.hash for r in rows} == {VAULT.receipt(channel.value, provider_id) for channel, provider_id in self.accepted}
        for row in rows:
            if row.outcome == "waiting":
                assert row.id is not None, "lost"
                assert row.handled_at is None
            else:
                assert row.outcome in FINAL
                assert row.id is None or row.handled_at is not None
        assert orphans == 0
        assert max(self.answered.values(), default=0) <= 1, "answered twice"

    def reachable(self, person: tuple[Channel, str]) -> bool:
        with self.store.read() as tx:
            query = sa.select(conversations.c.id).where(conversations.c.pseudonym == VAULT.pseudonym(person[0].value, person[1]))
            return tx.execute(query).first() is not None

    def teardown(self) -> None:
        """Whatever happened, an engine that goes on working finishes everything, and a sender too."""
        if not hasattr(self, "store"):
            return
        self.clock.advance(60)
        while (turn := take(self.store, "last", 10)) is not None:
            commit(self.store, turn, TurnOutcome(ConversationState(), (Reply("x"),)))
        self.every_accepted_message_has_one_row_and_at_most_one_outcome()
        for _ in range(500):
            found = outbox.due(self.store, Channel.SMS, "last")
            for message in found:
                outbox.mark(self.store, message, SendState.SENT)
            self.clock.advance(30)
            with self.store.read() as tx:
                left = tx.execute(sa.select(sa.func.count()).select_from(outgoing).where(outgoing.c.state.in_(["queued", "sending"]),
                                  outgoing.c.conversation_id.in_(sa.select(conversations.c.id).where(conversations.c.channel == "sms")))).scalar()
            if not left:
                break
        assert not left, "a message without a final state"
        with self.store.read() as tx:
            assert set(tx.execute(sa.select(receipts.c.outcome)).scalars()) <= FINAL
        self.what_the_provider_may_have_twice_is_marked()
        self.resources.close()


@pytest.mark.parametrize(("kind", "examples"), [("sqlite", 40), ("postgresql", 10)])
def test_whatever_happens_each_message_has_one_outcome_and_nothing_is_sent_that_may_not_be(
        kind: str, examples: int, request: pytest.FixtureRequest) -> None:
    server: Server | None = request.getfixturevalue("postgres") if kind == "postgresql" else None

    @contextmanager
    def opened(clock: ManualClock) -> Iterator[Store]:
        with ExitStack() as stack:
            store = (Store.throwaway(VAULT, clock, LIMITS) if server is None else
                     Store(stack.enter_context(server.database()), VAULT, clock, LIMITS))
            stack.callback(store.close)
            yield store

    run_state_machine_as_test(lambda: Mailbox(opened), settings=settings(  # type: ignore[arg-type]
        max_examples=examples, stateful_step_count=35, deadline=None, suppress_health_check=list(HealthCheck),
        phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking takes minutes; the steps are short enough to read
    ))
