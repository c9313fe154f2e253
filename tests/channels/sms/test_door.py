"""What Twilio posts, as it posts it: through real HTTP against the real doors, signed by its own library."""

from __future__ import annotations

import concurrent.futures
import socket
from urllib.parse import urlencode

import httpx
import pytest
from twilio.request_validator import RequestValidator

from bot import mailbox
from bot.model import Channel, MessageKind
from tests.channels.sms.conftest import ALICE, BOB, House
from tests.stand_ins.twilio import ACCOUNT, NUMBER, PUBLIC, incoming_fields

SID = "SM" + "a" * 32


@pytest.mark.parametrize("body", [
    "hello", "", " ", "Älä soita! åäö", "привет", "ساعدوني\u200f", "ช่วยด้วย", "i ❤ ง", "a+b&c=d %20 % ;", "two\nlines\r\nthree", "x" * 1600, "ф" * 1600,
    "\u202eabc", "a\u200bb", "/restart", "{" * 1500, "nul\0nul", "🙏" * 400,
], ids=range(18))
def test_whatever_somebody_writes_arrives_as_they_wrote_it(house: House, body: str) -> None:
    house.twilio.incoming(ALICE, body)
    turn = house.turn()
    assert [(m.kind, m.text) for m in turn.messages] == [(MessageKind.TEXT, body)]
    assert turn.channel is Channel.SMS


def test_a_message_sent_three_times_at_once_by_twilio_is_answered_once(house: House) -> None:
    sid = house.twilio.incoming(ALICE, "hello", webhook=False)
    with concurrent.futures.ThreadPoolExecutor(3) as hands:
        answers = list(hands.map(lambda _: house.twilio.post("/channels/sms", incoming_fields(sid, ALICE, "hello")), range(3)))
    assert [answer.status_code for answer in answers] == [200] * 3
    assert len(house.turn().messages) == 1
    assert house.heard() == 1


def test_an_old_request_replayed_is_taken_politely_and_changes_nothing(house: House) -> None:
    sid = house.twilio.incoming(ALICE, "hello")
    house.answer("hi")
    house.clock.advance(40 * 86400)
    house.twilio.incoming(ALICE, "hello", sid=sid)
    assert mailbox.take(house.store, "engine-1", 10) is None
    mailbox.erase(house.store, "sms", ALICE)
    house.twilio.incoming(ALICE, "hello", sid=sid)
    assert house.heard() == 0


FIELDS = incoming_fields(SID, ALICE, "he took my passport")
GOOD = {"content-type": "application/x-www-form-urlencoded"}


def signed(path: str = "/channels/sms", fields: dict[str, str] = FIELDS, address: str = PUBLIC, token: str = "0123456789abcdef0123456789abcdef") -> dict[str, str]:
    return {**GOOD, "x-twilio-signature": RequestValidator(token).compute_signature(address + path, fields)}


@pytest.mark.parametrize(("headers", "fields"), [
    (GOOD, FIELDS),
    ({**GOOD, "x-twilio-signature": ""}, FIELDS),
    ({**GOOD, "x-twilio-signature": "AAAA"}, FIELDS),
    ({**GOOD, "x-twilio-signature": "é\u00ff".encode("latin-1").decode("latin-1")}, FIELDS),
    (signed(token="f" * 32), FIELDS),
    (signed(address="https://elsewhere.example.org"), FIELDS),
    (signed(address="http://help.example.org"), FIELDS),
    ({**signed(address="http://10.0.0.7:8000"), "host": "10.0.0.7:8000"}, FIELDS),
    ({**signed(address="https://evil.example.org"), "host": "evil.example.org", "x-forwarded-host": "evil.example.org", "x-forwarded-proto": "https"}, FIELDS),
    (signed("/channels/sms/status"), FIELDS),
    (signed("/channels/sms?x=1"), FIELDS),
    (signed(), {**FIELDS, "Body": "another text"}),
    (signed(), {**FIELDS, "From": BOB}),
    (signed(), {name: value for name, value in FIELDS.items() if name != "ToCity"}),
    (signed(), {**FIELDS, "Extra": "1"}),
], ids=["missing", "empty", "short", "not ASCII", "wrong token", "wrong host", "no TLS", "inside address", "Host header", "other path", "query not sent",
        "other text", "other sender", "a blank field dropped", "a field added"])
