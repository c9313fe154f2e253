"""The engine as a process: loads everything, then works until it is told to stop (SIGTERM, SIGINT)."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
from types import FrameType

from bot import logs
from bot.clock import SystemClock
from bot.engine.worker import Worker
from bot.engine.worker_parts import ROOT, assemble, quieten
from bot.settings import Settings
from bot.storage import open_store

_log = logs.get_logger("engine")


def main(settings: Settings) -> None:
    """Run one engine. Raises ``ModelError``, ``StorageUnusable`` and ``StorageUnavailable`` before it begins; never stops by itself."""
    clock = SystemClock()
    store = open_store(settings, clock)
    worker: Worker | None = None

    def stop(number: int, _frame: FrameType | None) -> None:
        if worker is None:
            sys.exit(0)  # still loading: nothing is held
        worker.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        store.check()
        parts = asyncio.run(assemble(ROOT, settings, clock, lambda line: _log.info("loading")))
        quieten(settings)
        worker = Worker(
            store,
            parts.engine,
            owner=f"engine-{os.getpid()}-{secrets.token_hex(4)}",
            lease_seconds=settings.lease_seconds,
            burst_seconds=settings.burst_seconds,
            safe=parts.safe,
            grade=parts.grade,
            clock=clock,
            backlog=settings.flood_backlog,
        )
        _log.info("ready", pid=os.getpid())
        worker.forever()
        _log.info("stopped", pid=os.getpid())
    finally:
        if worker is not None:
            worker.close()
        store.close()
