"""The send queue: in order, never late, never doubled without saying so."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from bot.clock import ManualClock
from bot.mailbox import TurnOutcome, commit, erase, outbox
from bot.model import Author, Channel, ConversationState, Reply, SendState
from bot.storage import Store
from bot.storage.tables import outgoing
from tests.mailbox.conftest import ALICE, People

BOB = "+1 202 555 0102"


def answer(people: People, store: Store, *replies: str, address: str = ALICE) -> str:
    conversation = people.write("hi", address).conversation_id
    commit(store, people.turn(), TurnOutcome(ConversationState(), tuple(Reply(text) for text in replies)))
    assert conversation is not None
    return conversation


def due(store: Store, owner: str = "doors-1") -> list[outbox.Outgoing]:
    return list(outbox.due(store, Channel.SMS, owner))


def states(store: Store) -> list[str]:
    with store.read() as tx:
        return list(tx.execute(sa.select(outgoing.c.state).order_by(outgoing.c.id)).scalars())


def doubled(store: Store) -> list[bool]:
    with store.read() as tx:
        return list(tx.execute(sa.select(outgoing.c.possible_duplicate).order_by(outgoing.c.id)).scalars())


def test_replies_go_out_in_order_one_under_way_at_a_time(people: People, store: Store) -> None:
    answer(people, store, "one", "two", "three")
    for text in ("one", "two", "three"):
        (message,) = due(store)
        assert (message.reply.text, message.address, message.author) == (text, ALICE, Author.BOT)
        assert due(store, "doors-2") == []
        assert outbox.mark(store, message, SendState.SENT, provider_id=f"SM-{text}")
    assert due(store) == []
    assert states(store) == ["sent"] * 3
    assert doubled(store) == [False] * 3


def test_a_provider_that_asks_to_wait_is_waited_for_and_others_are_served(people: People, store: Store, clock: ManualClock) -> None:
    answer(people, store, "a1", "a2")
    answer(people, store, "b1", address=BOB)
    first, other = due(store)
    outbox.mark(store, first, SendState.QUEUED, retry_after=30)
    outbox.mark(store, other, SendState.SENT)
    clock.advance(29)
    assert due(store) == []
    clock.advance(1)
    (again,) = due(store)
    assert (again.reply.text, again.attempt, again.doubtful) == ("a1", 2, False)


def test_pauses_grow_when_the_provider_is_down(people: People, store: Store, clock: ManualClock) -> None:
    answer(people, store, "one")
    waits = []
    for _ in range(4):
        waited = 0
        while not (found := due(store)):
            clock.advance(1)
            waited += 1
        outbox.mark(store, found[0], SendState.QUEUED)
        waits.append(waited)
    assert waits == [0, 2, 4, 8]


def test_nothing_is_sent_later_than_ten_minutes_after_the_person_wrote(people: People, store: Store, clock: ManualClock) -> None:
    answer(people, store, "one", "two")
    clock.advance(600)
    assert due(store) == []
    assert states(store) == ["expired", "expired"]


def test_expiry_also_comes_when_no_sender_asks(people: People, store: Store, clock: ManualClock) -> None:
    answer(people, store, "one")
    assert outbox.expire(store) == 0
    clock.advance(601)
    assert outbox.expire(store) == 1


def test_a_person_who_writes_again_keeps_what_waits_alive(people: People, store: Store, clock: ManualClock) -> None:
    answer(people, store, "one")
    clock.advance(590)
    people.write("still here")
    clock.advance(590)
    assert [m.reply.text for m in due(store)] == ["one"]


def test_a_reply_to_a_message_that_waited_too_long_is_never_sent(people: People, store: Store, clock: ManualClock) -> None:
    people.write("hi")
    clock.advance(3600)
    commit(store, people.turn(), TurnOutcome(ConversationState(), (Reply("late"),)))
    assert due(store) == []
    assert states(store) == ["expired"]


def test_a_workers_message_lives_sixty_minutes(people: People, store: Store, clock: ManualClock) -> None:
    conversation = answer(people, store)
    outbox.put(store, conversation, Author.WORKER, Reply("I am here"))
    clock.advance(3599)
    (message,) = due(store)
    outbox.mark(store, message, SendState.QUEUED, retry_after=0)
    clock.advance(1)
    assert due(store) == []
    assert states(store) == ["expired"]


def test_a_clock_set_back_a_day_sends_nothing_a_day_late(people: People, store: Store, clock: ManualClock) -> None:
    answer(people, store, "one")
    clock.jump(-86400)
    assert due(store) == []
    assert states(store) == ["expired"]


def test_a_sender_that_died_leaves_a_doubt_that_is_told(people: People, store: Store, clock: ManualClock) -> None:
    answer(people, store, "one")
    (first,) = due(store)
    clock.advance(outbox.CLAIM_SECONDS)
    (again,) = due(store, "doors-2")
    assert again.doubtful
    assert again.attempt == 2
    assert not outbox.mark(store, first, SendState.SENT)  # the old attempt can no longer speak for it
    assert outbox.mark(store, again, SendState.SENT)
    assert (states(store), doubled(store)) == (["sent"], [True])


def test_a_bots_reply_whose_answer_did_not_come_is_sent_once_more_and_then_stays_unknown(people: People, store: Store) -> None:
    answer(people, store, "one")
    (first,) = due(store)
    outbox.mark(store, first, SendState.UNKNOWN)
    (again,) = due(store)
    assert again.doubtful
    outbox.mark(store, again, SendState.UNKNOWN)
    assert due(store) == []
    assert states(store) == ["unknown"]


def test_a_workers_message_whose_answer_did_not_come_waits_for_the_workers_choice(people: People, store: Store) -> None:
    conversation = answer(people, store)
    outbox.put(store, conversation, Author.WORKER, Reply("one"))
    outbox.put(store, conversation, Author.WORKER, Reply("two"))
    outbox.mark(store, due(store)[0], SendState.UNKNOWN)
    assert states(store) == ["unknown", "queued"]
    assert [m.reply.text for m in due(store)] == ["two"]


def test_a_message_that_may_have_gone_out_and_is_too_late_stays_unknown(people: People, store: Store, clock: ManualClock) -> None:
    answer(people, store, "one")
    due(store)
    clock.advance(601)
    assert due(store) == []
    assert states(store) == ["unknown"]


def test_a_refused_message_is_final_and_the_next_one_goes_on(people: People, store: Store) -> None:
    answer(people, store, "one", "two")
    outbox.mark(store, due(store)[0], SendState.FAILED, reason="blocked")
    assert [m.reply.text for m in due(store)] == ["two"]
    assert states(store)[0] == "failed"


def test_the_provider_says_later_what_became_of_it(people: People, store: Store) -> None:
    answer(people, store, "one", "two")
    for number, word in ((1, SendState.DELIVERED), (2, SendState.FAILED)):
        (message,) = due(store)
        outbox.mark(store, message, SendState.SENT, provider_id=f"SM{number}")
        assert outbox.report(store, Channel.SMS, f"SM{number}", word)
    assert states(store) == ["delivered", "failed"]
    assert not outbox.report(store, Channel.SMS, "SM1", SendState.FAILED)  # final
    assert not outbox.report(store, Channel.SMS, "nobody's", SendState.DELIVERED)


def test_quiet_takes_back_what_is_under_way_if_it_did_not_go_out(people: People, store: Store) -> None:
    answer(people, store, "one", "two")
    (message,) = due(store)
    people.write("he reads this")
    commit(store, people.turn(), TurnOutcome(ConversationState(quiet_since=1.0), cancel_unsent=True))
    outbox.mark(store, message, SendState.QUEUED, retry_after=0)
    assert due(store) == []
    assert states(store) == ["expired", "cancelled"]


@pytest.mark.parametrize("state", [ConversationState(quiet_since=1.0), ConversationState(opted_out_at=1.0)])
def test_nobody_writes_first_to_a_person_who_asked_for_silence(people: People, store: Store, state: ConversationState) -> None:
    people.write("stop")
    turn = people.turn()
    commit(store, turn, TurnOutcome(state))
    with pytest.raises(outbox.NotSent):
        outbox.put(store, turn.conversation_id, Author.WORKER, Reply("hello?"))


def test_a_message_whose_conversation_was_erased_on_the_way_leaves_nothing(people: People, store: Store) -> None:
    answer(people, store, "one")
    (message,) = due(store)
    assert erase(store, "sms", ALICE)
    assert not outbox.mark(store, message, SendState.SENT, provider_id="SM1")
    assert states(store) == []


@pytest.mark.parametrize("state", [SendState.DELIVERED, SendState.EXPIRED, SendState.CANCELLED, SendState.SENDING])
def test_a_sender_cannot_make_up_an_outcome(people: People, store: Store, state: SendState) -> None:
    answer(people, store, "one")
    with pytest.raises(ValueError, match="does not mark"):
        outbox.mark(store, due(store)[0], state)


def test_another_channels_sender_gets_nothing(people: People, store: Store) -> None:
    answer(people, store, "one")
    assert outbox.due(store, Channel.TELEGRAM, "doors-1") == ()


def test_a_reply_that_may_have_gone_out_twice_is_marked_even_when_nobody_knows_the_end(people: People, store: Store, clock: ManualClock) -> None:
    answer(people, store, "one")
    due(store)  # the provider has it, and the sender died
    clock.advance(outbox.CLAIM_SECONDS)
    (again,) = due(store, "doors-2")
    assert doubled(store) == [True]
    outbox.mark(store, again, SendState.UNKNOWN)  # the provider has it again, and its answer was lost
    assert (states(store), doubled(store)) == (["unknown"], [True])
