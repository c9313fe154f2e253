"""Which processes live, and how the mailbox stands: for readiness and metrics."""

from __future__ import annotations

from dataclasses import dataclass

from bot.storage import Store, handoffs, ledger, messages, outgoing

ALIVE_SECONDS = 10.0


def beat(store: Store, process: str, instance: str) -> None:
    """A process (``engine``, ``doors``) says that it works; every 2 to 3 seconds."""
    with store.write() as tx:
        ledger.beat(tx, process, instance, store.clock.now())


def stop_beating(store: Store, process: str, instance: str) -> None:
    """A process ends in good order."""
    with store.write() as tx:
        ledger.stop_beating(tx, process, instance)


def alive(store: Store, process: str, within: float = ALIVE_SECONDS) -> bool:
    """Whether some process of this kind said so in the last ``within`` seconds."""
    with store.read() as tx:
        now = store.clock.now()
        last = ledger.last_beat(tx, process, before=now + 1)
    return last is not None and now - last <= within


@dataclass(frozen=True)
class Figures:
    """Counts without personal data. Ages in seconds."""

    waiting: int
    oldest_waiting: float
    outgoing: dict[str, int]
    handoffs: dict[str, int]
    attention: int
    engine_alive: bool
    attention_kinds: dict[str, int]


def figures(store: Store) -> Figures:
    """How the mailbox stands now."""
    engine_alive = alive(store, "engine")
    with store.read() as tx:
        waiting, oldest = messages.backlog(tx)
        age = 0.0 if oldest is None else max(0.0, store.clock.now() - oldest)
        kinds = ledger.unseen_kinds(tx)
        return Figures(waiting, age, outgoing.counts(tx), handoffs.counts(tx), sum(kinds.values()), engine_alive, kinds)
