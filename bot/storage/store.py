"""The store: one database, its transactions, its migrations, and whether it can be used."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import QueuePool

from bot import logs
from bot.clock import Clock, SystemClock
from bot.model import Author, Channel
from bot.settings import Settings
from bot.storage.tables import SCHEMA_VERSION, metadata
from bot.vault import Vault, keys_for

_log = logs.get_logger("storage")

KEEPALIVES = {"keepalives": 1, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 20_000}
"""libpq's parameters: a server that vanished without a word is noticed within half a minute."""

BUSY_SECONDS = 5.0
"""How long a transaction waits for another one before :class:`StorageUnavailable`."""

_STATEMENT_SECONDS = 15.0
_IDLE_SECONDS = 30.0


class StorageUnavailable(Exception):
    """The database cannot be used now: locked too long, disk full, server away. Nothing of the transaction was kept. One plain line."""


class StorageUnusable(Exception):
    """The database cannot be used until somebody does something; the message is one line that says what."""


@dataclass(frozen=True)
class Limits:
    """What the mailbox keeps to: times in seconds, and what one sender may cost."""

    bot_expiry: float = 600.0
    page_expiry: float = 3600.0
    """Replies to the page: it fetches them itself, and only while somebody has it open."""
    worker_expiry: float = 3600.0
    stranger: float = 30 * 86400.0
    keep: float = 30 * 86400.0
    keep_handed: float = 90 * 86400.0
    longest_lease: float = 15.0
    flood_per_minute: float = 20.0
    """Messages that an address may write at once, and a minute; 0: no limits. The next two count by the hour."""
    flood_per_hour: float = 240.0
    flood_segments_per_hour: float = 150.0
    redact: frozenset[str] = frozenset()
    """Channels whose provider is told to forget a text once it is handled or delivered."""

    def expiry(self, author: Author, channel: str) -> float:
        """So many seconds after the person's last message something of ``author`` may still be sent on ``channel``."""
        if channel == Channel.WEB.value:
            return max(self.page_expiry, self.worker_expiry)
        return self.worker_expiry if author is Author.WORKER else self.bot_expiry

    @staticmethod
    def of(settings: Settings) -> Limits:
        return Limits(bot_expiry=settings.bot_expiry_minutes * 60, page_expiry=settings.page_expiry_minutes * 60, worker_expiry=settings.worker_expiry_minutes * 60,
                      stranger=settings.stranger_days * 86400, keep=settings.keep_days * 86400.0,
                      keep_handed=settings.keep_handoff_days * 86400.0, longest_lease=max(15.0, settings.lease_seconds),
                      flood_per_minute=settings.flood_per_minute, flood_per_hour=settings.flood_per_hour,
                      flood_segments_per_hour=settings.flood_segments_per_hour,
                      redact=frozenset({"sms"}) if settings.sms and settings.twilio_redact else frozenset())


