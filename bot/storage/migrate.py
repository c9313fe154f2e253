"""Runs the Alembic migrations of this package. Apart from :mod:`bot.storage.store` because Alembic is slow to import."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Engine


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def upgrade(engine: Engine) -> None:
    """Run the missing migrations in one transaction; two processes that start together do it once, one after the other."""
    config = _config()
    with engine.connect() as connection:
        connection = connection.execution_options(helpline_writes=True)
        with connection.begin():
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(772100)")
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def newest() -> str:
    """The version that the migrations end at."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise RuntimeError("there are no migrations")
    return head
