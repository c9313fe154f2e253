"""Turns: one holder at a time, everything of a turn kept or nothing, nothing lost when an engine dies."""

from __future__ import annotations

import dataclasses
import threading

import pytest
import sqlalchemy as sa

from bot.clock import ManualClock
from bot.mailbox import (
    HandoffChange,
    LeaseLost,
    Turn,
    TurnOutcome,
    commit,
    fail,
    hurry,
    release,
    renew,
    set_aside,
    take,
    ungraded,
    web_fetch,
)
from bot.model import Button, Channel, ConversationState, Flag, HandoffState, Priority, Reply
from bot.storage import Store, ledger
from bot.storage.tables import conversations, messages, outgoing, receipts
from bot.vault import SecretKeys, Vault
from tests.mailbox.conftest import ALICE, People

BOB = "+1 202 555 0102"
FULL_STATE = ConversationState(
    language="fa", language_chosen=True, other_language="sv", other_language_count=2, quiet_since=None, opted_out_at=5.5, greeted=True, subject_named=True,
    last_heard_at=1.5, danger_now_at=2.0, danger_possible_at=3.0, emergency_told_at=4.0, flags=frozenset({Flag.MINOR, Flag.TEXT_ONLY}), not_understood=1,
    question="q", pending="erase", options=("a", "b"), last_intent="greet")


def texts(turn: Turn) -> list[str]:
    return [m.text for m in turn.messages]


def column(store: Store, what: sa.Column[object]) -> list[object]:
    with store.read() as tx:
        return list(tx.execute(sa.select(what)).scalars())


def test_everything_that_a_turn_changed_is_there_in_the_next(people: People, store: Store) -> None:
    people.write("hi")
    commit(store, people.turn(), TurnOutcome(FULL_STATE, (Reply("ok"),), b"snapshot", HandoffChange(Priority.HIGH, {"how": "write"})))
    people.write("more")
    turn = people.turn()
    assert turn.state == FULL_STATE
    assert turn.snapshot == b"snapshot"
    assert turn.handoff is not None
    assert (turn.handoff.state, turn.handoff.priority, turn.handoff.answers) == (HandoffState.REQUESTED, Priority.HIGH, {"how": "write"})


def test_every_field_of_the_state_is_tried_above() -> None:
    fresh = dataclasses.asdict(ConversationState())
    assert [name for name, value in dataclasses.asdict(FULL_STATE).items() if value == fresh[name]] == ["quiet_since"]


def test_two_engines_have_one_person_one_at_a_time(people: People, store: Store) -> None:
    people.write("hi")
    people.turn("engine-1")
    assert take(store, "engine-2", 10) is None


