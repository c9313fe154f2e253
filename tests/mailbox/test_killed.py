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
from bot.points import POINTS
from bot.storage import Store
from bot.storage.tables import outgoing, receipts
from bot.vault import SecretKeys, Vault

KEYS = SecretKeys.generate()
ROOT = Path(__file__).parents[2]
INCOMING = Incoming(Channel.SMS, "+1 202 555 0101", "SM1", text="help")

VICTIM = """
import asyncio, os, signal, sys
from bot import points
from bot.channels.sending import Sender, Sent
from bot.engine.worker import Worker
from bot.evaluation.drill_child import Echo, arm
from bot.mailbox import receive
from bot.model import *
from bot.storage import Store
from bot.vault import SecretKeys, Vault

url, keys, point, sent = sys.argv[1:]
store = Store(url, Vault(SecretKeys.parse(keys)))

class Provider:
    channel = Channel.SMS
    async def send(self, message):
        if point == "before the request":
            os.kill(os.getpid(), signal.SIGKILL)
        with open(sent, "a") as file:
            file.write(message.reply.text)
        return Sent("P1")

arm("" if point == "before the request" else point)
receive(store, Incoming(Channel.SMS, "+1 202 555 0101", "SM1", text="help"))
Worker(store, Echo(), owner="victim", lease_seconds=10, burst_seconds=0, safe=lambda turn: ()).step()

async def send():
    sender = Sender(store, Provider(), "victim")
    await sender.step()
    await sender.drain()

asyncio.run(send())
"""

AHEAD = 15.0
"""Seconds after the kill within which somebody else has taken over."""


@pytest.fixture
def later(database_url: str) -> Iterator[Store]:
    store = Store(database_url, Vault(SecretKeys.parse(KEYS)), ManualClock(SystemClock().now() + AHEAD))
    yield store
    store.close()


def kill(url: str, point: str, sent: Path) -> None:
    done = subprocess.run([sys.executable, "-c", VICTIM, url, KEYS, point, str(sent)], cwd=ROOT, capture_output=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-500:]


@pytest.mark.parametrize("point", [*POINTS, "before the request"])
def test_fault_1_wherever_a_process_is_killed_the_person_is_answered_and_a_double_is_marked(
        database_url: str, later: Store, point: str, tmp_path: Path) -> None:
    """Fault 1: SIGKILL before and after each commit, mid-turn, before and after a send."""
    sent = tmp_path / "sent"
    kill(database_url, point, sent)
    stage = POINTS.index("send.claimed" if point == "before the request" else point)
    repeat = receive(later, INCOMING)  # the provider got no answer, or sends it again all the same
    assert repeat.duplicate == (point != "receive.stored")
    turn = take(later, "engine-2", 10)
    assert (turn is None) == (stage >= POINTS.index("commit.committed"))
    if turn is not None:
        assert [m.text for m in turn.messages] == ["help"]
        assert turn.state == ConversationState()
        commit(later, turn, TurnOutcome(ConversationState(), (Reply("help"),)))
    before = sent.read_text() if sent.exists() else ""
    assert before == ("help" if point in ("send.answered", "send.marked") else "")
    again = outbox.due(later, Channel.SMS, "doors-2")
    for message in again:
        outbox.mark(later, message, SendState.SENT, provider_id="P2")
    assert len(again) == (0 if point == "send.marked" else 1)
    with later.read() as tx:
        rows = list(tx.execute(sa.select(outgoing.c.state, outgoing.c.possible_duplicate)))
        assert list(tx.execute(sa.select(receipts.c.outcome)).scalars()) == ["handled"]
    assert rows == [("sent", point in ("send.claimed", "before the request", "send.answered"))]