class Store:
    """One database. Safe to share between threads; each transaction has a connection of its own.

    ``url``: ``sqlite:///FILE`` or ``postgresql://…``. Opening neither makes nor checks tables: see :meth:`migrate` and :meth:`check`.
    """

    def __init__(self, url: str, vault: Vault, clock: Clock | None = None, limits: Limits | None = None, *, durable: bool = True) -> None:
        self.url = url
        self.vault = vault
        self.clock: Clock = clock if clock is not None else SystemClock()
        self.limits = limits if limits is not None else Limits()
        self.sqlite = url.startswith("sqlite")
        self._remove: Callable[[], object] = lambda: None
        self._scrub_due = threading.Event()
        self._writer = threading.Lock()
        self.engine = _sqlite_engine(url, durable) if self.sqlite else _postgres_engine(url)

    @staticmethod
    def throwaway(vault: Vault, clock: Clock | None = None, limits: Limits | None = None) -> Store:
        """A store with its tables that vanishes at :meth:`close`: for batch commands and tests. Survives no power cut, and is quick."""
        shm = Path("/dev/shm")  # noqa: S108 - only as the parent of a mkdtemp folder
        folder = Path(tempfile.mkdtemp(prefix="helpline-", dir=shm if os.access(shm, os.W_OK) else None))
        store = Store(f"sqlite:///{folder / 'throwaway.sqlite3'}", vault, clock, limits, durable=False)
        store._remove = weakref.finalize(store, shutil.rmtree, folder, ignore_errors=True)  # also at the end of the process
        metadata.create_all(store.engine)
        return store

    @property
    def path(self) -> Path | None:
        """The database's file; ``None`` with a server."""
        return Path(self.url.split("sqlite:///", 1)[1]) if self.sqlite else None

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """One writing transaction: all of it is kept, or none when the block raises. Raises :class:`StorageUnavailable`."""
        with self._queue(), _plain_errors(), self.engine.connect() as connection:
            connection = connection.execution_options(helpline_writes=True)
            with connection.begin():
                yield connection

    @contextlib.contextmanager
    def _queue(self) -> Iterator[None]:
        """On SQLite this process's writers line up here: SQLite itself makes them sleep and try, and the unlucky ones long."""
        if not self.sqlite:
            yield
            return
        if not self._writer.acquire(timeout=BUSY_SECONDS):
            raise StorageUnavailable("locked")
        try:
            yield
        finally:
            self._writer.release()

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """One reading transaction, in nobody's way. Raises :class:`StorageUnavailable`.

        On SQLite it is a single view of the data; on PostgreSQL (READ COMMITTED) each statement sees what is committed by then.
        """
        with _plain_errors(), self.engine.connect() as connection, connection.begin():
            yield connection

    def migrate(self) -> None:
        """Bring the tables up to date. Safe to call always. Raises :class:`StorageUnusable` or :class:`StorageUnavailable`."""
        if self.path is not None:
            _make_folder(self.path)
        if self._version() != SCHEMA_VERSION:
            from bot.storage.migrate import upgrade  # Alembic is slow to import and the doors must open at once

            with _plain_errors():
                upgrade(self.engine)
        if self.path is not None:
            os.chmod(self.path, 0o600)

    def check(self) -> None:
        """Raise :class:`StorageUnusable` with a plain line when the database is unwritable, absent, old or newer than this code."""
        if self.path is not None:
            _make_folder(self.path)
            if self.path.exists() and not os.access(self.path, os.W_OK):
                raise StorageUnusable(f"{self.path} is not writable; check its owner and rights")
        try:
            found = self._version()
        except StorageUnavailable as error:
            raise StorageUnusable(f"the database does not answer ({error}); check HELPLINE_DATABASE_URL and the server") from None
        if found is None:
            raise StorageUnusable("the database has no tables yet; run `helpline migrate`")
        if str(found) < SCHEMA_VERSION:
            raise StorageUnusable(f"the database is at version {found} and this program needs {SCHEMA_VERSION}; run `helpline migrate`")
        if str(found) > SCHEMA_VERSION:
            raise StorageUnusable(f"the database is at version {found}, newer than this program ({SCHEMA_VERSION}); update the program")

    def _version(self) -> str | None:
        """The newest migration that the database has had; ``None`` without tables."""
        with self.read() as tx:
            known = sa.inspect(tx).has_table("alembic_version")
            return tx.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() if known else None

    def scrub(self) -> None:
        """After an erasure on SQLite: empty the write-ahead log, so that old bytes stay in no file. Tried again later when busy."""
        if self.path is None:
            return
        self._scrub_due.set()
        self.scrub_if_due()

    def scrub_if_due(self) -> None:
        """Finish a :meth:`scrub` that found the database busy. Cheap when there is none."""
        if not self._scrub_due.is_set() or self.path is None:
            return
        try:
            with contextlib.closing(sqlite3.connect(self.path, timeout=0.25)) as raw:
                busy = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except sqlite3.OperationalError:
            busy = 1
        if not busy:
            self._scrub_due.clear()

    def close(self) -> None:
        """Give all connections back; a throw-away store is removed."""
        self.engine.dispose()
        self._remove()


def open_store(settings: Settings, clock: Clock | None = None) -> Store:
    """The store that ``settings`` name, with this installation's keys. Raises :class:`bot.settings.SettingsError`."""
    return Store(settings.database_url, Vault(keys_for(settings)), clock, Limits.of(settings))


@contextlib.contextmanager
def _plain_errors() -> Iterator[None]:
    """The database's own errors as ours: they may quote values, ours name a type only."""
    try:
        yield
    except exc.IntegrityError:
        raise
    except (exc.DBAPIError, exc.TimeoutError) as error:
        cause = getattr(error, "orig", None) or error
        word = str(cause).lower()
        what = "locked" if "lock" in word else "disk full" if "full" in word or "no space left" in word else type(cause).__name__
        _log.warning("database_unavailable", error=type(cause).__name__)
        raise StorageUnavailable(what) from error


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageUnusable(f"the folder {path.parent} cannot be made ({type(error).__name__}); check HELPLINE_VAR and its rights") from None
    if not os.access(path.parent, os.W_OK):
        raise StorageUnusable(f"the folder {path.parent} is not writable; check its owner and rights, or set HELPLINE_VAR")


def _sqlite_engine(url: str, durable: bool) -> Engine:
    engine = sa.create_engine(url, future=True, hide_parameters=True, poolclass=QueuePool, pool_size=8, max_overflow=40, pool_timeout=BUSY_SECONDS,
                              connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def on_connect(raw: Any, _record: object) -> None:
        raw.isolation_level = None  # BEGIN is ours: pysqlite's own would come late and unmarked
        cursor = raw.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute(f"PRAGMA synchronous={'FULL' if durable else 'OFF'}")  # FULL: what was accepted survives a power cut
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA secure_delete=ON")
        cursor.execute("PRAGMA temp_store=MEMORY")
        cursor.close()

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        # a writer takes its lock at once: one that upgrades half-way fails without waiting
        connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("helpline_writes") else "BEGIN")

    return engine


def _postgres_engine(url: str) -> Engine:
    """Nothing waits for ever: locks, statements, transactions of a process that hangs, and hosts that vanish all have an end."""
    limits = {"lock_timeout": BUSY_SECONDS, "statement_timeout": _STATEMENT_SECONDS, "idle_in_transaction_session_timeout": _IDLE_SECONDS}
    options = " ".join(f"-c {name}={round(seconds * 1000)}" for name, seconds in limits.items())
    options += " -c synchronous_commit=on"  # whatever the server's default is: what was accepted survives a crash
    return sa.create_engine(url, future=True, hide_parameters=True, isolation_level="READ COMMITTED", pool_pre_ping=True, pool_size=8, max_overflow=40,
                            pool_timeout=BUSY_SECONDS, connect_args={"connect_timeout": 5, "application_name": "helpline", "options": options, **KEEPALIVES})
