"""Wake-ups: whoever waits hears of a commit at once, and finds the work even when nothing can be heard."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from bot import mailbox
from bot.clock import ManualClock
from bot.engine.worker import Worker
from bot.mailbox import Changes, Topic, Turn, TurnOutcome, commit, outbox
from bot.mailbox import changes as module
from bot.model import Channel, ConversationState, Reply, SendState
from bot.storage import Store, messages
from bot.storage.notices import Listener, ListenerLost
from bot.vault import Vault
from tests.mailbox.conftest import People
from tests.postgres import Server


@dataclass(frozen=True)
class Answer:
    outcome: TurnOutcome


class Echo:
    """Answers each turn with its texts."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def run(self, turn: Turn) -> Answer:
        self.seen += [message.text for message in turn.messages]
        await asyncio.sleep(0)
        return Answer(TurnOutcome(turn.state, tuple(Reply(message.text) for message in turn.messages)))


def settle(changes: Changes) -> None:
    """Until it listens, and has told what it may have missed."""
    end = time.monotonic() + 5
    while isinstance(changes._source, module._Server) and changes._source._listener is None and time.monotonic() < end:
        time.sleep(0.01)
    changes.changed()


def woken_after(changes: Changes, deed: Callable[[], object]) -> float:
    """Seconds from the end of ``deed`` to the wake-up."""
    done: list[float] = []

    def do() -> None:
        deed()
        done.append(time.monotonic())

    timer = threading.Timer(0.1, do)
    timer.start()
    assert changes.wait(0.8)
    woken = time.monotonic()
    timer.join()
    return woken - done[0]


def test_somebody_who_waits_is_woken_by_a_commit_within_milliseconds(people: People, store: Store) -> None:
    changes = Changes(store)
    settle(changes)
    assert not changes.wait(0.05)
    assert woken_after(changes, lambda: people.write("hi")) < 0.1
    assert not changes.wait(0.02)
    changes.close()


def test_what_was_not_committed_wakes_nobody(store: Store, people: People) -> None:
    changes = Changes(store)
    settle(changes)
    with pytest.raises(ZeroDivisionError), store.write() as tx:
        messages.hurry(tx, "nobody")
        raise ZeroDivisionError
    assert not changes.wait(0.1)
    changes.close()


def test_each_step_of_a_message_wakes_whoever_has_to_do_the_next_one(people: People, store: Store) -> None:
    engine, sender = Changes(store, Topic.MESSAGES), Changes(store, Topic.OUTGOING)
    settle(engine)
    settle(sender)
    assert woken_after(engine, lambda: people.write("hi")) < 0.1
    turn = people.turn()
    assert woken_after(engine, lambda: mailbox.release(store, turn)) < 0.1
    sender.changed()
    turn = people.turn()
    sender.changed()
    assert woken_after(sender, lambda: commit(store, turn, TurnOutcome(ConversationState(), (Reply("one"), Reply("two"))))) < 0.1
    (message,) = outbox.due(store, Channel.SMS, "doors")
    sender.changed()
    assert woken_after(sender, lambda: outbox.mark(store, message, SendState.SENT)) < 0.1
    people.write("nothing to say")
    turn = people.turn()
    sender.changed()
    assert woken_after(sender, lambda: commit(store, turn, TurnOutcome(ConversationState()))) < 0.1
    engine.close()
    sender.close()


def test_fault_9_with_a_dead_listener_polling_finds_the_work_and_no_turn_is_doubled(
        people: People, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault 9: wake-ups are lost."""

    def deaf(*_: object) -> None:
        raise ListenerLost("gone")

    monkeypatch.setattr(module, "Listener", deaf)
    monkeypatch.setattr(module._File, "changed", lambda _: False)
    engines = [Echo(), Echo()]
    workers = [Worker(store, engine, owner=f"engine-{n}", lease_seconds=10, burst_seconds=0, safe=lambda turn: ()) for n, engine in enumerate(engines)]
    threads = [threading.Thread(target=worker.forever) for worker in workers]
    for thread in threads:
        thread.start()
    for number in range(10):
        people.write(f"m{number}", f"+1 202 555 01{number:02}")
        time.sleep(0.02)
    end = time.monotonic() + 10
    while mailbox.figures(store).waiting and time.monotonic() < end:
        time.sleep(0.02)
    for worker in workers:
        worker.stop()
    for thread, worker in zip(threads, workers, strict=True):
        thread.join()
        worker.close()
    assert sorted(engines[0].seen + engines[1].seen) == [f"m{number}" for number in range(10)]


def test_a_listener_that_the_server_cut_off_listens_again(postgres: Server, clock: ManualClock, vault: Vault) -> None:
    with postgres.database() as url:
        store = Store(url, vault, clock)
        changes = Changes(store)
        settle(changes)
        postgres.stop()
        postgres.start()
        assert changes.wait(2)
        settle(changes)
        assert woken_after(changes, lambda: People(store, clock).write("hi")) < 0.1
        changes.close()
        store.close()


def test_while_the_server_is_away_whoever_waits_is_not_blocked(postgres: Server, vault: Vault) -> None:
    with postgres.database() as url:
        pass
    store = Store(url, vault)  # of a database that is gone
    changes = Changes(store)
    began = time.monotonic()
    assert changes.wait(2)  # the net
    assert 0.1 < time.monotonic() - began < 1
    with pytest.raises(ListenerLost):
        Listener(store.engine, (Topic.MESSAGES,))
    changes.close()
    store.close()
