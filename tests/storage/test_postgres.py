"""What is PostgreSQL's own: restarts, locks, and many engines and senders who must not trip over each other."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from bot.clock import ManualClock
from bot.mailbox import TurnOutcome, commit, outbox, receive, retain, take
from bot.model import Channel, ConversationState, Incoming, Reply, SendState
from bot.storage import StorageUnavailable, StorageUnusable, Store, conversations
from bot.storage import outgoing as outgoing_rows
from bot.storage import store as module
from bot.storage.tables import messages, outgoing, receipts
from bot.vault import SecretKeys, Vault
from tests.postgres import Server

VAULT = Vault(SecretKeys.parse(SecretKeys.generate()))
ALICE, BOB = "+1 202 555 0101", "+1 202 555 0102"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(postgres: Server, clock: ManualClock) -> Iterator[Store]:
    with postgres.database() as url:
        store = Store(url, VAULT, clock)
        yield store
        store.close()


def writes(store: Store, number: int, address: str = ALICE) -> str:
    found = receive(store, Incoming(Channel.SMS, address, f"SM{number}", text=f"m{number}")).conversation_id
    assert found is not None
    return found


def answered(store: Store, *replies: str) -> None:
    turn = take(store, "engine", 10)
    assert turn is not None
    commit(store, turn, TurnOutcome(ConversationState(), tuple(Reply(text) for text in replies)))


@contextmanager
def beside(deed: Callable[[], object]) -> Iterator[threading.Thread]:
    """Do ``deed`` in another thread; it must be done soon after the block."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            deed()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield thread
    finally:
        thread.join(20)
    assert not thread.is_alive()
    assert failed == []


def test_after_the_server_was_restarted_the_same_process_goes_on(postgres: Server, store: Store) -> None:
    writes(store, 1)
    postgres.stop(signal.SIGQUIT)
    try:
        with pytest.raises(StorageUnavailable):
            writes(store, 2)
        with pytest.raises(StorageUnavailable):
            take(store, "engine", 10)
        with pytest.raises(StorageUnusable, match="does not answer"):
            store.check()
    finally:
        postgres.start()
    assert not receive(store, Incoming(Channel.SMS, ALICE, "SM2", text="m2")).duplicate
    turn = take(store, "engine", 10)
    assert turn is not None
    assert [m.text for m in turn.messages] == ["m1", "m2"]


def test_a_restart_in_the_middle_of_a_transaction_leaves_nothing_of_it(postgres: Server, store: Store) -> None:
    with pytest.raises(StorageUnavailable), store.write() as tx:
        tx.execute(receipts.insert().values(hash="x", channel="sms", first_seen=1.0, outcome="waiting"))
        postgres.stop()
        postgres.start()
        tx.execute(receipts.insert().values(hash="y", channel="sms", first_seen=1.0, outcome="waiting"))
    with store.read() as tx:
        assert tx.execute(sa.select(sa.func.count()).select_from(receipts)).scalar() == 0


