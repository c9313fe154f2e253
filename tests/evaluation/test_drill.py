"""The short drill on each store, and what the counting would say if something had been lost, doubled or out of order."""

from __future__ import annotations

import json

import pytest

from bot.evaluation import drill_report
from bot.evaluation.drill import Drill, Plan
from bot.evaluation.drill_child import deadly_points
from bot.evaluation.drill_count import Report, count, walk
from bot.evaluation.drill_lines import PageLine, TelegramLine
from bot.evaluation.drill_stand_in import Delivery
from bot.mailbox.audit import Heard, Talk, Told
from bot.points import POINTS
from tests.postgres import Server


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_faults_1_and_11_whatever_is_killed_while_people_write_nobody_is_lost_and_a_double_is_marked(
        kind: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> None:
    """Faults 1–3, 9, 11 and 14–15 together, at every named point, from a printed seed."""
    import secrets

    seed = secrets.randbelow(1_000_000)
    plan = Plan(messages=150, people=15, seed=seed)
    if kind == "sqlite":
        report = Drill(plan, print).hold()
    else:
        server: Server = request.getfixturevalue("postgres")
        with server.database(empty=True) as url:
            report = Drill(Plan(**{**vars(plan), "database": url}), print).hold()
    assert report.good, drill_report.text(report)
    assert report.accepted == 150
    killed = {name for _, name in report.kills}
    assert len(killed & set(POINTS)) >= 7, killed
    assert not {name for name in killed if "ended with" in name}
    assert json.loads(report.as_json())["lost"] == 0
    assert "<svg" in drill_report.page(report)


def told(*rows: tuple[str, str, bool]) -> list[Told]:
    return [Told(*row) for row in rows]


@pytest.mark.parametrize(("rows", "delivered", "found"), [
    (told(("a", "sent", False), ("b", "sent", False)), ["a", "b"], (0, 0, 0, 0)),
    (told(("a", "sent", False), ("b", "sent", False)), ["a"], (1, 0, 0, 0)),
    (told(("a", "unknown", False), ("b", "sent", False)), ["b"], (0, 0, 0, 0)),
    (told(("a", "sent", True), ("b", "sent", False)), ["a", "a", "b"], (0, 1, 0, 0)),
    (told(("a", "sent", False), ("b", "sent", False)), ["a", "a", "b"], (0, 1, 1, 0)),
    (told(("a", "sent", False), ("b", "sent", False)), ["b", "a"], (1, 0, 0, 1)),
    (told(("a", "sent", False), ("a", "sent", False)), ["a", "a"], (0, 0, 0, 0)),
    (told(("a", "sent", False)), ["a", "stranger's"], (0, 0, 0, 1)),
])
def test_what_the_provider_got_is_held_against_the_send_queue(rows: list[Told], delivered: list[str], found: tuple[int, int, int, int]) -> None:
    assert walk(rows, delivered) == found


def counted(talk: Talk, *deliveries: Delivery, kills: tuple[tuple[float, str], ...] = ()) -> Report:
    return count(0, [talk], {"m1": 10.0}, deliveries, {}, kills, 0.0, echo=True)


ANSWERED = Talk("a", (Heard("m1", "handled", 1),), (Told("m1", "sent", False),))


def test_a_drill_that_lost_nothing_is_good() -> None:
    assert counted(ANSWERED, Delivery(11.0, "a", "m1")).good


@pytest.mark.parametrize(("talk", "deliveries", "field"), [
    (Talk("a", (), ()), (), "lost"),
    (Talk("a", (Heard("m1", "waiting", 0),), ()), (), "lost"),
    (Talk("a", (Heard("m1", "handled", 1),), ()), (), "lost"),
    (Talk("a", (Heard("m1", "handled", 1), Heard("m1", "handled", 1)), (Told("m1", "sent", False),)), (Delivery(11.0, "a", "m1"),), "lost"),
    (ANSWERED, (), "lost"),
    (ANSWERED, (Delivery(11.0, "a", "m1"), Delivery(12.0, "a", "m1")), "doubled_unmarked"),
    (ANSWERED, (Delivery(11.0, "b", "m1"),), "out_of_order"),
    (ANSWERED, (Delivery(26.0, "a", "m1"),), "overdue"),
])
def test_a_drill_that_lost_doubled_mixed_up_or_delayed_something_is_not_good(talk: Talk, deliveries: tuple[Delivery, ...], field: str) -> None:
    report = counted(talk, *deliveries)
    assert not report.good
    assert getattr(report, field) > 0
    assert "NOT GOOD" in drill_report.text(report)


def test_points_that_nobody_passes_are_refused() -> None:
    assert deadly_points("send.marked:3,turn.ran") == {"send.marked": 3, "turn.ran": 1}
    with pytest.raises(ValueError, match="no such point"):
        deadly_points("lunch:1")


def test_the_telegram_line_writes_as_telegram_does() -> None:
    line = TelegramLine()
    request = line.request(3, 7, "hello")
    assert (request.path, request.body["update_id"], request.body["message"]["text"]) == ("/channels/telegram", 7, "hello")
    assert str(request.body["message"]["chat"]["id"]) == line.address(3)
    assert request.headers["x-telegram-bot-api-secret-token"] == line.environ("http://127.0.0.1:1")["HELPLINE_TELEGRAM_SECRET"]
    assert PageLine().request(3, 7, "hello").headers["authorization"].endswith(PageLine().address(3))
