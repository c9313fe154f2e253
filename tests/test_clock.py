"""Time that tests move."""

from __future__ import annotations

import time

import pytest

from bot.clock import ManualClock, Steady, SystemClock


def test_ten_minutes_pass_for_a_person_without_anybody_sleeping() -> None:
    clock = ManualClock(1000.0)
    clock.advance(600)
    assert (clock.now(), clock.monotonic()) == (1600.0, 600.0)


def test_setting_the_wall_clock_back_lets_no_time_pass() -> None:
    clock = ManualClock(1000.0)
    clock.jump(-86400)
    assert (clock.now(), clock.monotonic()) == (1000.0 - 86400, 0.0)


def test_time_does_not_run_backwards() -> None:
    with pytest.raises(ValueError, match="jump"):
        ManualClock().advance(-1)


def test_the_system_clock_tells_the_machines_time() -> None:
    before = time.time()
    assert before <= SystemClock().now() <= time.time()
    first = SystemClock().monotonic()
    assert SystemClock().monotonic() >= first


def test_a_clock_that_was_set_is_not_trusted_to_purge() -> None:
    clock = ManualClock()
    steady = Steady(clock)
    clock.advance(30 * 86400)
    assert steady.trusted()
    clock.jump(86400)
    assert not steady.trusted()
