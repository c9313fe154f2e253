"""Whatever an action can say stands in the catalogs, so that nobody is left without an answer."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from actions import say
from bot.phrases.catalog import Phrases
from bot.phrases.facts import fact_values
from bot.settings import load

ROOT = Path(__file__).parents[2]


def named() -> set[str]:
    """Every text that an action may hand to ``say`` or ``asking``."""
    found: set[str] = set()
    for path in sorted((ROOT / "actions").glob("*.py")):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "say" and len(call.args) > 1:
                chosen = call.args[1]
                sides = (chosen.body, chosen.orelse) if isinstance(chosen, ast.IfExp) else (chosen,)
                found |= {side.value for side in sides if isinstance(side, ast.Constant)}
    return found


@pytest.fixture(scope="module")
def phrases() -> Phrases:
    return Phrases.load(ROOT / "translations", fact_values(load({})))


def test_every_phrase_that_an_action_says_stands_in_the_catalogs(phrases: Phrases) -> None:
    said = {name for name in named() if not name.startswith("utter_")}  # those are the rules' own, which `helpline check` knows
    assert len(said) > 50
    assert sorted(name for name in {*said, *say.OFFERS} if not phrases.has(name)) == []
    assert set(say.OFFERS) - said <= {"check.pay", "check.threats", "check.movement", "check.deceived", "check.sex", "check.hours", "freely.ask",
                                      "handoff.ask_when", "handoff.ask_others", "handoff.ask_read", "handoff.ask_later"}


def test_every_option_beside_a_phrase_can_be_read_by_a_person(phrases: Phrases) -> None:
    options = {option for offered in say.OFFERS.values() for option in offered} - {"worker", "call_way", "all_languages"}
    assert sorted(option for option in options if not phrases.has(f"option.{option}")) == []
