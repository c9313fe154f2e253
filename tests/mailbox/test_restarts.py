"""Engines that are told to end, one after another, while people write: what is under way is finished, nothing waits for a lease."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot import mailbox
from bot.mailbox import receive
from bot.model import Channel, Incoming
from bot.storage import Store
from bot.storage.tables import heartbeats
from bot.vault import SecretKeys, Vault

ROOT = Path(__file__).parents[2]
KEYS = SecretKeys.generate()


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    opened = Store(database_url, Vault(SecretKeys.parse(KEYS)))
    yield opened
    opened.close()


@contextmanager
def engine(url: str, seconds: float, var: Path) -> Iterator[subprocess.Popen[bytes]]:
    """An engine whose turns take ``seconds``."""
    environ = {**os.environ, "HELPLINE_DATABASE_URL": url, "HELPLINE_SECRET_KEYS": KEYS, "HELPLINE_BURST_SECONDS": "0", "HELPLINE_VAR": str(var)}
    process = subprocess.Popen([sys.executable, "-m", "bot.evaluation.drill_child", "echo", str(seconds)], cwd=ROOT, env=environ, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def until(condition: object, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def beating(store: Store) -> int:
    with store.read() as tx:
        return int(tx.execute(sa.select(sa.func.count()).select_from(heartbeats)).scalar())


def writes(store: Store, number: int, person: int) -> None:
    receive(store, Incoming(Channel.SMS, f"+1 202 555 01{person:02}", f"SM{number}", text=f"m{number}"))


def test_fault_28_an_engine_told_to_end_finishes_the_turn_under_way(store: Store, database_url: str, tmp_path: Path) -> None:
    """Fault 28: SIGTERM mid-turn."""
    writes(store, 1, 1)
    with engine(database_url, 1.0, tmp_path) as process:
        until(lambda: [m.attempts for talk in mailbox.audit.talks(store) for m in talk.heard] == [1])
        writes(store, 2, 2)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
        assert (process.returncode, errors) == (0, b"")
    found = {message.text: (message.outcome, message.attempts) for talk in mailbox.audit.talks(store) for message in talk.heard}
    assert found == {"m1": ("handled", 1), "m2": ("waiting", 0)}
    assert not mailbox.alive(store, "engine")


def test_fault_28_engines_are_replaced_one_by_one_while_people_write_and_each_message_is_one_turn(
        store: Store, database_url: str, tmp_path: Path) -> None:
    """Fault 28: a rolling restart with two engines."""
    number = 0
    with ExitStack() as engines:
        for old in [engines.enter_context(engine(database_url, 0.05, tmp_path)) for _ in range(2)]:
            until(lambda: beating(store) == 2)
            for person in range(6):
                number += 1
                writes(store, number, person)
            old.send_signal(signal.SIGTERM)
            engines.enter_context(engine(database_url, 0.05, tmp_path))
            for person in range(6):
                number += 1
                writes(store, number, person)
            assert old.wait(20) == 0
            until(lambda: not mailbox.figures(store).waiting, 8.0)  # below a lease: nothing was left behind
    talks = list(mailbox.audit.talks(store))
    assert {(m.outcome, m.attempts) for talk in talks for m in talk.heard} == {("handled", 1)}
    for talk in talks:
        assert [reply.text for reply in talk.told] == [message.text for message in talk.heard]
    assert sum(len(talk.told) for talk in talks) == number
