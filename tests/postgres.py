"""A real PostgreSQL server that is thrown away: its own folder, its own port on loopback, nothing of the machine's own server is touched."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2

from bot.storage import Store
from bot.vault import SecretKeys, Vault

_TEMPLATE = "helpline_template"


class NoServer(Exception):
    """This machine has no PostgreSQL server; the message says how to get one."""


def binaries() -> Path:
    """The folder with ``initdb`` and ``postgres``. Raises :class:`NoServer`."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda place: float(place.parent.name), reverse=True)
    places += [Path("/usr/local/opt/postgresql/bin"), Path("/opt/homebrew/opt/postgresql/bin")]
    for place in places:
        if (place / "initdb").exists() and (place / "postgres").exists():
            return place
    raise NoServer("no PostgreSQL server on this machine; on Debian: apt-get install postgresql")


class Server:
    """One server. ``durable``: with ``fsync``, for tests that kill it."""

    def __init__(self, *, durable: bool = False) -> None:
        self._bin = binaries()
        self._durable = durable
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        self._folder = Path(tempfile.mkdtemp(prefix="helpline-pg-"))
        # the server refuses to run as root
        self._user: dict[str, Any] = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
        if self._user:
            shutil.chown(self._folder, "postgres", "postgres")
        with contextlib.closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        subprocess.run([self._bin / "initdb", "-D", self._folder / "data", "-U", "helpline", "--auth=trust", "-E", "UTF8", "--locale=C", "--no-sync"],
                       check=True, capture_output=True, cwd=self._folder, **self._user)
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        fast = [] if self._durable else ["-c", "fsync=off", "-c", "full_page_writes=off"]
        self._process = subprocess.Popen(
            [self._bin / "postgres", "-D", self._folder / "data", "-p", str(self.port), "-h", "127.0.0.1", "-k", str(self._folder),
             "-c", "max_connections=200", "-c", "shared_buffers=32MB", *fast],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self._folder, start_new_session=True, **self._user)
        end = time.monotonic() + 30
        while True:
            try:
                psycopg2.connect(self.url("postgres")).close()
                return
            except psycopg2.OperationalError:
                if time.monotonic() > end or self._process.poll() is not None:
                    raise
                time.sleep(0.05)

    def stop(self, number: int = signal.SIGINT) -> None:
        """End it: ``SIGINT`` cuts all connections in order, ``SIGQUIT`` as a crash does."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(30)
            self._process = None

    def close(self) -> None:
        """End it and remove its folder."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self._folder, ignore_errors=True)

    def url(self, database: str) -> str:
        return f"postgresql://helpline@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str) -> None:
        """Run one statement outside a transaction, on the server's own database."""
        with contextlib.closing(psycopg2.connect(self.url("postgres"))) as raw:
            raw.autocommit = True
            raw.cursor().execute(statement)

    @contextlib.contextmanager
    def database(self, *, empty: bool = False) -> Iterator[str]:
        """The URL of a fresh database with the tables in it, or ``empty``; gone at the end, whoever is still connected."""
        name = f"test_{next(self._numbers)}"
        if not empty:
            self._make_template()
        self.execute(f"CREATE DATABASE {name} TEMPLATE {'template0' if empty else _TEMPLATE}")
        try:
            yield self.url(name)
        finally:
            if self._process is not None:
                self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _make_template(self) -> None:
        with contextlib.closing(psycopg2.connect(self.url("postgres"))) as raw:
            cursor = raw.cursor()
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (_TEMPLATE,))
            if cursor.fetchone():
                return
        self.execute(f"CREATE DATABASE {_TEMPLATE} TEMPLATE template0")
        store = Store(self.url(_TEMPLATE), Vault(SecretKeys.parse(SecretKeys.generate())))
        store.migrate()
        store.close()
