"""Replies on their way: by REST to the stand-in, with every answer that Twilio has for them."""

from __future__ import annotations

import pytest

from bot import mailbox
from bot.channels.sms import client
from bot.mailbox import outbox
from bot.model import Author, Channel, Incoming, Reply
from tests.channels.sms.conftest import ALICE, BOB, House
from tests.stand_ins.serving import until
from tests.stand_ins.twilio import NUMBER, PUBLIC, Bad


def test_a_reply_goes_out_with_a_status_callback_and_is_not_kept_longer_than_it_may_be_sent(house: House) -> None:
    house.twilio.incoming(ALICE, "hello")
    house.clock.advance(100)
    house.answer("Hi. \u2066+358 2954 63177\u2069")
    house.until_states("sent")
    (sent,) = house.twilio.sent
    sent.pop("sid")
    assert sent == {"To": ALICE, "From": NUMBER, "Body": "Hi. \u2066+358 2954 63177\u2069", "StatusCallback": f"{PUBLIC}/channels/sms/status",
                    "ValidityPeriod": "500", "SmartEncoded": "false"}


def test_replies_arrive_in_order_and_their_delivery_is_known(house: House) -> None:
    house.twilio.incoming(ALICE, "hello")
    house.answer("one", "two", "three")
    house.until_states("sent", "sent", "sent")
    assert house.twilio.texts(ALICE) == ["one", "two", "three"]
    for sent in house.twilio.sent:
        for word in ("queued", "sent", "delivered", "sent"):
            house.twilio.status(sent["sid"], word)
    assert house.states() == [("delivered", None)] * 3


@pytest.mark.parametrize(("status", "code"), [("undelivered", 30003), ("undelivered", 30005), ("undelivered", 30006), ("failed", 21610), ("failed", 30008)])
def test_a_message_that_does_not_reach_the_phone_is_final_and_staff_see_it(house: House, status: str, code: int) -> None:
    house.twilio.incoming(ALICE, "hello")
    house.answer("one")
    house.until_states("sent")
    house.twilio.status(house.twilio.sent[0]["sid"], status, code)
    house.twilio.status(house.twilio.sent[0]["sid"], "delivered")
    assert house.states() == [("failed", str(code))]
    assert house.attention() == ["not_delivered"]


def test_a_delivery_state_that_comes_before_the_answer_to_the_send_is_not_lost(house: House) -> None:
    house.twilio.early_status = "delivered"
    house.twilio.incoming(ALICE, "hello")
    house.answer("one")
    until(lambda: house.states() == [("sent", None)] or house.states() == [("delivered", None)])
    until(lambda: house.clock.advance(1) or house.states() == [("delivered", None)], "the early word was lost")


def test_a_delivery_state_of_a_message_that_is_not_ours_is_forgotten_after_an_hour(house: House) -> None:
    sid = house.twilio.make("outbound-api", NUMBER, BOB, "another program's", "sent")
    house.twilio.messages[sid]["callback"] = f"{PUBLIC}/channels/sms/status"
    house.twilio.status(sid, "delivered")
    house.clock.advance(3601)
    until(lambda: mailbox.owed(house.store, Channel.SMS) == ())
    with house.store.read() as tx:
        from bot.storage.tables import chores

        assert tx.execute(chores.select()).first() is None


def test_whoever_must_wait_is_waited_for_and_others_are_served(house: House) -> None:
    house.twilio.bad.append(Bad(429, 20429, retry_after="30"))
    house.twilio.incoming(ALICE, "hello")
    house.answer("a1", "a2")
    until(lambda: house.twilio.refused)
    house.until_states("queued", "queued")
    house.twilio.incoming(BOB, "hello")
    house.answer("b1")
    house.until_states("queued", "queued", "sent")
    house.clock.advance(29)
    house.twilio.incoming(BOB, "again")
    house.answer("b2")
    until(lambda: house.twilio.texts(BOB) == ["b1", "b2"])
    assert house.twilio.texts(ALICE) == []
    house.clock.advance(1)
    until(lambda: house.twilio.texts(ALICE) == ["a1", "a2"])
    assert house.doubled() == [False] * 4


@pytest.mark.parametrize("bad", [Bad(500, 20500, accept=True), Bad(503, accept=True, body="<html>bad gateway</html>"), Bad(drop=True)], ids=["500", "503", "dropped"])
def test_what_twilio_took_before_it_failed_is_found_there_and_not_sent_again(house: House, bad: Bad) -> None:
    house.twilio.bad.append(bad)
    house.twilio.incoming(ALICE, "hello")
    house.answer("one", "two")
    house.until_states("sent", "sent")
    assert house.twilio.texts() == ["one", "two"]
    for sent in house.twilio.sent:
        house.twilio.status(sent["sid"], "delivered")
    house.until_states("delivered", "delivered")


