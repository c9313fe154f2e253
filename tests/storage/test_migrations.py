"""The migrations, up and down, with people's messages in the tables, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.engine import Connection

from bot import mailbox
from bot.clock import ManualClock
from bot.mailbox import TurnOutcome, commit, outbox, receive, take
from bot.model import Channel, ConversationState, Incoming, Reply
from bot.storage import Store
from bot.storage.migrate import downgrade
from bot.storage.tables import SCHEMA_VERSION, metadata
from bot.vault import SecretKeys, Vault
from tests.postgres import Server

VERSIONS = [f"{number:04}" for number in range(1, int(SCHEMA_VERSION) + 1)]


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A store without tables."""
    vault = Vault(SecretKeys.parse(SecretKeys.generate()))
    if request.param == "sqlite":
        store = Store(f"sqlite:///{tmp_path / 'x.sqlite3'}", vault, ManualClock())
        yield store
        store.close()
        return
    server: Server = request.getfixturevalue("postgres")
    with server.database(empty=True) as url:
        store = Store(url, vault, ManualClock())
        yield store
        store.close()


def shape(tx: Connection) -> dict[str, set[str]]:
    """Tables, with the names of their columns and indexes."""
    found = sa.inspect(tx)
    return {table: {*(c["name"] for c in found.get_columns(table)), *(i["name"] for i in found.get_indexes(table))} for table in found.get_table_names()}


def indexes(tx: Connection) -> dict[str, str]:
    """Indexes by name, as they were made: the partial ones with their condition."""
    sql = ("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL" if tx.dialect.name == "sqlite" else
           "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'")
    return {row[0]: row[1] for row in tx.exec_driver_sql(sql) if "alembic" not in row[0]}


def test_the_migrations_make_the_tables_that_the_code_uses(store: Store) -> None:
    store.migrate()
    with store.read() as tx:
        ours = {"compare_type": True, "include_name": lambda name, kind, _: not (kind == "table" and name == "sqlite_sequence")}
        assert compare_metadata(MigrationContext.configure(tx, opts=ours), metadata) == []
        migrated = indexes(tx)
    with store.write() as tx:
        metadata.drop_all(tx)
        metadata.create_all(tx)
        assert indexes(tx) == migrated


@pytest.mark.parametrize("version", VERSIONS[:-1])
def test_going_back_a_version_and_forth_again_loses_nobody(store: Store, version: str) -> None:
    store.migrate()
    with store.read() as tx:
        before, made = shape(tx), indexes(tx)
    for number in (1, 2):
        receive(store, Incoming(Channel.SMS, "+1 202 555 0101", f"SM{number}", text=f"message {number}"))
        if number == 1:
            turn = take(store, "engine-1", 10)
            assert turn is not None
            commit(store, turn, TurnOutcome(ConversationState(language="so"), (Reply("answer"),), b"snapshot"))
    downgrade(store.engine, version)
    with store.read() as tx:
        assert shape(tx) != before
    store.migrate()
    store.check()
    with store.read() as tx:
        assert (shape(tx), indexes(tx)) == (before, made)
    turn = take(store, "engine-1", 10)
    assert turn is not None
    assert ([m.text for m in turn.messages], turn.state.language, turn.snapshot) == (["message 2"], "so", b"snapshot")
    assert [m.reply.text for m in outbox.due(store, Channel.SMS, "doors")] == ["answer"]
    assert receive(store, Incoming(Channel.SMS, "+1 202 555 0101", "SM1", text="message 1")).duplicate
    commit(store, turn, TurnOutcome(ConversationState(), erase=True))
    assert mailbox.figures(store).waiting == 0
