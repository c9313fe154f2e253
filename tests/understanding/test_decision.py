"""Who is heard as being in danger, and who is left in peace."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model import Danger, Flag
from bot.understanding.decision import QUIET, STOP, decide, is_bare_number
from bot.understanding.grader import Grades, Thresholds
from bot.understanding.keywords import Keyword, Keywords

LIMITS = Thresholds(now=0.3, raised=0.15, flags=(0.5, 0.5, 0.5), rare={QUIET: 0.7, STOP: 0.6})
CALM = Grades(0.01, 0.02, (0.0, 0.0, 0.0))
WORDS = Keywords({"en": {"help": "help", "yes": "yes"}, "fi": {"apua": "help"}})


def shares(**given: float) -> dict[str, float]:
    names = ("report_emergency", QUIET, STOP, "ask_cost", "goodbye")
    rest = (1 - sum(given.values())) / (len(names) - len(given))
    return {n: given.get(n, rest) for n in names}


def test_a_person_in_danger_is_answered_as_such_even_when_another_intent_is_likelier() -> None:
    made = decide(shares(ask_cost=0.6), Grades(0.35, 0.5, (0, 0, 0)), set(), LIMITS, None, False)
    assert (made.intent, made.danger) == ("report_emergency", Danger.NOW)
    assert made.ranking[0][0] == "report_emergency"


def test_a_person_beaten_while_somebody_is_near_is_not_swallowed_by_quiet() -> None:
    made = decide(shares(cannot_talk_now=0.9), Grades(0.6, 0.9, (0, 0, 0)), {"now", "quiet"}, LIMITS, None, False)
    assert made.danger is Danger.NOW


def test_a_person_whose_words_only_say_that_somebody_reads_is_left_in_quiet() -> None:
    made = decide(shares(cannot_talk_now=0.5, report_emergency=0.4), Grades(0.5, 0.6, (0, 0, 0)), {"quiet"}, LIMITS, None, False)
    assert made.intent == QUIET
    assert made.danger is Danger.POSSIBLE


def test_when_danger_and_quiet_cannot_be_told_apart_and_nobody_is_named_near_it_is_danger() -> None:
    made = decide(shares(cannot_talk_now=0.4, report_emergency=0.45), Grades(0.5, 0.6, (0, 0, 0)), set(), LIMITS, None, False)
    assert made.danger is Danger.NOW


def test_a_person_who_speaks_of_a_film_is_not_sent_to_112_by_a_pattern() -> None:
    made = decide(shares(ask_cost=0.9), CALM, {"now", "not_now"}, LIMITS, None, False)
    assert made.danger is Danger.NONE


@pytest.mark.parametrize("name", [QUIET, STOP])
def test_a_person_is_silenced_only_when_it_is_sure_that_they_want_it(name: str) -> None:
    assert decide(shares(**{name: 0.55}), CALM, set(), LIMITS, None, False).intent != name
    assert decide(shares(**{name: 0.9}), CALM, set(), LIMITS, None, False).intent == name


def test_help_alone_asks_for_a_person_and_danger_is_possible() -> None:
    made = decide(shares(ask_cost=0.5), CALM, set(), LIMITS, Keyword("help", "ask_human", True), False)
    assert (made.intent, made.danger) == ("ask_human", Danger.POSSIBLE)


def test_a_person_who_wants_to_die_is_never_graded_calm() -> None:
    made = decide(shares(ask_cost=0.8), Grades(0.02, 0.03, (0.0, 0.9, 0.0)), set(), LIMITS, None, False)
    assert made.flags == {Flag.SELF_HARM}
    assert made.danger is Danger.POSSIBLE


@pytest.mark.parametrize("text", ["112", "112 112", "apua 112", "112 help now", "call 112"])
def test_112_alone_or_with_a_cry_is_danger_now(text: str) -> None:
    assert is_bare_number(text, WORDS)


@pytest.mark.parametrize("text", ["is 112 free", "112 euros", "what is 112", "apua", "", "112 112 112 112 112"])
def test_112_inside_another_question_is_not(text: str) -> None:
    assert not is_bare_number(text, WORDS)


UNIT = st.floats(0, 1)


@given(
    st.lists(st.floats(0.001, 1), min_size=5, max_size=5),
    UNIT,
    UNIT,
    st.tuples(UNIT, UNIT, UNIT),
    st.sets(st.sampled_from(["now", "possible", "quiet", "minor", "self_harm", "text_only", "not_now"])),
    st.booleans(),
    st.sampled_from([None, Keyword("help", "ask_human", True), Keyword("yes", "affirm", False)]),
)
def test_whatever_was_found_now_and_emergency_go_together_and_shares_are_shares(
    weights: list[float], now: float, raised: float, flags: tuple[float, float, float], hits: set[str], bare: bool, keyword: Keyword | None
) -> None:
    names = ("report_emergency", QUIET, STOP, "ask_cost", "goodbye")
    made = decide({n: w / sum(weights) for n, w in zip(names, weights, strict=False)}, Grades(now, raised, flags), hits, LIMITS, keyword, bare)
    assert (made.danger is Danger.NOW) == (made.intent == "report_emergency")
    assert made.ranking[0] == (made.intent, made.confidence)
    assert 0 <= made.confidence <= 1
    assert not bare or made.danger is Danger.NOW