def test_a_forged_request_is_refused_and_nothing_of_it_is_written_or_logged(house: House, headers: dict[str, str], fields: dict[str, str]) -> None:
    sent = {name: value.encode("latin-1") for name, value in headers.items()}
    answer = httpx.post(house.twilio.app_url + "/channels/sms", content=urlencode(fields), headers=sent)
    assert (answer.status_code, answer.json()) == (403, {"error": "signature"})
    assert house.heard() == 0
    assert ALICE not in house.log.getvalue()
    assert "passport" not in house.log.getvalue()


@pytest.mark.parametrize("body", [b"", b"\xff\xfe=1", b"Body=%ff%fe", b"&".join(b"a%d=1" % n for n in range(1000)), b"{}", b"[" * 1000], ids=range(6))
def test_bytes_that_are_no_form_are_refused(house: House, body: bytes) -> None:
    for path in ("/channels/sms", "/channels/sms/status"):
        answer = httpx.post(house.twilio.app_url + path, content=body, headers={**GOOD, "x-twilio-signature": "x"})
        assert answer.status_code == 403


def test_a_request_with_a_query_and_repeated_and_blank_fields_is_taken(house: House) -> None:
    pairs = [*incoming_fields(SID, ALICE, "hello").items(), ("Again", "b"), ("Again", "a"), ("Again", "a"), ("Blank", "")]
    assert house.twilio.post("/channels/sms?from=fallback&x=%C3%A4", pairs).status_code == 200
    assert house.turn().messages[0].text == "hello"


def test_twilio_may_sign_the_address_with_its_port(house: House) -> None:
    assert house.twilio.post("/channels/sms", FIELDS, address="https://help.example.org:443").status_code == 200


@pytest.mark.parametrize(("change", "status", "code"), [
    ({"AccountSid": "AC" + "9" * 32}, 403, "not_ours"),
    ({"To": BOB}, 403, "not_ours"),
    ({"To": ""}, 403, "not_ours"),
    ({"MessageSid": "", "SmsSid": ""}, 422, "sid"),
    ({"MessageSid": "../../etc"}, 422, "sid"),
    ({"From": ""}, 422, "from"),
    ({"From": "x" * 65}, 422, "from"),
])
def test_a_signed_message_that_is_not_for_us_or_makes_no_sense_is_refused(house: House, change: dict[str, str], status: int, code: str) -> None:
    answer = house.twilio.post("/channels/sms", {**FIELDS, **change})
    assert (answer.status_code, answer.json()) == (status, {"error": code})
    assert house.heard() == 0


@pytest.mark.parametrize(("types", "body", "kinds"), [
    (["image/jpeg"], "", [MessageKind.PHOTO]),
    (["image/jpeg", "image/png"], "look", [MessageKind.TEXT, MessageKind.PHOTO]),
    (["video/3gpp"], "", [MessageKind.PHOTO]),
    (["audio/amr"], "", [MessageKind.VOICE]),
    (["image/jpeg", "audio/ogg; codecs=opus"], "", [MessageKind.VOICE]),
    (["text/x-vcard"], "", [MessageKind.CONTACT]),
    (["application/pdf"], "the contract", [MessageKind.TEXT, MessageKind.DOCUMENT]),
    (["chemical/x-pdb"], "", [MessageKind.OTHER]),
    ([""], "", [MessageKind.OTHER]),
], ids=range(9))
def test_a_picture_message_leaves_a_marker_and_its_text_and_nothing_is_fetched(house: House, types: list[str], body: str, kinds: list[MessageKind]) -> None:
    sid = house.twilio.incoming(ALICE, body, types, times=2)  # its addresses lead nowhere: fetching them would fail
    turn = house.turn()
    assert [m.kind for m in turn.messages] == kinds
    assert "".join(m.text for m in turn.messages) == body
    mailbox.commit(house.store, turn, mailbox.TurnOutcome(mailbox.turns.ConversationState()))
    assert [chore.body["references"] for chore in mailbox.owed(house.store, Channel.SMS)] in ([[sid]], [])  # or the sender was quicker


