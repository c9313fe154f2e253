"""A real process is killed (SIGKILL) at a named point; what it held is neither lost nor doubled."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.clock import ManualClock, SystemClock
from bot.mailbox import TurnOutcome, commit, outbox, receive, take
from bot.model import Channel, ConversationState, Incoming, Reply, SendState
from bot.storage import Store
from bot.storage.tables import outgoing, receipts
from bot.vault import SecretKeys, Vault

KEYS = SecretKeys.generate()
ROOT = Path(__file__).parents[2]
INCOMING = Incoming(Channel.SMS, "+1 202 555 0101", "SM1", text="help")

VICTIM = """
import os, signal, sys
from bot.mailbox import *
from bot.mailbox import outbox
from bot.model import *
from bot.storage import Store, conversations, handoffs, messages, outgoing
from bot.vault import SecretKeys, Vault

url, keys, point = sys.argv[1:]
store = Store(url, Vault(SecretKeys.parse(keys)))

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def after(room, name):
    real = getattr(room, name)
    setattr(room, name, lambda *a, **k: (real(*a, **k), die()))

if point == "receive, before the commit":
    after(messages, "add")
receive(store, Incoming(Channel.SMS, "+1 202 555 0101", "SM1", text="help"))
if point == "received, before the answer":
    die()
turn = take(store, "victim", 10)
if point == "mid-turn":
    die()
if point == "commit, half of it written":
    after(outgoing, "add")
commit(store, turn, TurnOutcome(ConversationState(language="fi"), (Reply("answer"),)))
if point == "committed":
    die()
(message,) = outbox.due(store, Channel.SMS, "victim")
if point == "claimed for sending":
    die()
outbox.mark(store, message, SendState.SENT, provider_id="P1")
die()
"""

AHEAD = 15.0
"""Seconds after the kill within which somebody else has taken over."""


@pytest.fixture
def url(tmp_path: Path) -> str:
    store = Store(f"sqlite:///{tmp_path / 'x.sqlite3'}", Vault(SecretKeys.parse(KEYS)))
    store.migrate()
    store.close()
    return f"sqlite:///{tmp_path / 'x.sqlite3'}"


@pytest.fixture
def later(url: str) -> Iterator[Store]:
    store = Store(url, Vault(SecretKeys.parse(KEYS)), ManualClock(SystemClock().now() + AHEAD))
    yield store
    store.close()


def kill(url: str, point: str) -> None:
    done = subprocess.run([sys.executable, "-c", VICTIM, url, KEYS, point], cwd=ROOT, capture_output=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-500:]


@pytest.mark.parametrize("point", [
    "receive, before the commit", "received, before the answer", "mid-turn", "commit, half of it written", "committed", "claimed for sending", "sent",
])
def test_whenever_a_process_is_killed_the_person_is_answered_and_a_double_is_marked(url: str, later: Store, point: str) -> None:
    kill(url, point)
    repeat = receive(later, INCOMING)  # the provider got no answer, or sends it again all the same
    assert repeat.duplicate == (point != "receive, before the commit")
    turn = take(later, "engine-2", 10)
    assert (turn is None) == (point in ("committed", "claimed for sending", "sent"))
    if turn is not None:
        assert [m.text for m in turn.messages] == ["help"]
        assert turn.state == ConversationState()
        commit(later, turn, TurnOutcome(ConversationState(), (Reply("answer"),)))
    sent = outbox.due(later, Channel.SMS, "doors-2")
    for message in sent:
        outbox.mark(later, message, SendState.SENT, provider_id="P2")
    assert len(sent) == (0 if point == "sent" else 1)
    with later.read() as tx:
        rows = list(tx.execute(sa.select(outgoing.c.state, outgoing.c.possible_duplicate)))
        assert list(tx.execute(sa.select(receipts.c.outcome)).scalars()) == ["handled"]
    assert rows == [("sent", point == "claimed for sending")]
