"""The figures that decide whether a language is good enough."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.evaluation.metrics import Row, calibration, evaluate, figures
from bot.evaluation.report import read_rows, run, table
from bot.model import Danger, Flag, Understanding


def seen(intent: str, danger: Danger = Danger.NONE, language: str = "fi", confidence: float = 0.9, flags: frozenset[Flag] = frozenset()) -> Understanding:
    return Understanding("secret words", language, 0.9, intent, confidence, danger, flags, ((intent, confidence),))


ROWS = [
    Row("a", "report_emergency", "fi", "now", "short"),
    Row("b", "report_emergency", "fi", "now"),
    Row("c c c", "ask_police", "fi", "near", "plain", frozenset({"minor"})),
    Row("d d d", "ask_cost", "en", "none"),
    Row("e", "ask_cost", "en", "none"),
]
FOUND = [
    seen("report_emergency", Danger.NOW),
    seen("ask_human", Danger.POSSIBLE),
    seen("report_emergency", Danger.NOW, flags=frozenset({Flag.MINOR})),
    seen("cannot_talk_now", Danger.NONE, "fi"),
    seen("ask_cost", Danger.POSSIBLE, "en"),
]


def test_every_person_missed_or_frightened_for_nothing_is_counted() -> None:
    f = figures(ROWS, FOUND)
    assert (f.texts, f.emergencies, f.intent) == (5, 2, 2 / 5)
    assert (f.missed_now, f.missed) == (0.5, 0.0)
    assert (f.false_now, f.near_now, f.calm_possible) == (1 / 3, 1.0, 0.5)
    assert f.false_rare == {"cannot_talk_now": 1 / 5, "stop_messages": 0.0}
    assert (f.language, f.language_longer) == (4 / 5, 1 / 2)
    assert (f.flag_recall, f.flag_false) == ({"minor": 1.0}, {"minor": 0.0})


def test_groups_nobody_is_in_claim_nothing() -> None:
    f = figures([], [])
    assert f.intent is None
    assert f.missed_now is None


def test_a_confidence_that_says_what_it_means_has_no_error() -> None:
    rows = [Row(str(i), "greet", "fi") for i in range(10)]
    sure = [seen("greet" if i < 8 else "thank", confidence=0.8) for i in range(10)]
    bins, error = calibration(rows, sure)
    assert [b.count for b in bins] == [10]
    assert error == pytest.approx(0)


def test_answers_missing_for_some_people_are_an_error() -> None:
    with pytest.raises(ValueError, match="5 texts but 4"):
        evaluate(ROWS, FOUND[:4])


def test_the_table_marks_what_misses_its_target() -> None:
    shown = table(evaluate(ROWS, FOUND))
    assert "by language" in shown
    assert "50.0!" in shown
    assert "report_emergency → ask_human" in shown
    assert "secret" not in shown


class Fake:
    """Understands everything as a question of cost in Finnish."""

    def parse_batch(self, texts: Sequence[str], contexts: Sequence[Any] | None = None) -> list[Understanding]:
        return [seen("ask_cost") for _ in texts]


def test_a_report_is_written_whole_without_a_word_of_what_people_wrote(tmp_path: Path) -> None:
    lines = [{"text": "secret wörds\u2028here", "intent": i, "language": "fi", "danger": d} for i, d in (("ask_cost", "none"), ("report_emergency", "now"))]
    (tmp_path / "in.jsonl").write_text("\n".join(json.dumps(x, ensure_ascii=False) for x in lines) + "\n", encoding="utf-8")
    shown = run([tmp_path / "in.jsonl"], Fake(), tmp_path / "out.json", tmp_path / "out.html")
    page = (tmp_path / "out.html").read_text(encoding="utf-8")
    stored = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert stored["overall"]["missed"] == 1.0
    assert page.count("<svg") == 5
    assert "http" not in page.replace("http://www.w3.org", "").replace("http://purl.org", "").replace("http://creativecommons.org", "").replace(
        "https://matplotlib.org", ""
    )
    assert "secret" not in page + shown + json.dumps(stored)


@pytest.mark.parametrize("line", ['{"text": "secret"}', '{"text": "secret", "intent": "greet", "language": "fi", "danger": "huge"}', "secret", "[]"])
def test_a_bad_line_is_named_by_its_number_never_by_its_words(tmp_path: Path, line: str) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "a", "intent": "greet", "language": "fi"}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 2") as error:
        read_rows([tmp_path / "in.jsonl"])
    assert "secret" not in str(error.value)


GRADES = st.sampled_from(["now", "near", "possible", "none"])


@given(st.lists(st.tuples(GRADES, st.sampled_from(list(Danger)), st.floats(0, 1)), min_size=1, max_size=30))
def test_whatever_was_found_shares_stay_shares(found: list[tuple[str, Danger, float]]) -> None:
    rows = [Row("x", "report_emergency" if g == "now" else "greet", "fi", g) for g, _, _ in found]
    result = evaluate(rows, [seen("greet", d, confidence=c) for _, d, c in found])
    f = result.overall
    for value in (f.intent, f.missed_now, f.missed, f.false_now, f.near_now, f.calm_possible):
        assert value is None or 0 <= value <= 1
    assert f.missed is None or f.missed_now is None or f.missed <= f.missed_now
    assert sum(b.count for b in result.calibration) == len(rows)
