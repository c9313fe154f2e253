"""What an outage lost: webhooks that Twilio gave up on after 15 seconds, and delivery states that never came."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot import mailbox
from bot.channels.sms.client import ProviderError
from bot.channels.sms.reconcile import ASK_AFTER, Reconciled, reconcile_once
from bot.clock import ManualClock
from bot.mailbox import TurnOutcome, commit, outbox, take
from bot.model import Channel, ConversationState, Incoming, MessageKind, Reply, SendState
from bot.settings import Settings
from bot.storage import Store, ledger
from bot.storage.tables import outgoing
from tests.channels.sms.conftest import ALICE, BOB, House
from tests.stand_ins.serving import until
from tests.stand_ins.twilio import ACCOUNT, NUMBER, PUBLIC, TOKEN, TwilioStandIn

ROOT = Path(__file__).parents[3]

Look = Callable[[], Reconciled]


def _incoming(sid: str) -> Incoming:
    return Incoming(Channel.SMS, ALICE, sid, text="hello", reference=sid)


@pytest.fixture
def look(settings: Settings, store: Store, stand_in: TwilioStandIn) -> Look:
    """Look once, as `helpline reconcile` does."""
    return lambda: reconcile_once(settings, store)


def attention(store: Store) -> list[str]:
    with store.read() as tx:
        return [entry.kind for entry in ledger.unseen(tx)]


def test_messages_of_an_outage_are_found_in_order_and_each_once(look: Look, stand_in: TwilioStandIn, store: Store, clock: ManualClock) -> None:
    assert look() == Reconciled(0, 0, 0)
    for n in range(5):
        stand_in.incoming(ALICE, f"part {n}", webhook=False)
        clock.advance(30)
    assert look() == Reconciled(5, 5, 0)
    turn = take(store, "e", 10)
    assert turn is not None
    assert [m.text for m in turn.messages] == [f"part {n}" for n in range(5)]
    assert attention(store) == []  # not too late to be answered
    commit(store, turn, TurnOutcome(ConversationState(), (Reply("hi"),)))
    assert outbox.due(store, Channel.SMS, "doors")
    assert look() == Reconciled(5, 0, 0)
    assert take(store, "e", 10) is None


def test_what_was_missed_for_hours_is_heard_and_seen_by_staff_and_not_answered_late(look: Look, stand_in: TwilioStandIn, store: Store, clock: ManualClock) -> None:
    look()
    stand_in.incoming(ALICE, "he is coming", webhook=False)
    clock.advance(3 * 3600)
    assert look() == Reconciled(1, 1, 0)
    assert attention(store) == ["missed"]
    turn = take(store, "e", 10)
    assert turn is not None
    commit(store, turn, TurnOutcome(ConversationState(), (Reply("Call 112 now."),)))
    assert outbox.due(store, Channel.SMS, "doors") == ()
    with store.read() as tx:
        assert tx.execute(sa.select(outgoing.c.state)).scalars().all() == ["expired"]


def test_a_long_list_is_read_to_its_end(look: Look, stand_in: TwilioStandIn, clock: ManualClock) -> None:
    look()
    stand_in.page_size = 10
    for n in range(35):
        stand_in.incoming(f"+1202555{100 + n:04d}", "hello", webhook=False)
    clock.advance(21)
    assert look() == Reconciled(35, 35, 0)


def test_a_young_message_is_left_to_its_webhook(look: Look, stand_in: TwilioStandIn, clock: ManualClock) -> None:
    look()
    stand_in.incoming(ALICE, "hello", webhook=False)
    clock.advance(19)
    assert look() == Reconciled(0, 0, 0)
    clock.advance(1)
    assert look() == Reconciled(1, 1, 0)


def test_a_lost_picture_message_leaves_what_its_webhook_would_have(look: Look, stand_in: TwilioStandIn, store: Store, clock: ManualClock) -> None:
    stand_in.incoming(ALICE, "listen", ["audio/amr"], webhook=False)
    clock.advance(21)
    look()
    turn = take(store, "e", 10)
    assert turn is not None
    assert [(m.kind, m.text) for m in turn.messages] == [(MessageKind.TEXT, "listen"), (MessageKind.VOICE, "")]


def test_what_we_sent_ourselves_is_not_taken_for_a_persons(look: Look, stand_in: TwilioStandIn, store: Store, clock: ManualClock) -> None:
    stand_in.make("outbound-api", NUMBER, NUMBER, "a test to ourselves", "delivered")
    clock.advance(21)
    assert look() == Reconciled(0, 0, 0)


def sent(store: Store, stand_in: TwilioStandIn, text: str) -> str:
    turn = take(store, "e", 10)
    assert turn is not None
    commit(store, turn, TurnOutcome(ConversationState(), (Reply(text),)))
    (message,) = outbox.due(store, Channel.SMS, "doors")
    sid = stand_in.make("outbound-api", NUMBER, ALICE, text, "sent")
    assert outbox.mark(store, message, SendState.SENT, provider_id=sid)
    return sid


@pytest.mark.parametrize(("status", "code", "state"), [("delivered", None, ("delivered", None)), ("undelivered", 30003, ("failed", "30003")), ("failed", None, ("failed", "failed"))])
def test_a_delivery_state_that_never_came_is_asked_for(look: Look, stand_in: TwilioStandIn, store: Store, clock: ManualClock, status: str, code: int | None,
                                                       state: tuple[str, str | None]) -> None:
    mailbox.receive(store, _incoming("SM1"))
    sid = sent(store, stand_in, "one")
    look()
    stand_in.status(sid, status, code)
    clock.advance(ASK_AFTER[0] - 1)
    assert look().states == 0
    clock.advance(1)
    assert look().states == 1
    with store.read() as tx:
        row = tx.execute(sa.select(outgoing.c.state, outgoing.c.reason)).one()
    assert (row.state, row.reason) == state


def test_a_network_that_tells_nothing_is_asked_a_few_times_and_the_text_goes_after_a_day(look: Look, stand_in: TwilioStandIn, store: Store, clock: ManualClock) -> None:
    mailbox.receive(store, _incoming("SM1"))
    sid = sent(store, stand_in, "one")
    while (done := mailbox.owed(store, Channel.SMS)):
        for chore in done:
            mailbox.settled(store, chore)  # the incoming one's
    look()
    asked = stand_in.fetched
    clock.advance(ASK_AFTER[0])
    look()
    for _ in range(30):
        clock.advance(3600)
        look()
    assert stand_in.fetched - asked == len(ASK_AFTER)
    assert [chore.body["references"] for chore in mailbox.owed(store, Channel.SMS)] == [[sid]]


def test_the_doors_find_by_themselves_what_was_lost_before_they_opened(house: House) -> None:
    from tests.channels.sms.conftest import Doors, serving

    until(lambda: mailbox.mark_of(house.store, "sms.heard"))
    house.twilio.incoming(BOB, "is anybody there", webhook=False)
    house.clock.advance(60)
    with serving(Doors(house.settings, house.store).app, lifespan="on"):
        until(house.heard)
        house.answer("Yes.")
        until(lambda: house.twilio.texts(BOB) == ["Yes."])


def test_when_twilio_is_away_the_next_look_begins_where_this_one_did(look: Look, stand_in: TwilioStandIn, store: Store, clock: ManualClock) -> None:
    look()
    stand_in.incoming(ALICE, "hello", webhook=False)
    clock.advance(3600)
    stand_in.token = "f" * 32
    with pytest.raises(ProviderError, match="AUTH_TOKEN"):
        look()
    clock.advance(3600)
    stand_in.token = "0123456789abcdef0123456789abcdef"
    assert look() == Reconciled(1, 1, 0)


def test_an_operator_reads_what_reconciling_found(stand_in: TwilioStandIn, tmp_path: Path) -> None:
    environ = {**os.environ, "HELPLINE_VAR": str(tmp_path), "HELPLINE_TWILIO_ACCOUNT_SID": ACCOUNT, "HELPLINE_TWILIO_AUTH_TOKEN": TOKEN,
               "HELPLINE_TWILIO_FROM": NUMBER, "HELPLINE_PUBLIC_URL": PUBLIC, "HELPLINE_TWILIO_API_URL": stand_in.url}

    def run(command: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "bot", command], env={**environ, **more}, capture_output=True, text=True, timeout=60, cwd=ROOT)

    assert run("migrate").returncode == 0
    done = run("reconcile")
    assert (done.stdout, done.returncode) == ("sms: listed 0, new 0, delivery states learned 0\n", 0)
    done = run("reconcile", HELPLINE_TWILIO_API_URL="http://127.0.0.1:1")
    assert done.returncode == 1
    assert "cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr
