"""Accepting messages: each once, none lost, strangers after long silence."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.clock import ManualClock
from bot.mailbox import TurnOutcome, commit, receive, take
from bot.model import Channel, ConversationState, Incoming, MessageKind, Reply
from bot.storage import Store
from bot.storage.tables import conversations, messages, receipts
from bot.vault import SecretKeys, Vault
from tests.mailbox.conftest import ALICE, People


def count(store: Store, table: sa.Table) -> int:
    with store.read() as tx:
        return int(tx.execute(sa.select(sa.func.count()).select_from(table)).scalar())


def test_a_message_sent_twice_is_answered_once(people: People, store: Store) -> None:
    first = people.write("help", provider_id="SM1")
    again = people.write("help", provider_id="SM1")
    assert (first.duplicate, again.duplicate) == (False, True)
    assert again.conversation_id == first.conversation_id
    assert [m.text for m in people.turn().messages] == ["help"]
    assert count(store, messages) == 1


def test_fault_2_a_message_sent_three_times_at_once_is_answered_once(people: People, store: Store) -> None:
    start = threading.Barrier(3)
    found: list[bool] = []

    def send() -> None:
        start.wait()
        found.append(people.write("help", provider_id="SM1").duplicate)

    threads = [threading.Thread(target=send) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [False, True, True]
    assert count(store, messages) == count(store, conversations) == 1


def test_faults_3_and_4_a_message_repeated_a_day_later_after_an_erasure_is_not_answered(people: People, store: Store, clock: ManualClock) -> None:
    people.write("erase", provider_id="U7")
    commit(store, people.turn(), TurnOutcome(ConversationState(), erase=True))
    clock.advance(86400)
    again = people.write("erase", provider_id="U7")
    assert again.duplicate
    assert again.conversation_id is None
    assert take(store, "engine-1", 10) is None


def test_the_same_id_from_two_providers_is_two_messages(people: People) -> None:
    assert not people.write("a", provider_id="1", channel=Channel.SMS).duplicate
    assert not people.write("b", provider_id="1", channel=Channel.TELEGRAM).duplicate


def test_two_people_have_two_conversations_and_one_person_one(people: People) -> None:
    one, two = people.write("a").conversation_id, people.write("b", address="+1 202 555 0102").conversation_id
    assert one != two
    assert people.write("c").conversation_id == one


def test_after_thirty_days_of_silence_a_number_is_a_stranger(people: People, store: Store, clock: ManualClock) -> None:
    old = people.write("my name is on the door").conversation_id
    commit(store, people.turn(), TurnOutcome(ConversationState(language="fi", subject_named=True), snapshot=b"old"))
    clock.advance(30 * 86400 + 1)
    new = people.write("hi")
    turn = people.turn()
    assert new.conversation_id == turn.conversation_id != old
    assert turn.state == ConversationState()
    assert turn.snapshot is None
    assert [m.text for m in turn.messages] == ["hi"]


def test_a_day_before_that_it_is_the_same_person(people: People, store: Store, clock: ManualClock) -> None:
    old = people.write("hi").conversation_id
    clock.advance(29 * 86400)
    assert people.write("hi again").conversation_id == old


def test_fault_27_a_clock_that_jumps_a_day_makes_nobody_a_stranger_and_keeps_the_order(people: People, clock: ManualClock) -> None:
    first = people.write("one").conversation_id
    clock.jump(-86400)
    assert people.write("two").conversation_id == first
    clock.jump(2 * 86400)
    assert people.write("three").conversation_id == first
    assert [m.text for m in people.turn().messages] == ["one", "two", "three"]


def test_the_guess_of_the_language_is_the_last_one_given(people: People) -> None:
    people.write("a", hint="fi")
    people.write("b", hint="ru")
    people.write("c")
    assert people.turn().hint == "ru"


@given(st.text(st.characters()), st.text(st.characters()), st.sampled_from(list(MessageKind)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_whatever_a_person_writes_is_read_back_as_it_was(store: Store, text: str, button: str, kind: MessageKind) -> None:
    with store.read() as tx:
        number = int(tx.execute(sa.select(sa.func.count()).select_from(receipts)).scalar())
    receive(store, Incoming(Channel.WEB, f"{text}", f"{number}-{text}", kind, text, button, None))
    turn = take(store, "engine-1", 10)
    assert turn is not None
    (message,) = turn.messages
    assert (message.text, message.button, message.kind) == (text, button, kind)
    commit(store, turn, TurnOutcome(ConversationState(question=text), (Reply(text),)))


@pytest.mark.parametrize("text", ["x" * 10_000, "\0", "\ud800", "\u202eabc", "🙏" * 300, "\u200b" * 50, ""],
                         ids=["long", "nul", "half a surrogate pair", "right to left", "emoji", "zero width", "empty"])
def test_odd_texts_are_stored_whole(people: People, text: str) -> None:
    people.write(text)
    assert people.turn().messages[0].text == text


def test_a_person_known_under_an_old_naming_key_is_found_and_renamed(store: Store, clock: ManualClock) -> None:
    keys = SecretKeys.parse(SecretKeys.generate())
    newer = SecretKeys(keys.wrapping, SecretKeys.parse(SecretKeys.generate()).naming + keys.naming)
    store.vault = Vault(keys)
    first = receive(store, Incoming(Channel.SMS, ALICE, "SM1", text="a"))
    store.vault = Vault(newer)
    assert receive(store, Incoming(Channel.SMS, ALICE, "SM1", text="a")).duplicate
    assert receive(store, Incoming(Channel.SMS, ALICE, "SM2", text="b")).conversation_id == first.conversation_id
    with store.read() as tx:
        assert tx.execute(sa.select(conversations.c.pseudonym)).scalars().all() == [store.vault.pseudonym("sms", ALICE)]
