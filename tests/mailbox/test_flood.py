"""Limits against floods: everything is accepted, what one sender costs is bounded, and whoever needs help goes first."""

from __future__ import annotations

import dataclasses

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.clock import ManualClock
from bot.mailbox import TurnOutcome, commit, erase, hurry, receive, retain, take, ungraded
from bot.mailbox.turns import MOST_MESSAGES
from bot.model import Channel, ConversationState, Flood, Incoming, Reply
from bot.storage import Limits, Store
from bot.storage.tables import buckets, conversations, messages
from bot.vault import Vault
from tests.mailbox.conftest import ALICE, People

BOB, CAROL = "+1 202 555 0102", "+1 202 555 0103"
WITHIN, FIRST, OVER = Flood.WITHIN, Flood.FIRST_OVER, Flood.OVER


def write(people: People, count: int, address: str = ALICE) -> list[Flood]:
    return [people.write(f"m{n}", address).flood for n in range(count)]


def test_whoever_writes_very_much_is_accepted_and_slowed_once(people: People, store: Store, clock: ManualClock) -> None:
    assert write(people, 25) == [WITHIN] * 20 + [FIRST] + [OVER] * 4
    assert write(people, 1, BOB) == [WITHIN]
    clock.advance(29)
    assert write(people, 1) == [OVER]
    clock.advance(2)  # half a minute's worth is back
    assert write(people, 12) == [WITHIN] * 10 + [FIRST, OVER]
    with store.read() as tx:
        assert tx.execute(sa.select(sa.func.count()).select_from(messages)).scalar() == 25 + 1 + 1 + 12


def test_a_talk_at_a_usual_pace_meets_no_limit(people: People, clock: ManualClock) -> None:
    for _ in range(60):
        assert write(people, 3) == [WITHIN] * 3
        clock.advance(60)


def test_whoever_writes_on_for_hours_meets_the_limit_of_the_hour(people: People, clock: ManualClock) -> None:
    found = []
    for _ in range(60):
        found += write(people, 10)
        clock.advance(60)
    assert found.count(WITHIN) <= 240 + 240
    assert found.count(FIRST) <= 30
    clock.advance(3600)
    assert write(people, 20) == [WITHIN] * 20


def test_the_limits_hold_after_a_restart(people: People, store: Store, vault: Vault, clock: ManualClock) -> None:
    write(people, 21)
    again = Store(store.url, vault, clock)
    assert receive(again, Incoming(Channel.SMS, ALICE, "SM", text="x")).flood is OVER
    again.close()


def test_erasing_and_coming_back_does_not_begin_anew(people: People, store: Store) -> None:
    write(people, 20)
    erase(store, "sms", ALICE)
    assert write(people, 2) == [FIRST, OVER]


def test_what_is_kept_for_it_names_nobody_and_goes_after_an_hour(people: People, store: Store, clock: ManualClock) -> None:
    write(people, 1)
    with store.read() as tx:
        name = tx.execute(sa.select(buckets.c.name)).scalar()
        pseudonym = tx.execute(sa.select(conversations.c.pseudonym)).scalar()
    assert name not in (pseudonym, store.vault.pseudonym("sms", ALICE))
    erase(store, "sms", ALICE)
    clock.advance(3601)
    retain(store)
    with store.read() as tx:
        assert tx.execute(sa.select(buckets)).first() is None


@pytest.mark.parametrize("jump", [-86400.0, 86400.0])
def test_a_clock_that_jumps_a_day_slows_nobody_for_a_day(people: People, clock: ManualClock, jump: float) -> None:
    write(people, 21)
    clock.jump(jump)
    clock.advance(31)
    assert write(people, 1) == [WITHIN]


def test_without_limits_nobody_is_slowed(people: People, store: Store) -> None:
    store.limits = dataclasses.replace(store.limits, flood_per_minute=0)
    assert set(write(people, 60)) == {WITHIN}


