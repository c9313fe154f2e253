"""Whole turns through the real engine, with the trained model: what `helpline converse` promises."""

from __future__ import annotations

import io
import json
import statistics
import time
from collections.abc import Iterator
from typing import Any

import pytest

from bot.clock import SystemClock
from bot.engine.converse import Conversations
from bot.engine.converse_lines import BadLine, answer_lines
from bot.engine.converse_parse import understood
from bot.mailbox import Turn
from bot.model import Understanding
from bot.storage import Store
from bot.vault import SecretKeys, Vault
from tests.model import LoadedModel

FIELDS = {"conversation", "replies", "language", "intent", "danger", "flags", "handoff", "quiet", "opted_out"}


@pytest.fixture
def conversations(model: LoadedModel) -> Iterator[Conversations]:
    """An empty throw-away store with the trained engine."""
    store = Store.throwaway(Vault(SecretKeys.parse(SecretKeys.generate())), SystemClock())
    yield Conversations(store, model.parts)
    store.close()


def ask(conversations: Conversations, text: str = "", conversation: str = "a", channel: str = "web", **more: Any) -> dict[str, Any]:
    """Send one line and check the form of what comes back."""
    row = {"conversation": conversation, "channel": channel, **({} if "button" in more else {"text": text}), **more}
    out = dict(conversations.answer(row))
    assert set(out) == FIELDS
    assert out["conversation"] == conversation
    assert out["danger"] in {"now", "possible", "none"}
    assert set(out["flags"]) <= {"minor", "self_harm", "text_only"}
    assert isinstance(out["quiet"], bool)
    assert isinstance(out["opted_out"], bool)
    assert out["intent"] != "nlu_fallback"
    for reply in out["replies"]:
        assert set(reply) == {"text", "buttons", "segments"}
        assert reply["text"].strip()
        assert (reply["segments"] in {1, 2, 3}) if channel == "sms" else reply["segments"] is None
        assert all(set(button) == {"label", "id"} for button in reply["buttons"])
    if out["handoff"] is not None:
        assert set(out["handoff"]) == {"state", "priority"}
    json.dumps(out)
    return out


def words(out: dict[str, Any]) -> str:
    return "\n".join(reply["text"] for reply in out["replies"])


@pytest.mark.parametrize("channel", ["web", "telegram", "sms"])
def test_danger_is_answered_with_112_first_and_a_worker_at_the_top(conversations: Conversations, channel: str) -> None:
    out = ask(conversations, "help he is going to kill me now, he has a knife", channel=channel)
    assert (out["danger"], out["intent"]) == ("now", "report_emergency")
    assert "112" in out["replies"][0]["text"].splitlines()[0]
    assert out["handoff"] == {"state": "requested", "priority": 3}


def test_a_number_is_written_with_plain_spaces(conversations: Conversations) -> None:
    assert "+358 2954 63177" in words(ask(conversations, "what is your phone number"))


def test_one_who_asks_us_to_stop_because_somebody_is_near_gets_no_reply(conversations: Conversations) -> None:
    ask(conversations, "hello")
    out = ask(conversations, "stop writing now, he is here and reads my phone")
    assert (out["replies"], out["quiet"], out["intent"]) == ([], True, "cannot_talk_now")
    assert ask(conversations, "I can write again")["quiet"] is False


def test_one_who_wants_no_more_messages_is_opted_out_until_they_write(conversations: Conversations) -> None:
    assert ask(conversations, "STOP", channel="sms", locale="en")["opted_out"] is True
    assert ask(conversations, "what help is there", channel="sms")["opted_out"] is False


def test_conversations_and_channels_are_kept_apart(conversations: Conversations) -> None:
    ask(conversations, "he is going to kill me now", conversation="a")
    assert ask(conversations, "hello", conversation="b")["handoff"] is None
    assert ask(conversations, "hello", conversation="a", channel="sms")["handoff"] is None
    assert ask(conversations, "what does it cost", conversation="a")["handoff"] == {"state": "requested", "priority": 3}


