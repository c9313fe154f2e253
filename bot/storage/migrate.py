"""Runs the Alembic migrations of this package. Apart from :mod:`bot.storage.store` because Alembic is slow to import."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Engine

_ONE_AT_A_TIME = threading.Lock()  # Alembic's context is one a process


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def upgrade(engine: Engine) -> None:
    """Run the missing migrations in one transaction; two processes that start together do it once, one after the other."""
    _run(engine, command.upgrade, "head")


def downgrade(engine: Engine, revision: str) -> None:
    """Go back to an older version, in one transaction. Only with everything else stopped, and a backup."""
    _run(engine, command.downgrade, revision)


def _run(engine: Engine, step: Callable[[Config, str], None], revision: str) -> None:
    config = _config()
    with _ONE_AT_A_TIME, engine.connect() as connection:
        connection = connection.execution_options(helpline_writes=True)
        with connection.begin():
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '60s'")  # a big table takes its time
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(772100)")
            config.attributes["connection"] = connection
            step(config, revision)


def newest() -> str:
    """The version that the migrations end at."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise RuntimeError("there are no migrations")
    return head
