"""Rasa held as a library: forms, interruptions, effects and faults of one turn."""

from __future__ import annotations

import asyncio
import time

import pytest

from bot.engine.dialogue import Dialogue
from bot.engine.snapshot import Snapshot
from tests.engine.conftest import Talk, parsed


def test_a_person_is_led_through_a_form_one_question_at_a_time(talk: Talk) -> None:
    assert talk.hears("human") == ["utter_ask_mini_form_how"]
    assert talk.hears("inform", "call me") == ["utter_ask_mini_form_number"]
    assert talk.hears("inform", "0451") == ["utter_ask_mini_form_may_read"]
    last = talk.says("affirm", "yes")
    assert [(said.phrase, said.params) for said in last.said] == [("utter_done", {"how": "call me", "number": "0451"})]


def test_a_question_amid_a_form_is_answered_and_the_form_goes_on(talk: Talk) -> None:
    talk.hears("human")
    assert talk.hears("ask", "what is this") == ["utter_fact", "utter_ask_mini_form_how"]
    assert talk.hears("inform", "call me") == ["utter_ask_mini_form_number"]


def test_danger_amid_a_form_ends_the_form_and_asks_nothing(talk: Talk) -> None:
    talk.hears("human")
    talk.hears("inform", "call me")
    result = talk.says("report_emergency", "now")
    assert [said.phrase for said in result.said] == ["utter_emergency"]
    assert result.said[0].options == ("text_112",)
    assert Snapshot.decode(result.snapshot).loop is None
    assert talk.hears("ask") == ["utter_fact"]


def test_effects_are_told_once_and_not_remembered(talk: Talk) -> None:
    assert talk.says("report_emergency").effects == ({"kind": "handoff", "priority": 3, "reason": "danger"},)
    assert talk.says("ask").effects == ()
    assert b"handoff" not in (talk.snapshot or b"")


def test_what_the_engine_sets_for_a_turn_is_not_remembered(talk: Talk) -> None:
    result = talk.says("hello", language="fi", staffed=True)
    assert result.slots is not None
    assert result.slots["language"] == "fi"
    assert Snapshot.decode(result.snapshot).slots == {"count": 1}


@pytest.mark.parametrize(
    ("intent", "code"),
    [
        ("boom", "action:action_boom:RuntimeError"),
        ("nonsense", "action:action_nonsense:nonsense"),
        ("no_json", "action:action_no_json:nonsense"),
        ("no_phrase", "phrase:utter_missing:LookupError"),
        ("wrong_phrase", "phrase:utter_missing:LookupError"),
        ("unruled", "no_rule"),
    ],
)
def test_a_failure_voids_the_turn_and_the_person_can_go_on(talk: Talk, intent: str, code: str) -> None:
    talk.hears("human")
    talk.hears("inform", "call me")
    before = talk.snapshot
    result = talk.says(intent)
    assert result.errors == (code,)
    assert (result.said, result.effects, result.snapshot) == ((), (), before)
    assert talk.hears("inform", "0451") == ["utter_ask_mini_form_may_read"]


@pytest.mark.parametrize("intent", ["hang", "block"])
def test_an_action_that_hangs_ends_in_time_and_the_next_person_is_served(talk: Talk, intent: str) -> None:
    started = time.monotonic()
    assert talk.says(intent).errors == (f"action:action_{intent}:timeout",)
    assert time.monotonic() - started < 3
    assert talk.hears("hello") == ["utter_hello"]


def test_a_form_whose_validation_fails_is_not_taken_for_done(talk: Talk) -> None:
    talk.hears("human")
    talk.hears("inform", "call me")
    assert talk.says("inform", "explode").errors == ("action:validate_mini_form:ValueError",)
    assert talk.hears("inform", "0451") == ["utter_ask_mini_form_may_read"]


@pytest.mark.parametrize(
    "text",
    [
        "/restart",
        " /restart",
        "/session_start",
        '/human{"count": 7}',
        "／restart",
        "\u200b/restart",
        "\u2060\ufeff／/restart",
        "/" + '{"a":' * 600 + "1" + "}" * 600,
        "/report_emergency",
    ],
)
def test_a_slash_command_is_plain_text_and_changes_nothing(talk: Talk, text: str) -> None:
    talk.hears("hello")
    talk.hears("human")
    before = talk.snapshot
    result = talk.says("ask", text)
    assert [said.phrase for said in result.said] == ["utter_fact", "utter_ask_mini_form_how"]
    assert result.snapshot == before


@pytest.mark.parametrize("intent", ["restart", "session_start", "back", "no_such_intent"])
def test_the_engine_cannot_send_rasas_own_commands_by_mistake(talk: Talk, intent: str) -> None:
    with pytest.raises(ValueError, match=intent):
        talk.says(intent)


@pytest.mark.parametrize("text", ["\ud800", "a\0b", "\u202eabc", "🙂" * 500, "x" * 10_000, "\u200b", ""])
def test_a_strange_text_inside_a_form_is_kept_and_the_next_message_works(talk: Talk, text: str) -> None:
    talk.hears("human")
    assert talk.says("inform", text).errors == ()
    assert talk.hears("ask")[0] == "utter_fact"


def test_an_unreadable_snapshot_loses_the_form_but_not_the_answer(dialogue: Dialogue) -> None:
    for blob in (b"", b"{", b"[]", b'{"v":99}', b'{"v":1,"slots":3,"loop":null}'):
        result = asyncio.run(dialogue.turn(blob, parsed("ask"), {}))
        assert [said.phrase for said in result.said] == ["utter_fact"]


def test_a_snapshot_of_an_older_domain_leaves_out_what_is_gone(dialogue: Dialogue) -> None:
    old = Snapshot({"gone_slot": 1, "count": 3, "requested_slot": "gone_question"}, "gone_form").encode()
    result = asyncio.run(dialogue.turn(old, parsed("hello"), {}))
    assert result.errors == ()
    assert Snapshot.decode(result.snapshot) == Snapshot({"count": 4}, None)


def test_turns_of_two_people_at_the_same_time_stay_apart(dialogue: Dialogue) -> None:
    async def both() -> tuple[bytes, bytes]:
        talks: list[bytes | None] = [None, None]
        for _ in range(10):
            results = await asyncio.gather(
                dialogue.turn(talks[0], parsed("hello"), {"language": "fi"}), dialogue.turn(talks[1], parsed("boom"), {"language": "so"})
            )
            assert results[0].errors == ()
            assert results[1].errors != ()
            talks = [result.snapshot for result in results]
        return talks[0] or b"", talks[1] or b""

    first, second = asyncio.run(both())
    assert Snapshot.decode(first).slots == {"count": 10}
    assert Snapshot.decode(second).slots == {}


def test_turn_300_takes_no_longer_than_turn_5(talk: Talk) -> None:
    times: list[float] = []
    for _ in range(300):
        started = time.process_time()
        talk.hears("hello")
        times.append(time.process_time() - started)
    early, late = sorted(times[5:45])[20], sorted(times[-40:])[20]
    assert late < early * 1.5 + 0.002
    assert len(talk.snapshot or b"") < 100


def test_nothing_that_a_person_wrote_is_printed_or_logged(talk: Talk, capfd: pytest.CaptureFixture[str]) -> None:
    canary = "canary-7f3a"
    talk.hears("human", canary)
    talk.hears("inform", canary)
    for intent in ("boom", "no_phrase", "nonsense", "ask", "report_emergency"):
        talk.says(intent, canary)
    talk.hears("human", canary)
    talk.says("inform", "explode")
    out, err = capfd.readouterr()
    assert "canary" not in out + err
    assert "explode" not in out + err
