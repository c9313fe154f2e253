"""What a provider calls a message is kept sealed, buttons have opaque names, and what is erased is deleted there too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from bot import mailbox
from bot.clock import ManualClock
from bot.mailbox import TurnOutcome, commit, erase, outbox, retain
from bot.model import Button, Channel, ConversationState, Incoming, Reply, SendState
from bot.storage import Limits, Store, ledger
from bot.storage.tables import chores, messages, outgoing
from bot.vault import Vault
from tests.mailbox.conftest import People

CHAT = "1001"


def heard(store: Store, reference: str, sent_at: float | None = None) -> None:
    mailbox.receive(store, Incoming(Channel.TELEGRAM, CHAT, f"update {reference}", text="hello", reference=reference, sent_at=sent_at))


def answered(people: People, store: Store, *replies: Reply, reference: str = "out-1") -> outbox.Outgoing:
    commit(store, people.turn(), TurnOutcome(ConversationState(), replies))
    (message,) = outbox.due(store, Channel.TELEGRAM, "doors")
    assert outbox.mark(store, message, SendState.SENT, provider_id=reference)
    return message


def test_a_button_is_known_by_an_opaque_name_and_only_in_its_own_conversation(people: People, store: Store) -> None:
    heard(store, "1")
    message = answered(people, store, Reply("a", (Button("ask_cost", "Cost"), Button("lang:fi", "Suomi"))))
    assert all(len(token) == 16 and "cost" not in token for token in message.tokens)
    assert [outbox.pressed(store, Channel.TELEGRAM, CHAT, token) for token in message.tokens] == ["ask_cost", "lang:fi"]
    assert outbox.pressed(store, Channel.TELEGRAM, CHAT, "A" * 16) is None
    assert outbox.pressed(store, Channel.TELEGRAM, "1002", message.tokens[0]) is None
    erase(store, "telegram", CHAT)
    assert outbox.pressed(store, Channel.TELEGRAM, CHAT, message.tokens[0]) is None


def test_whoever_erases_has_both_sides_messages_of_the_last_two_days_deleted_at_the_provider(people: People, store: Store, clock: ManualClock) -> None:
    heard(store, "old")
    answered(people, store, Reply("a"), reference="old out")
    clock.advance(48 * 3600)
    heard(store, "new")
    answered(people, store, Reply("b"), reference="new out")
    erase(store, "telegram", CHAT)
    (chore,) = mailbox.owed(store, Channel.TELEGRAM)
    assert (chore.kind, chore.body) == ("delete", {"address": CHAT, "references": ["new", "new out"]})
    assert mailbox.owed(store, Channel.TELEGRAM) == ()
    clock.advance(mailbox.RETRY_SECONDS)
    (again,) = mailbox.owed(store, Channel.TELEGRAM)
    assert again.attempts == 2
    mailbox.off(store, again)
    clock.advance(mailbox.RETRY_SECONDS)
    assert mailbox.owed(store, Channel.TELEGRAM) == ()
    clock.advance(mailbox.RETRY_SECONDS)
    (third,) = mailbox.owed(store, Channel.TELEGRAM)
    mailbox.settled(store, third)
    clock.advance(3600)
    assert mailbox.owed(store, Channel.TELEGRAM) == ()


def test_what_can_no_longer_be_deleted_at_the_provider_is_not_kept_for_it(people: People, store: Store, clock: ManualClock) -> None:
    heard(store, "1")
    erase(store, "telegram", CHAT)
    clock.advance(48 * 3600)
    assert mailbox.owed(store, Channel.TELEGRAM) == ()
    with store.read() as tx:
        assert tx.execute(sa.select(chores)).first() is None


def test_a_message_erased_while_it_was_being_sent_is_deleted_at_the_provider_too(people: People, store: Store) -> None:
    heard(store, "1")
    commit(store, people.turn(), TurnOutcome(ConversationState(), (Reply("a"),)))
    (message,) = outbox.due(store, Channel.TELEGRAM, "doors")
    erase(store, "telegram", CHAT)
    assert not outbox.mark(store, message, SendState.SENT, provider_id="late")
    assert [c.body["references"] for c in mailbox.owed(store, Channel.TELEGRAM)] == [["1"], ["late"]]


def test_a_talk_that_is_let_go_after_its_time_goes_at_the_provider_as_well(people: People, store: Store, clock: ManualClock) -> None:
    mailbox.receive(store, Incoming(Channel.SMS, "+1 202 555 0101", "SM1", text="hello", reference="SM1"))
    commit(store, people.turn(), TurnOutcome(ConversationState()))
    clock.advance(31 * 86400)
    assert retain(store) == 1
    assert [c.body["references"] for c in mailbox.owed(store, Channel.SMS)] == [["SM1"]]


def test_references_and_addresses_stand_in_no_column_in_the_clear(people: People, store: Store) -> None:
    heard(store, "reference-in")
    answered(people, store, Reply("a"), reference="reference-out")
    with store.read() as tx:
        found = [bytes(tx.execute(sa.select(table.c.reference)).scalar()) for table in (messages, outgoing)]
    assert all(b"reference" not in sealed for sealed in found)
    if store.path is not None:
        assert b"reference-" not in store.path.read_bytes() + store.path.with_name(store.path.name + "-wal").read_bytes()


@pytest.mark.parametrize(("late", "goes"), [(0.0, True), (590.0, True), (601.0, False)])
def test_a_message_that_the_provider_brings_late_is_not_answered_late(people: People, store: Store, clock: ManualClock, late: float, goes: bool) -> None:
    heard(store, "1", sent_at=clock.now() - late)
    commit(store, people.turn(), TurnOutcome(ConversationState(), (Reply("a"),)))
    assert bool(outbox.due(store, Channel.TELEGRAM, "doors")) == goes


def test_a_late_message_does_not_shorten_the_time_of_what_came_after_it(people: People, store: Store, clock: ManualClock) -> None:
    heard(store, "1")
    heard(store, "0", sent_at=clock.now() - 3600)
    commit(store, people.turn(), TurnOutcome(ConversationState(), (Reply("a"),)))
    assert outbox.due(store, Channel.TELEGRAM, "doors")


def test_a_reader_of_a_providers_list_goes_on_where_it_stood(store: Store) -> None:
    assert mailbox.mark_of(store, "telegram.offset") is None
    mailbox.set_mark(store, "telegram.offset", "7")
    mailbox.set_mark(store, "telegram.offset", "8")
    assert mailbox.mark_of(store, "telegram.offset") == "8"


def kinds(store: Store) -> list[str]:
    with store.read() as tx:
        return [entry.kind for entry in ledger.unseen(tx)]


def test_what_came_too_late_to_be_answered_is_put_before_the_staff(store: Store, clock: ManualClock) -> None:
    heard(store, "1", sent_at=clock.now() - 599)
    assert kinds(store) == []
    heard(store, "2", sent_at=clock.now() - 600)
    assert kinds(store) == ["missed"]


def test_staff_see_that_a_message_did_not_reach_the_person(people: People, store: Store) -> None:
    heard(store, "1")
    answered(people, store, Reply("a"), reference="out-1")
    assert outbox.report(store, Channel.TELEGRAM, "out-1", SendState.FAILED, "30003")
    assert kinds(store) == ["not_delivered"]


def test_staff_see_that_a_message_was_refused_at_once(people: People, store: Store) -> None:
    heard(store, "1")
    commit(store, people.turn(), TurnOutcome(ConversationState(), (Reply("a"),)))
    (message,) = outbox.due(store, Channel.TELEGRAM, "doors")
    assert outbox.mark(store, message, SendState.FAILED, reason="21610")
    assert kinds(store) == ["not_delivered"]


def test_an_alarm_is_raised_once_until_it_was_seen(store: Store) -> None:
    mailbox.alarm(store, "provider_refuses")
    mailbox.alarm(store, "provider_refuses")
    assert kinds(store) == ["provider_refuses"]


def test_we_know_our_own_messages_at_the_provider_and_which_of_them_nothing_was_heard_of(people: People, store: Store, clock: ManualClock) -> None:
    heard(store, "1")
    answered(people, store, Reply("a"), reference="one")
    sent = clock.now()
    clock.advance(60)
    heard(store, "2")
    answered(people, store, Reply("b"), reference="two")
    assert outbox.known(store, Channel.TELEGRAM, ["one", "two", "theirs"]) == {"one", "two"}
    assert outbox.unreported(store, Channel.TELEGRAM, sent - 1, clock.now() - 1) == (("one", sent),)
    outbox.report(store, Channel.TELEGRAM, "one", SendState.DELIVERED)
    assert [reference for reference, _ in outbox.unreported(store, Channel.TELEGRAM, 0, clock.now())] == ["two"]


@pytest.fixture
def redacting(vault: Vault, clock: ManualClock) -> Iterator[Store]:
    store = Store.throwaway(vault, clock, Limits(redact=frozenset({"telegram"})))
    yield store
    store.close()


def redacted(store: Store) -> list[str]:
    chores = [chore for chore in mailbox.owed(store, Channel.TELEGRAM)]
    for chore in chores:
        mailbox.settled(store, chore)
    return [reference for chore in chores if chore.kind == "redact" for reference in chore.body["references"]]


def test_a_text_is_forgotten_at_the_provider_once_it_was_handled_or_delivered(redacting: Store, clock: ManualClock) -> None:
    people = People(redacting, clock)
    heard(redacting, "in")
    assert redacted(redacting) == []
    answered(people, redacting, Reply("a"), reference="out")
    assert redacted(redacting) == ["in"]
    outbox.report(redacting, Channel.TELEGRAM, "out", SendState.DELIVERED)
    outbox.report(redacting, Channel.TELEGRAM, "out", SendState.DELIVERED)
    assert redacted(redacting) == ["out"]


def test_a_text_that_was_set_aside_is_forgotten_at_the_provider_too(redacting: Store, clock: ManualClock) -> None:
    heard(redacting, "in")
    mailbox.set_aside(redacting, People(redacting, clock).turn(), "failed")
    assert redacted(redacting) == ["in"]


def test_where_redaction_is_off_the_provider_is_asked_for_nothing(people: People, store: Store) -> None:
    heard(store, "in")
    answered(people, store, Reply("a"), reference="out")
    outbox.report(store, Channel.TELEGRAM, "out", SendState.DELIVERED)
    assert mailbox.owed(store, Channel.TELEGRAM) == ()