def test_a_place_leaves_a_marker_and_is_not_kept(house: House) -> None:
    house.twilio.incoming(ALICE, "", Latitude="60.1699", Longitude="24.9384", Address="Somewhere 1", Label="here")
    (message,) = house.turn().messages
    assert (message.kind, message.text) == (MessageKind.LOCATION, "")


@pytest.mark.parametrize(("sender", "hint"), [
    ("+46700000000", "sv"), ("+79000000000", "ru"), ("+252600000000", "so"), ("+66800000000", "th"), ("+93700000000", "fa"), ("+98900000000", "fa"),
    ("+9647000000000", "ar"), ("+358400000000", None), ("+12025550101", None), ("+3584000", None), ("12345", None), ("Posti", None), ("+12", None),
])
def test_the_numbers_country_is_a_guess_of_the_language_and_finland_is_none(sender: str, hint: str | None) -> None:
    from bot.channels.sms.country import language_of

    assert language_of(sender) == hint


@pytest.mark.parametrize(("word", "kind", "button"), [("STOP", MessageKind.BUTTON, "stop_messages"), ("HELP", MessageKind.TEXT, None), ("START", MessageKind.TEXT, None)])
def test_where_the_provider_has_stopped_our_messages_our_state_follows(house: House, word: str, kind: MessageKind, button: str | None) -> None:
    house.twilio.incoming(ALICE, "arret", OptOutType=word)
    (message,) = house.turn().messages
    assert (message.kind, message.button, message.text) == (kind, button, "arret")


def test_a_body_of_a_hundred_megabytes_is_refused_before_it_is_read_and_others_are_served(house: House) -> None:
    answer = httpx.post(house.twilio.app_url + "/channels/sms", content=iter([b"x" * 65536] * 8), headers=GOOD)
    assert answer.status_code == 413
    with socket.create_connection(("127.0.0.1", int(house.twilio.app_url.rsplit(":", 1)[1])), timeout=5) as raw:
        raw.sendall(b"POST /channels/sms HTTP/1.1\r\nhost: x\r\ncontent-length: 104857600\r\n\r\nBody=")
        assert raw.recv(100).startswith(b"HTTP/1.1 413")
    house.twilio.incoming(BOB, "hello")
    assert house.heard() == 1


def test_a_flood_from_one_number_is_taken_and_handled_as_one_turn(house: House) -> None:
    for n in range(30):
        house.twilio.incoming(ALICE, f"part {n}")
    house.twilio.incoming(BOB, "hello")
    assert [m.text for m in house.turn().messages] == [f"part {n}" for n in range(30)]
    assert [m.text for m in house.turn().messages] == ["hello"]


def test_fragments_over_http_are_one_turn_once_the_rest_has_come(house: House) -> None:
    house.twilio.incoming(ALICE, "I need")
    house.clock.advance(1)
    house.twilio.incoming(ALICE, "a place to sleep")
    house.clock.advance(1)
    assert mailbox.take(house.store, "engine-1", 10, burst_seconds=2) is None
    house.clock.advance(1)
    turn = mailbox.take(house.store, "engine-1", 10, burst_seconds=2)
    assert turn is not None
    assert [m.text for m in turn.messages] == ["I need", "a place to sleep"]


def test_without_its_settings_the_door_is_not_there(store: mailbox.outbox.Store) -> None:
    from starlette.testclient import TestClient

    from bot.settings import load
    from bot.web.app import create_app

    assert TestClient(create_app(load({}), store)).post("/channels/sms", data=FIELDS).status_code == 404


def test_a_number_never_stands_in_the_clear(house: House) -> None:
    house.twilio.incoming(ALICE, "CANARY he took my passport")
    assert house.store.path is not None
    raw = house.store.path.read_bytes() + house.store.path.with_name(house.store.path.name + "-wal").read_bytes()
    for secret in (ALICE[1:], ALICE[4:], "CANARY", "passport"):
        assert secret.encode() not in raw
        assert secret not in house.log.getvalue()
    assert ACCOUNT not in house.log.getvalue()
    assert NUMBER not in house.log.getvalue()