def test_replies_that_cost_very_much_slow_their_sender_too(people: People, store: Store, clock: ManualClock) -> None:
    store.limits = dataclasses.replace(store.limits, flood_segments_per_hour=9)
    for expected in (WITHIN, WITHIN, WITHIN, FIRST):
        assert write(people, 1) == [expected]
        commit(store, people.turn(), TurnOutcome(ConversationState(), (Reply("x", (), 3),)))
    clock.advance(3600 * 8 / 9)
    assert write(people, 1) == [WITHIN]


def test_replies_on_other_channels_cost_nothing(people: People, store: Store) -> None:
    store.limits = dataclasses.replace(store.limits, flood_segments_per_hour=1)
    for _ in range(3):
        assert people.write("x", "1001", Channel.TELEGRAM).flood is WITHIN
        commit(store, people.turn(), TurnOutcome(ConversationState(), (Reply("x"),)))


@given(st.lists(st.tuples(st.floats(0, 600), st.integers(1, 30)), max_size=12))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=25)
def test_however_somebody_writes_no_minute_costs_more_than_twice_the_limit(sqlite_store: Store, steps: list[tuple[float, int]]) -> None:
    clock = ManualClock()
    sqlite_store.clock = clock
    people = People(sqlite_store, clock)
    address = f"{steps}"
    within: list[float] = []
    for number, (pause, count) in enumerate(steps):
        clock.advance(pause)
        for n in range(count):
            received = receive(sqlite_store, Incoming(Channel.SMS, address, f"{address} {number} {n}", text="x"))
            within += [clock.now()] if received.flood is WITHIN else []
    assert people
    assert all(sum(begin <= at < begin + 60 for at in within) <= 40 for begin in within)


def test_a_turn_reads_a_bounded_number_of_messages_and_loses_none(people: People, store: Store) -> None:
    write(people, MOST_MESSAGES + 20)
    seen = []
    while (turn := take(store, "engine-1", 10)) is not None:
        assert len(turn.messages) <= MOST_MESSAGES
        seen += [m.text for m in turn.messages]
        commit(store, turn, TurnOutcome(ConversationState()))
    assert seen == [f"m{n}" for n in range(MOST_MESSAGES + 20)]


def test_somebody_elses_flood_is_answered_after_everybody_else(people: People, store: Store) -> None:
    write(people, 21)
    commit(store, people.turn(), TurnOutcome(ConversationState()))
    write(people, 5)  # nothing but what is above the limit
    write(people, 1, BOB)
    assert people.turn().messages[0].flood is WITHIN
    assert {m.flood for m in people.turn().messages} == {OVER}


def test_whoever_must_hurry_goes_before_all_others(people: People, store: Store) -> None:
    for number in range(30):
        people.write("x", f"+1 202 555 01{number:02}")
    last = people.write("he has a knife", "+1 202 555 0199").conversation_id
    assert last is not None
    hurry(store, last)
    assert people.turn().conversation_id == last
    assert people.turn().conversation_id != last


def test_what_must_be_looked_at_for_danger(people: People, store: Store) -> None:
    def wanted(**given: object) -> list[str]:
        found = ungraded(store, (), **{"bursts": False, "backlog": 200, **given})  # type: ignore[arg-type]
        return [m.text for fragments in found.fragments for m in fragments.messages]

    people.write("usual")
    assert wanted() == []
    assert wanted(bursts=True) == ["usual"]
    assert wanted(backlog=0) == ["usual"]
    write(people, 24, BOB)
    assert wanted() == ["m20", "m21", "m22", "m23"]
    assert wanted(limit=2) == ["m20", "m21"]
    everything = ungraded(store, (), bursts=False, backlog=5)
    assert everything.crowded
    assert everything.fragments[0].messages[0].text == "usual"
    assert ungraded(store, everything.waiting, bursts=False, backlog=5).fragments == ()


def test_the_defaults_of_the_store_are_those_of_the_settings() -> None:
    from bot.settings import load

    assert Limits.of(load({})) == Limits()