def test_a_hundred_takers_at_once_are_one_turn(people: People, store: Store) -> None:
    people.write("hi")
    start = threading.Barrier(8)
    found: list[Turn | None] = []

    def grab(number: int) -> None:
        start.wait()
        found.extend(take(store, f"engine-{number}-{i}", 10) for i in range(13))

    threads = [threading.Thread(target=grab, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 104
    assert len([t for t in found if t is not None]) == 1


def test_people_are_served_in_the_order_in_which_they_came(people: People, store: Store) -> None:
    people.write("first", BOB)
    people.write("second", ALICE)
    people.write("third", BOB)
    assert texts(people.turn()) == ["first", "third"]
    assert texts(people.turn()) == ["second"]
    assert take(store, "engine-1", 10) is None


def test_a_dead_engines_person_is_taken_over_within_fifteen_seconds(people: People, store: Store, clock: ManualClock) -> None:
    people.write("hi")
    dead = people.turn("engine-1")
    clock.advance(9)
    assert take(store, "engine-2", 10) is None
    clock.advance(6)
    turn = people.turn("engine-2")
    assert texts(turn) == ["hi"]
    assert turn.attempts == 2
    assert turn.fence > dead.fence


def test_a_lease_longer_than_the_promise_is_refused(people: People, store: Store) -> None:
    with pytest.raises(ValueError, match="15"):
        take(store, "engine-1", 16)


def test_an_engine_that_was_taken_over_can_change_nothing(people: People, store: Store, clock: ManualClock) -> None:
    people.write("hi")
    late = people.turn("engine-1")
    clock.advance(11)
    turn = people.turn("engine-2")
    for act in (lambda: commit(store, late, TurnOutcome(ConversationState(), (Reply("doubled"),))), lambda: renew(store, late), lambda: release(store, late),
                lambda: fail(store, late), lambda: set_aside(store, late, "broken")):
        with pytest.raises(LeaseLost):
            act()
    commit(store, turn, TurnOutcome(ConversationState(), (Reply("once"),)))
    assert column(store, outgoing.c.id) == [1]


def test_a_turn_longer_than_its_lease_is_kept_when_nobody_took_over(people: People, store: Store, clock: ManualClock) -> None:
    people.write("hi")
    turn = people.turn()
    clock.advance(60)
    commit(store, turn, TurnOutcome(ConversationState(), (Reply("ok"),)))
    assert take(store, "engine-2", 10) is None


def test_a_long_turn_is_renewed_and_the_four_messages_behind_it_follow_in_order(people: People, store: Store, clock: ManualClock) -> None:
    people.write("one")
    turn = people.turn("engine-1")
    for number in range(4):
        people.write(f"more {number}")
        clock.advance(8)
        renew(store, turn)
        assert take(store, "engine-2", 10) is None
    commit(store, turn, TurnOutcome(ConversationState()))
    assert texts(people.turn("engine-2")) == ["more 0", "more 1", "more 2", "more 3"]


def test_a_clock_set_back_a_day_locks_nobody_out(people: People, store: Store, clock: ManualClock) -> None:
    people.write("hi")
    people.turn("engine-1")
    clock.jump(-86400)
    assert texts(people.turn("engine-2")) == ["hi"]


def test_a_process_that_ends_hands_its_turn_back_at_once(people: People, store: Store) -> None:
    people.write("hi")
    release(store, people.turn("engine-1"))
    assert texts(people.turn("engine-2")) == ["hi"]


@pytest.mark.parametrize("first", ["commit", "release", "fail", "set_aside"])
def test_a_turn_that_was_given_back_can_change_nothing_more(people: People, store: Store, first: str) -> None:
    people.write("hi")
    turn = people.turn()
    acts = {
        "commit": lambda: commit(store, turn, TurnOutcome(ConversationState(), (Reply("once"),))),
        "release": lambda: release(store, turn), "fail": lambda: fail(store, turn), "set_aside": lambda: set_aside(store, turn, "broken", (Reply("once"),)),
    }
    acts[first]()
    for act in [*acts.values(), lambda: renew(store, turn)]:
        with pytest.raises(LeaseLost):
            act()
    assert len(column(store, outgoing.c.id)) == (1 if first in ("commit", "set_aside") else 0)


def test_when_the_commit_breaks_half_way_nothing_of_the_turn_is_kept(people: People, store: Store) -> None:
    people.write("hi")
    turn = people.turn()
    with pytest.raises(ValueError, match="short code"):
        commit(store, turn, TurnOutcome(ConversationState(greeted=True), (Reply("ok"),), b"s", HandoffChange(), attention=("He hit me",)))
    assert column(store, outgoing.c.id) == []
    assert column(store, receipts.c.outcome) == ["waiting"]
    commit(store, turn, TurnOutcome(ConversationState(), (Reply("ok"),)))
    assert column(store, receipts.c.outcome) == ["handled"]


def test_a_turn_handles_only_its_own_messages(people: People, store: Store) -> None:
    people.write("mine")
    turn = people.turn()
    people.write("later")
    with pytest.raises(ValueError, match="its own"):
        commit(store, turn, TurnOutcome(ConversationState(), handled=(turn.messages[0].id + 1,)))
    with pytest.raises(ValueError, match="at least one"):
        commit(store, turn, TurnOutcome(ConversationState(), handled=()))


def test_a_message_that_breaks_its_turn_is_tried_alone_and_set_aside_and_the_later_ones_flow(people: People, store: Store, clock: ManualClock) -> None:
    people.write("poison")
    people.write("fine")
    failures = fail(store, people.turn())
    assert failures == 1
    assert take(store, "engine-1", 10) is None  # a pause, so that a broken turn does not spin
    clock.advance(1)
    people.write("also fine")
    for expected in (2, 3):
        turn = people.turn()
        assert texts(turn) == ["poison"]
        assert fail(store, turn) == expected
        clock.advance(6)
    turn = people.turn()
    assert (texts(turn), turn.failures) == (["poison"], 3)
    done = set_aside(store, turn, "turn_failed", (Reply("safe"),))
    assert len(done.sequences) == 1
    turn = people.turn()
    assert texts(turn) == ["fine"]
    commit(store, turn, TurnOutcome(ConversationState()))
    assert texts(people.turn()) == ["also fine"]
    assert column(store, messages.c.set_aside) == ["turn_failed", None, None]
    with store.read() as tx:
        assert [entry.kind for entry in ledger.unseen(tx)] == ["set_aside"]


def test_a_message_that_kills_the_process_is_counted_too(people: People, clock: ManualClock) -> None:
    people.write("crash")
    for attempt in (1, 2, 3):
        assert people.turn(f"engine-{attempt}").attempts == attempt
        clock.advance(11)


def test_a_conversation_whose_key_is_missing_does_not_stop_the_others(people: People, store: Store) -> None:
    people.write("locked")
    good = store.vault
    keys = SecretKeys.parse(SecretKeys.generate())
    store.vault = Vault(keys)
    people.write("open", BOB)
    assert texts(people.turn()) == ["open"]
    assert take(store, "engine-1", 10) is None
    with store.read() as tx:
        assert [entry.kind for entry in ledger.unseen(tx)] == ["unreadable"]
    store.vault = good


def test_after_the_key_is_back_the_person_is_answered(people: People, store: Store, clock: ManualClock) -> None:
    people.write("locked")
    good = store.vault
    store.vault = Vault(SecretKeys.parse(SecretKeys.generate()))
    assert take(store, "engine-1", 10) is None
    store.vault = good
    clock.advance(16)
    assert texts(people.turn()) == ["locked"]


def test_the_bot_raises_a_handoffs_priority_and_never_lowers_it(people: People, store: Store) -> None:
    for priority, expected in ((Priority.NORMAL, 0), (Priority.DANGER_NOW, 3), (Priority.RAISED, 3)):
        people.write("x")
        done = commit(store, people.turn(), TurnOutcome(ConversationState(), handoff=HandoffChange(priority, {f"p{priority}": "yes"})))
        assert done.handoff is not None
        assert done.handoff.priority == expected
        assert done.handoff.id == 1
    assert done.handoff is not None
    assert done.handoff.answers == {"p0": "yes", "p3": "yes", "p1": "yes"}


def test_when_quiet_begins_nothing_unsent_goes_out_and_nothing_new_is_queued(people: People, store: Store) -> None:
    people.write("hi", channel=Channel.WEB, address="t")
    commit(store, people.turn(), TurnOutcome(ConversationState(), (Reply("one"), Reply("two"))))
    people.write("he is here", channel=Channel.WEB, address="t")
    commit(store, people.turn(), TurnOutcome(ConversationState(quiet_since=1.0), (Reply("a mistake"),), cancel_unsent=True))
    assert column(store, outgoing.c.state) == ["cancelled"] * 3
    assert web_fetch(store, "t", 0).messages == ()
    assert column(store, conversations.c.quiet) == [True]


def test_what_a_page_was_given_but_may_not_have_got_is_not_given_again_after_quiet(people: People, store: Store) -> None:
    people.write("hi", channel=Channel.WEB, address="t")
    commit(store, people.turn(), TurnOutcome(ConversationState(), (Reply("one"),)))
    assert len(web_fetch(store, "t", 0).messages) == 1
    people.write("he is here", channel=Channel.WEB, address="t")
    commit(store, people.turn(), TurnOutcome(ConversationState(quiet_since=1.0), cancel_unsent=True))
    assert web_fetch(store, "t", 0).messages == ()


def test_a_goodbye_to_somebody_who_opts_out_is_still_sent(people: People, store: Store) -> None:
    people.write("stop", channel=Channel.WEB, address="t")
    commit(store, people.turn(), TurnOutcome(ConversationState(opted_out_at=1.0), (Reply("ok"),)))
    assert [m.text for m in web_fetch(store, "t", 0).messages] == ["ok"]
    assert column(store, conversations.c.opted_out) == [True]


def test_fragments_on_sms_are_waited_for_and_are_one_turn(people: People, store: Store, clock: ManualClock) -> None:
    people.write("my boss")
    assert take(store, "engine-1", 10, burst_seconds=2) is None
    clock.advance(1.5)
    people.write("keeps my pay")
    clock.advance(1.5)
    assert take(store, "engine-1", 10, burst_seconds=2) is None
    clock.advance(0.5)
    assert texts(people.turn(burst_seconds=2)) == ["my boss", "keeps my pay"]


def test_somebody_who_never_stops_writing_is_answered_all_the_same(people: People, store: Store, clock: ManualClock) -> None:
    for number in range(6):
        people.write(str(number))
        assert take(store, "engine-1", 10, burst_seconds=2) is None
        clock.advance(1)
    assert len(people.turn(burst_seconds=2).messages) == 6


def test_danger_does_not_wait_for_the_rest(people: People, store: Store) -> None:
    received = people.write("he has a knife")
    (fragments,) = ungraded(store, (), bursts=True, backlog=200).fragments
    assert [m.text for m in fragments.messages] == ["he has a knife"]
    assert ungraded(store, {fragments.messages[-1].id}, bursts=True, backlog=200).fragments == ()
    hurry(store, fragments.conversation_id)
    assert people.turn(burst_seconds=2).conversation_id == received.conversation_id


def test_the_web_page_waits_for_no_fragments(people: People) -> None:
    people.write("hi", channel=Channel.WEB, address="t")
    assert texts(people.turn(burst_seconds=2)) == ["hi"]


def test_a_clock_set_back_makes_no_fragment_wait_a_day(people: People, clock: ManualClock) -> None:
    people.write("hi")
    clock.jump(-86400)
    assert texts(people.turn(burst_seconds=2)) == ["hi"]


def test_buttons_reach_the_page_as_they_were_made(people: People, store: Store) -> None:
    people.write("hi", channel=Channel.WEB, address="t")
    buttons = (Button("ask_human", "عامل"), Button("call", "112"))
    commit(store, people.turn(), TurnOutcome(ConversationState(), (Reply("x", buttons, 2),)))
    assert web_fetch(store, "t", 0).messages[0].buttons == buttons
