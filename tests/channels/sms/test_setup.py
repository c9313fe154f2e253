"""What an operator reads about their account, and what `connect` changes there."""

from __future__ import annotations

import dataclasses

import pytest

from bot.channels.sms.client import ProviderError
from bot.channels.sms.setup import check, connect
from bot.settings import Settings, load
from tests.stand_ins.twilio import NUMBER, PUBLIC, TwilioStandIn

SERVICE = {"sid": "MG" + "1" * 32, "use_inbound_webhook_on_number": True, "inbound_request_url": None, "numbers": [NUMBER]}


def wrong(settings: Settings) -> list[str]:
    return [finding.text for finding in check(settings) if not finding.ok]


def test_an_operator_is_told_what_is_not_connected_yet_and_connecting_mends_it(settings: Settings, stand_in: TwilioStandIn) -> None:
    stand_in.services.append(dict(SERVICE))
    assert [text.split(":")[0] for text in wrong(settings)] == ["messages", "the fallback"]
    assert all(finding.ok for finding in connect(settings))
    (number,) = stand_in.phone_numbers
    assert (number["sms_url"], number["sms_fallback_url"], number["sms_method"]) == (f"{PUBLIC}/channels/sms", f"{PUBLIC}/channels/sms", "POST")
    assert wrong(settings) == []
    assert sum("Opt-Out" in finding.text for finding in check(settings)) == 1


@pytest.mark.parametrize(("change", "told"), [
    ({"twilio_auth_token": "f" * 32}, "HELPLINE_TWILIO_AUTH_TOKEN"),
    ({"twilio_from": "+12025550199"}, "HELPLINE_TWILIO_FROM is not a number of this account"),
    ({"public_url": "http://help.example.org"}, "not https"),
    ({"twilio_api_url": "http://127.0.0.1:1"}, "cannot be reached"),
])
def test_each_mistake_of_the_set_up_is_named(settings: Settings, stand_in: TwilioStandIn, change: dict[str, str], told: str) -> None:
    assert any(told in text for text in wrong(dataclasses.replace(settings, **change)))  # type: ignore[arg-type]


def test_an_operator_hears_that_the_account_is_closed_and_that_the_provider_answers_stop_itself(settings: Settings, stand_in: TwilioStandIn) -> None:
    connect(settings)
    stand_in.account_status = "suspended"
    assert [text.split(":")[0] for text in wrong(settings)] == ["the account is suspended", "the number is in no Messaging Service"]


def test_an_operator_hears_that_a_messaging_service_takes_the_messages_elsewhere(settings: Settings, stand_in: TwilioStandIn) -> None:
    connect(settings)
    stand_in.services.append({**SERVICE, "use_inbound_webhook_on_number": False, "inbound_request_url": "https://elsewhere.example.org"})
    assert [text.split(" takes")[0] for text in wrong(settings)] == ["the Messaging Service"]


def test_connecting_what_is_not_ours_says_so(settings: Settings, stand_in: TwilioStandIn) -> None:
    with pytest.raises(ProviderError, match="not a number of this account"):
        connect(dataclasses.replace(settings, twilio_from="+12025550199"))
    with pytest.raises(ProviderError, match="cannot be reached"):
        connect(dataclasses.replace(settings, twilio_api_url="http://127.0.0.1:1"))


def test_where_sms_is_off_there_is_nothing_to_check() -> None:
    assert check(load({})) == connect(load({})) == []


def test_a_half_set_up_is_told_by_the_check_too(settings: Settings) -> None:
    (finding,) = check(dataclasses.replace(settings, twilio_auth_token=""))
    assert not finding.ok
    assert "HELPLINE_TWILIO_AUTH_TOKEN" in finding.text