def test_a_lock_that_is_never_given_back_is_not_waited_for_for_ever(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUSY_SECONDS", 0.2)
    impatient = Store(store.url, VAULT, store.clock)
    conversation = writes(store, 1)
    with store.write() as tx:
        conversations.get(tx, conversation, lock=True)
        with pytest.raises(StorageUnavailable, match="locked"):
            writes(impatient, 2)
    impatient.close()
    assert not receive(store, Incoming(Channel.SMS, ALICE, "SM2", text="m2")).duplicate


def test_a_process_that_hangs_in_a_transaction_loses_its_locks(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_IDLE_SECONDS", 0.2)
    hanging = Store(store.url, VAULT, store.clock)
    conversation = writes(store, 1)
    with pytest.raises(StorageUnavailable), hanging.write() as tx:
        conversations.get(tx, conversation, lock=True)
        time.sleep(0.5)
        writes(store, 2)
        conversations.get(tx, conversation)
    hanging.close()


def test_a_person_who_is_written_for_just_now_does_not_hold_up_an_engine(store: Store) -> None:
    first = writes(store, 1)
    writes(store, 2, BOB)
    with store.write() as tx:
        conversations.get(tx, first, lock=True)
        began = time.monotonic()
        turn = take(store, "engine-1", 10)
        assert time.monotonic() - began < 1
    assert turn is not None
    assert [m.text for m in turn.messages] == ["m2"]


def test_a_turn_holds_no_lock_while_it_runs(store: Store) -> None:
    writes(store, 1)
    assert take(store, "engine-1", 10) is not None
    with store.read() as tx:
        open_ones = tx.exec_driver_sql("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
                                       "AND state <> 'idle'").scalar()
    assert open_ones == 0
    began = time.monotonic()
    writes(store, 2)
    assert time.monotonic() - began < 1


def test_two_senders_at_once_take_different_messages(store: Store) -> None:
    for number, address in ((1, ALICE), (2, BOB)):
        writes(store, number, address)
        answered(store, f"to {number}", "and more")
    with store.write() as tx:
        (head,) = outgoing_rows.heads(tx, "sms", store.clock.now(), 1)
        assert outgoing_rows.claim(tx, head, "doors-1", store.clock.now() + 10)
        began = time.monotonic()
        found = outbox.due(store, Channel.SMS, "doors-2")
        assert time.monotonic() - began < 1
    assert [m.reply.text for m in found] == ["to 2"]


def test_many_senders_send_each_message_once_and_in_order(store: Store) -> None:
    people = [f"+1 202 555 01{number:02}" for number in range(10)]
    for number, address in enumerate(people):
        writes(store, number, address)
        answered(store, *(f"{address} {n}" for n in range(5)))
    sent: dict[str, list[str]] = {address: [] for address in people}

    def send(owner: str) -> None:
        end = time.monotonic() + 15
        while sum(map(len, sent.values())) < 50 and time.monotonic() < end:
            for message in outbox.due(store, Channel.SMS, owner, 3):
                sent[message.address].append(message.reply.text)
                assert outbox.mark(store, message, SendState.SENT, provider_id=message.reply.text)

    threads = [threading.Thread(target=send, args=(f"doors-{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sent == {address: [f"{address} {n}" for n in range(5)] for address in people}
    with store.read() as tx:
        assert set(tx.execute(sa.select(outgoing.c.state, outgoing.c.possible_duplicate, outgoing.c.attempts))) == {("sent", False, 1)}


def test_quiet_that_comes_while_a_sender_claims_lets_nothing_out_later(store: Store) -> None:
    writes(store, 1)
    answered(store, "one")
    writes(store, 2)
    turn = take(store, "engine", 10)
    assert turn is not None
    with store.write() as tx:
        (head,) = outgoing_rows.heads(tx, "sms", store.clock.now(), 5)
        outgoing_rows.claim(tx, head, "doors", store.clock.now() + 10)
        quiet = TurnOutcome(ConversationState(quiet_since=1.0), cancel_unsent=True)
        thread = threading.Thread(target=commit, args=(store, turn, quiet))
        thread.start()
        time.sleep(0.3)
        assert thread.is_alive()  # it waits for the claim
    thread.join(5)
    with store.write() as tx:
        assert outgoing_rows.settle(tx, head.id, None, {"state": "queued"}, (SendState.SENDING,))  # the attempt came to nothing
    assert outbox.due(store, Channel.SMS, "doors") == ()


def test_a_message_that_comes_while_old_talks_are_let_go_is_kept(store: Store, clock: ManualClock) -> None:
    conversation = writes(store, 1)
    answered(store)
    writes(store, 2, BOB)
    answered(store)
    clock.advance(30 * 86400 + 5)
    store.limits = module.Limits(stranger=1e9)
    with store.write() as tx:
        conversations.get(tx, conversation, lock=True)
        conversations.heard(tx, conversation, clock.now())
        assert retain(store) == 1
    with store.read() as tx:
        assert conversations.get(tx, conversation) is not None


def test_people_writing_while_replies_expire_are_never_turned_away(store: Store, clock: ManualClock) -> None:
    for number in range(10):
        writes(store, number, f"+1 202 555 01{number:02}")
        answered(store, *"abcdefgh")
    clock.advance(599.9)

    def write_on() -> None:
        for number in range(10):
            writes(store, 100 + number, f"+1 202 555 01{number:02}")

    def expire() -> None:
        for _ in range(30):
            outbox.expire(store)
            clock.advance(0.01)

    with beside(write_on), beside(expire):
        pass
    with store.read() as tx:
        assert tx.execute(sa.select(sa.func.count()).select_from(messages)).scalar() == 20


def test_two_erasures_and_a_message_at_once_leave_the_message(store: Store) -> None:
    from bot.mailbox import erase

    for round_ in range(15):
        writes(store, round_ * 10)
        with beside(lambda: erase(store, "sms", ALICE)), beside(lambda: erase(store, "sms", ALICE)), beside(lambda number=round_: writes(store, number * 10 + 1)):  # type: ignore[misc]
            pass
        with store.read() as tx:
            waiting = tx.execute(sa.select(sa.func.count()).select_from(receipts).where(receipts.c.outcome == "waiting")).scalar()
            rows = tx.execute(sa.select(sa.func.count()).select_from(messages)).scalar()
        assert waiting == rows <= 1
        erase(store, "sms", ALICE)