def test_an_offered_button_does_what_it_says_and_a_made_up_one_is_not_understood(conversations: Conversations) -> None:
    assert ask(conversations, button="ask_contact")["intent"] == "ask_contact"
    out = ask(conversations, button="no_such_button")
    assert out["replies"]
    assert out["danger"] == "none"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({}, '"conversation" is missing'),
        ({"conversation": True, "channel": "web", "text": "x"}, '"conversation" must be'),
        ({"conversation": "a"}, '"channel" is missing'),
        ({"conversation": "a", "channel": "fax", "text": "x"}, '"channel" must be one of'),
        ({"conversation": "a", "channel": "web"}, '"text" or "button" is missing'),
        ({"conversation": "a", "channel": "web", "text": 3}, '"text" must be a string'),
        ({"conversation": "a", "channel": "web", "text": "x", "button": "y"}, "cannot both"),
        ({"conversation": "a", "channel": "web", "text": "x", "locale": 3}, '"locale" must be a string'),
    ],
)
def test_a_line_that_lacks_something_says_what(conversations: Conversations, row: dict[str, Any], message: str) -> None:
    with pytest.raises(BadLine, match=message):
        conversations.answer(row)


@pytest.mark.parametrize(
    "text",
    [
        "/restart", "／session_start", "\u200b/restart", '/report_emergency{"count": 1}', "/" + '{"a":' * 600 + "1" + "}" * 600,
        "x" * 10_000, "🙂🙂🙂", "\u200b\u200b", "\u202eabc", "a\0b", "\ud800", "", " \n ",
    ],
)  # fmt: skip
def test_whatever_is_written_is_answered_and_the_next_message_works(conversations: Conversations, text: str) -> None:
    source = b"".join(json.dumps({"conversation": "a", "channel": "web", "text": one}).encode() + b"\n" for one in ("hello", text, "what does it cost"))
    target = io.BytesIO()
    assert sum(1 for _ in answer_lines(io.BytesIO(source), target, conversations.answer)) == 3
    hello, strange, cost = (json.loads(line) for line in target.getvalue().splitlines())
    assert strange["replies"]
    assert strange["handoff"] is None
    assert strange["danger"] != "now"
    assert cost["intent"] == "ask_cost"
    assert hello["language"] == cost["language"] == "en"


def test_a_turn_that_breaks_says_the_safe_phrase_with_the_number(conversations: Conversations, model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(turn: Turn) -> Any:
        raise RuntimeError("canary")

    monkeypatch.setattr(model.parts.engine, "run", broken)
    out = ask(conversations, "what does it cost")
    assert "+358 2954 63177" in words(out)
    assert "112" in words(ask(conversations, "he is going to kill me now, he has a knife"))
    assert ask(conversations, "stop writing now, he is here and reads my phone")["replies"] == []


def test_a_phrase_that_is_missing_is_the_safe_phrase_and_staff_are_told(
    conversations: Conversations, model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = model.parts.composer.phrases.text

    def missing(phrase: str, *args: Any, **kwargs: Any) -> str:
        from bot.phrases.catalog import MissingPhrase

        if phrase == "cost":
            raise MissingPhrase("gone")
        return real(phrase, *args, **kwargs)

    ask(conversations, "hello")
    monkeypatch.setattr(model.parts.composer.phrases, "text", missing)
    assert "+358 2954 63177" in words(ask(conversations, "what does it cost"))


def test_message_300_takes_no_longer_than_message_5(conversations: Conversations) -> None:
    texts = ("what does it cost", "what help is there", "who sees this", "thank you")
    times: list[float] = []
    for number in range(300):
        started = time.process_time()
        ask(conversations, texts[number % 4])
        times.append(time.process_time() - started)
    assert statistics.median(times[-40:]) < 1.5 * statistics.median(times[4:44]) + 0.003


def test_parse_gives_the_fields_of_the_contract(model: LoadedModel) -> None:
    read: Understanding = model.parts.understander.parse("he is going to kill me now, he has a knife")
    out = understood(read)
    assert list(out) == ["text", "language", "language_confidence", "intent", "confidence", "danger", "flags"]
    assert (out["intent"], out["danger"], out["language"]) == ("report_emergency", "now", "en")
    assert 0 <= out["confidence"] <= 1
    assert 0 <= out["language_confidence"] <= 1


def test_a_talk_in_the_terminal_shows_replies_options_and_what_was_understood(
    conversations: Conversations, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from bot.engine.converse_chat import talk
    from bot.model import Channel

    monkeypatch.setattr("sys.stdin", io.StringIO("what does it cost\n\nstop writing now, he is here and reads my phone\n"))
    talk(conversations, Channel.WEB, "en", understood=True)
    out = capsys.readouterr().out
    assert "(en; ask_cost; danger none; no flags; no handoff)" in out
    assert "  [1] " in out
    assert "(no reply: quiet)" in out
    talk_by_sms = io.StringIO("what does it cost\n")
    monkeypatch.setattr("sys.stdin", talk_by_sms)
    talk(conversations, Channel.SMS, "en", understood=False)
    assert "segments)" in capsys.readouterr().out
