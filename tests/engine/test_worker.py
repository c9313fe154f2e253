"""The engine's loop against a real store: one at a time, in order, nothing lost, nothing stuck."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from bot import mailbox
from bot.clock import ManualClock, SystemClock
from bot.engine.worker import Worker
from bot.mailbox import Turn, TurnOutcome
from bot.model import Channel, Danger, Incoming, Reply, Understanding
from bot.storage import Limits, Store
from bot.vault import SecretKeys, Vault
from tests.postgres import Server

SAFE = Reply("safe phrase")


@dataclass(frozen=True)
class Answer:
    """What a turn came to."""

    outcome: TurnOutcome


class Echo:
    """An engine that repeats what was written and does what a test tells it to for some texts."""

    def __init__(self, deeds: dict[str, Callable[[], object]] | None = None) -> None:
        self.deeds = deeds or {}
        self.seen: list[tuple[str, ...]] = []
        self.now = 0
        self.most = 0

    async def run(self, turn: Turn) -> Answer:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            texts = tuple(message.text for message in turn.messages)
            self.seen.append(texts)
            for text in texts:
                for word, deed in self.deeds.items():
                    if word in text:
                        deed()
            await asyncio.sleep(0)
            return Answer(TurnOutcome(replace(turn.state, greeted=True), (Reply("echo " + "+".join(texts)),)))
        finally:
            self.now -= 1


def boom() -> None:
    raise RuntimeError("canary in an exception")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def vault() -> Vault:
    return Vault(SecretKeys.parse(SecretKeys.generate()))


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, vault: Vault, clock: ManualClock) -> Iterator[Store]:
    if request.param == "sqlite":
        opened = Store.throwaway(vault, clock)
        yield opened
        opened.close()
        return
    server: Server = request.getfixturevalue("postgres")
    with server.database() as url:
        opened = Store(url, vault, clock)
        yield opened
        opened.close()


def worker(store: Store, engine: Echo, owner: str = "one", burst: float = 0.0, lease: float = 10.0, grade: Callable[[str], Understanding] | None = None) -> Worker:
    return Worker(store, engine, owner=owner, lease_seconds=lease, burst_seconds=burst, safe=lambda turn: (SAFE,), grade=grade, clock=store.clock)


def writes(store: Store, text: str, number: int, address: str = "page-1", channel: Channel = Channel.WEB) -> None:
    mailbox.receive(store, Incoming(channel, address, f"{address}-{number}", text=text))


def reads(store: Store, address: str = "page-1") -> list[str]:
    return [message.text for message in mailbox.web_fetch(store, address, 0).messages]


def drain(working: Worker, clock: ManualClock) -> None:
    """Run until nothing waits, letting the pauses after failures pass."""
    for _ in range(50):
        if not working.step():
            clock.advance(6)
            if not working.step():
                return
    raise AssertionError("something waits for ever")


def test_a_message_is_answered_and_the_next_one_too(store: Store) -> None:
    working = worker(store, Echo())
    writes(store, "a", 1)
    assert working.step()
    assert not working.step()
    writes(store, "b", 2)
    assert working.step()
    assert reads(store) == ["echo a", "echo b"]


def test_messages_that_wait_together_are_one_turn(store: Store) -> None:
    for number, text in enumerate("abcd"):
        writes(store, text, number)
    working = worker(store, Echo())
    assert working.step()
    assert not working.step()
    assert reads(store) == ["echo a+b+c+d"]


def test_fault_25_a_message_that_always_breaks_its_turn_is_set_aside_and_later_ones_flow(
        store: Store, clock: ManualClock, capfd: pytest.CaptureFixture[str]) -> None:
    """Fault 25; the alarm is a line in the log and a figure."""
    from bot import logs

    logs.configure("info")
    engine = Echo({"poison": boom})
    working = worker(store, engine)
    writes(store, "poison", 1)
    assert working.step()
    writes(store, "after", 2)
    drain(working, clock)
    assert sum("poison" in texts for texts in engine.seen) == 3
    assert reads(store) == [SAFE.text, "echo after"]
    assert mailbox.figures(store).attention_kinds == {"set_aside": 1}
    assert mailbox.figures(store).waiting == 0
    (alarm,) = [json.loads(line) for line in capfd.readouterr().err.splitlines() if "attention" in line]
    assert (alarm["level"], alarm["event"], alarm["kind"]) == ("warning", "attention", "set_aside")
    assert "conversation" not in alarm


def test_a_message_that_breaks_its_turn_does_not_take_others_with_it(store: Store, clock: ManualClock) -> None:
    for number, text in enumerate(["first", "poison", "third", "fourth"]):
        writes(store, text, number)
    drain(worker(store, Echo({"poison": boom})), clock)
    assert reads(store).count(SAFE.text) == 1
    assert "+".join(text.removeprefix("echo ") for text in reads(store) if text != SAFE.text) == "first+third+fourth"


def test_a_message_that_kills_its_engine_again_and_again_is_set_aside(store: Store, clock: ManualClock) -> None:
    writes(store, "killer", 1)
    for _ in range(6):
        assert mailbox.take(store, "dead", 10.0) is not None  # and never heard of again
        clock.advance(11)
    engine = Echo()
    drain(worker(store, engine), clock)
    assert engine.seen == []
    assert reads(store) == [SAFE.text]


def test_a_broken_safe_phrase_still_sets_the_message_aside(store: Store, clock: ManualClock) -> None:
    def no_phrase(turn: Turn) -> tuple[Reply, ...]:
        raise LookupError

    writes(store, "poison", 1)
    working = Worker(store, Echo({"poison": boom}), owner="one", lease_seconds=10, burst_seconds=0, safe=no_phrase, clock=clock)
    drain(working, clock)
    assert mailbox.figures(store).waiting == 0
    assert mailbox.figures(store).attention == 1


def test_what_a_dead_engine_held_is_taken_over_when_its_lease_ends(store: Store, clock: ManualClock) -> None:
    writes(store, "a", 1)
    assert mailbox.take(store, "dead", 10.0) is not None
    working = worker(store, Echo(), owner="two")
    assert not working.step()
    clock.advance(10.5)
    assert working.step()
    assert reads(store) == ["echo a"]


def test_an_answer_that_comes_after_a_takeover_is_dropped(store: Store, clock: ManualClock) -> None:
    second = worker(store, Echo(), owner="two")

    def overtaken() -> None:
        clock.advance(11)
        other = threading.Thread(target=second.step)
        other.start()
        other.join()

    writes(store, "slow", 1)
    worker(store, Echo({"slow": overtaken}), owner="one").step()
    assert reads(store) == ["echo slow"]


def test_fault_10_a_turn_longer_than_its_lease_keeps_it_and_four_messages_are_answered_in_order(vault: Vault, database_url: str) -> None:
    store = Store(database_url, vault, SystemClock(), Limits())
    other = worker(store, Echo(), owner="two", lease=0.6)
    taken: list[bool] = []

    def slow() -> None:
        for number, text in enumerate("bcd"):
            writes(store, text, number + 10)
        time.sleep(1.5)
        taken.append(other.step())

    writes(store, "a", 1)
    first = worker(store, Echo({"a": slow}), owner="one", lease=0.6)
    assert first.step()
    assert first.step()
    assert taken == [False]
    assert reads(store) == ["echo a", "echo b+c+d"]
    store.close()


def test_fault_11_two_engines_and_one_person_run_one_turn_at_a_time(vault: Vault, database_url: str) -> None:
    store = Store(database_url, vault, SystemClock(), Limits())
    engine = Echo({"m": lambda: time.sleep(0.005)})
    workers = [worker(store, engine, owner=name) for name in ("one", "two", "three")]
    threads = [threading.Thread(target=working.forever) for working in workers]
    for thread in threads:
        thread.start()
    for number in range(40):
        writes(store, f"m{number}", number)
    deadline = time.monotonic() + 20
    while mailbox.figures(store).waiting and time.monotonic() < deadline:
        time.sleep(0.02)
    for working in workers:
        working.stop()
    for thread in threads:
        thread.join()
    words = "+".join(text.removeprefix("echo ") for text in reads(store))
    assert words == "+".join(f"m{number}" for number in range(40))
    assert engine.most == 1
    store.close()


def test_a_stopped_engine_finishes_the_turn_under_way_and_takes_no_other(store: Store) -> None:
    engine = Echo()
    working = worker(store, engine)
    engine.deeds["a"] = working.stop
    writes(store, "a", 1)
    writes(store, "b", 1, address="page-2")
    working.forever()
    assert reads(store) == ["echo a"]
    assert reads(store, "page-2") == []
    assert mailbox.figures(store).waiting == 1
    assert not mailbox.alive(store, "engine")


def test_an_engine_at_work_is_seen_to_live(store: Store) -> None:
    engine = Echo()
    working = worker(store, engine)
    lives: list[bool] = []

    def look() -> None:
        deadline = time.monotonic() + 5
        while not mailbox.alive(store, "engine") and time.monotonic() < deadline:
            time.sleep(0.01)
        lives.append(mailbox.alive(store, "engine"))
        working.stop()

    engine.deeds["a"] = look
    writes(store, "a", 1)
    working.forever()
    assert lives == [True]


def test_fragments_of_an_sms_wait_for_the_rest_and_are_one_turn(store: Store, clock: ManualClock) -> None:
    engine = Echo()
    working = worker(store, engine, burst=2.0)
    writes(store, "they took", 1, "+12025550142", Channel.SMS)
    assert not working.step()
    clock.advance(1)
    writes(store, "my passport", 2, "+12025550142", Channel.SMS)
    clock.advance(1.5)
    assert not working.step()
    clock.advance(1)
    assert working.step()
    assert engine.seen == [("they took", "my passport")]


def test_danger_in_a_fragment_does_not_wait(store: Store, clock: ManualClock) -> None:
    graded: list[str] = []

    def grade(text: str) -> Understanding:
        graded.append(text)
        return Understanding(text, "en", 1.0, "report_emergency", 1.0, Danger.NOW if "knife" in text else Danger.NONE)

    working = worker(store, Echo(), burst=2.0, grade=grade)
    writes(store, "hello", 1, "+12025550142", Channel.SMS)
    assert not working.step()
    writes(store, "knife", 2, "+12025550142", Channel.SMS)
    assert working.step()
    assert graded == ["hello", "knife"]


def test_a_fragment_that_cannot_be_graded_does_not_wait(store: Store) -> None:
    def broken(text: str) -> Understanding:
        raise RuntimeError("canary")

    working = worker(store, Echo(), burst=2.0, grade=broken)
    writes(store, "hello", 1, "+12025550142", Channel.SMS)
    assert working.step()


def test_nothing_that_was_written_is_logged_when_turns_fail(store: Store, clock: ManualClock, capfd: pytest.CaptureFixture[str]) -> None:
    from bot import logs

    logs.configure("debug")
    writes(store, "canary poison", 1)
    drain(worker(store, Echo({"poison": boom})), clock)
    out, err = capfd.readouterr()
    assert "turn_failed" in err
    assert "canary" not in out + err
