"""Time as a thing that is handed in, so that tests move it and nobody sleeps."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What the rooms ask for the time."""

    def now(self) -> float:
        """Seconds since the epoch, UTC. May jump when an operator or NTP sets the clock."""
        ...

    def monotonic(self) -> float:
        """Seconds since some start. Never goes back; comparable only within one process."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


class Steady:
    """Tells whether the wall clock went as time went since this was made: a clock that was set in between must not purge anything."""

    def __init__(self, clock: Clock, slack: float = 300.0) -> None:
        """``slack``: seconds by which both may drift apart."""
        self._clock = clock
        self._slack = slack
        self._wall, self._monotonic = clock.now(), clock.monotonic()

    def trusted(self) -> bool:
        """Whether nobody set the clock by more than the slack."""
        return abs((self._clock.now() - self._wall) - (self._clock.monotonic() - self._monotonic)) <= self._slack


class ManualClock:
    """A clock that stands still until it is moved. Starts at 2026-11-02 12:00:00 UTC unless told otherwise."""

    def __init__(self, now: float = 1_793_620_800.0) -> None:
        self._now = now
        self._monotonic = 0.0

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass on both clocks. Raises ``ValueError`` for a negative number: see :meth:`jump`."""
        if seconds < 0:
            raise ValueError("time does not run backwards; use jump() to set the wall clock")
        self._now += seconds
        self._monotonic += seconds

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or back, as NTP or an operator does, while no time passes."""
        self._now += seconds