def test_an_answer_that_takes_too_long_is_asked_after(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.channels.sms.conftest import Doors, serving

    monkeypatch.setattr(client, "SECONDS", 0.3)
    with serving(Doors(house.settings, house.store).app, lifespan="on") as url:
        house.twilio.app_url = url
        house.twilio.bad.extend(Bad(seconds=1.0) for _ in range(1))
        house.twilio.incoming(ALICE, "hello")
        house.answer("one")
        house.until_states("sent")
    assert house.twilio.texts() == ["one"]


def test_what_twilio_did_not_take_is_sent_once_more(house: House) -> None:
    house.twilio.bad.append(Bad(500, 20500))
    house.twilio.incoming(ALICE, "hello")
    house.answer("one")
    house.until_states("sent")
    assert house.twilio.texts() == ["one"]
    assert len(house.twilio.refused) == 1


def test_when_twilio_cannot_be_asked_a_reply_goes_once_more_and_says_so(house: House) -> None:
    house.twilio.bad.append(Bad(drop=True))
    house.twilio.listing_fails = 1
    house.twilio.incoming(ALICE, "hello")
    house.answer("one")
    house.until_states("sent")
    assert house.twilio.texts() == ["one", "one"]
    assert house.doubled() == [True]


def test_when_twilio_cannot_be_asked_a_workers_message_waits_for_the_worker(house: House) -> None:
    house.twilio.incoming(ALICE, "hello")
    turn = house.turn()
    mailbox.commit(house.store, turn, mailbox.TurnOutcome(turn.state))
    house.twilio.bad.append(Bad(drop=True))
    house.twilio.listing_fails = 1
    outbox.put(house.store, turn.conversation_id, Author.WORKER, Reply("I am here"))
    house.until_states("unknown")
    assert house.twilio.texts() == ["I am here"]


def test_the_same_words_said_twice_are_two_messages(house: House) -> None:
    house.twilio.incoming(ALICE, "hello")
    house.answer("Call 112 now.")
    house.until_states("sent")
    house.twilio.incoming(ALICE, "hello?")
    house.twilio.bad.append(Bad(500, 20500))  # not taken: the one that is there is the older one
    house.answer("Call 112 now.")
    house.until_states("sent", "sent")
    assert house.twilio.texts() == ["Call 112 now.", "Call 112 now."]


@pytest.mark.parametrize(("bad", "reason"), [
    (Bad(400, 21610), "21610"), (Bad(403, 21610), "21610"), (Bad(400, 21211), "21211"), (Bad(400, 21614), "21614"), (Bad(400, 21408), "21408"),
    (Bad(403, 21408), "21408"), (Bad(400, 21606), "21606"), (Bad(400, 21617), "21617"), (Bad(404, 20404), "20404"), (Bad(400, body="<html>"), "http_400"),
], ids=lambda value: value if isinstance(value, str) else f"{value.status}")
def test_a_number_that_cannot_be_written_to_is_tried_once_and_staff_see_it(house: House, bad: Bad, reason: str) -> None:
    house.twilio.bad.append(bad)
    house.twilio.incoming(ALICE, "hello")
    house.answer("one")
    house.until_states("failed")
    assert house.states() == [("failed", reason)]
    assert house.attention() == ["not_delivered"]
    assert "0199" not in house.log.getvalue()  # the provider's own words may quote the number


def test_a_wrong_token_is_told_loudly_once_and_the_reply_waits(house: House) -> None:
    house.twilio.token = "f" * 32
    mailbox.receive(house.store, Incoming(Channel.SMS, ALICE, "SM1", text="hello"))
    house.answer("one")
    until(lambda: "sms_refused" in house.attention())
    house.until_states("queued")
    house.clock.advance(31)
    until(lambda: house.log.getvalue().count("provider_refuses_us") >= 2)
    house.until_states("queued")  # the second refusal is noted too, before time goes on
    assert house.attention() == ["sms_refused"]
    house.twilio.token = "0123456789abcdef0123456789abcdef"
    house.clock.advance(31)
    house.until_states("sent")


@pytest.mark.parametrize("sender", ["12345", "Posti", "+12"])
def test_a_sender_who_cannot_be_answered_is_heard_and_staff_see_it(house: House, sender: str) -> None:
    house.twilio.incoming(sender, "your parcel")
    house.answer("Hello")
    house.until_states("failed")
    assert house.states() == [("failed", "no_reply_address")]
    assert house.attention() == ["not_delivered"]
    assert house.twilio.sent == house.twilio.refused == []


def test_nothing_is_sent_late_not_even_by_the_carrier(house: House) -> None:
    house.twilio.bad.append(Bad(429, 20429, retry_after="599"))
    house.twilio.incoming(ALICE, "hello")
    house.answer("one")
    until(lambda: house.twilio.refused)
    house.until_states("queued")
    house.clock.advance(599.5)
    house.until_states("queued")
    house.clock.advance(0.6)
    house.until_states("expired")
    assert house.twilio.sent == []


def test_a_text_is_taken_out_of_twilios_records_once_it_is_handled_or_delivered(house: House) -> None:
    sid = house.twilio.incoming(ALICE, "he took my passport")
    assert house.twilio.redacted == []
    house.answer("one")
    until(lambda: house.twilio.redacted == [sid])
    house.until_states("sent")
    mine = house.twilio.sent[0]["sid"]
    house.twilio.status(mine, "delivered")
    until(lambda: house.twilio.redacted == [sid, mine])
    assert {one["body"] for one in house.twilio.messages.values()} == {""}


def test_whoever_erases_is_gone_at_twilio_too_pictures_as_well(house: House) -> None:
    house.twilio.incoming(ALICE, "look", ["image/jpeg"])
    house.answer("one")
    house.until_states("sent")
    mailbox.erase(house.store, "sms", ALICE)
    until(lambda: len(house.twilio.deleted) == 1, "what has arrived did not go")
    assert [one["body"] for one in house.twilio.messages.values()] == ["one"]  # still under way there: later
    house.twilio.messages[house.twilio.sent[0]["sid"]]["status"] = "delivered"
    until(lambda: house.clock.advance(5) or house.twilio.messages == {})
    assert [media for found in house.twilio.media.values() for media in found] == []


def test_a_deletion_that_twilio_cannot_do_now_is_tried_again(house: House) -> None:
    sid = house.twilio.incoming(ALICE, "hello")
    house.twilio.messages[sid]["status"] = "queued"
    house.answer()
    until(lambda: house.twilio.asked_in_vain == [sid])
    house.twilio.messages[sid]["status"] = "received"
    until(lambda: house.clock.advance(5) or house.twilio.redacted == [sid])


