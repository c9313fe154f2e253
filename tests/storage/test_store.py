"""The database: its tables, its migrations, and what an operator is told when it cannot be used."""

from __future__ import annotations

import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.clock import ManualClock
from bot.mailbox import TurnOutcome, commit, receive, take
from bot.model import Channel, ConversationState, Incoming, Reply
from bot.settings import load
from bot.storage import StorageUnavailable, StorageUnusable, Store, open_store
from bot.storage import store as module
from bot.storage.migrate import newest
from bot.storage.tables import SCHEMA_VERSION, receipts
from bot.vault import SecretKeys, Vault

VAULT = Vault(SecretKeys.parse(SecretKeys.generate()))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(f"sqlite:///{tmp_path / 'var' / 'helpline.sqlite3'}", VAULT, ManualClock())
    yield store
    store.close()


def ask(store: Store, pragma: str) -> object:
    with store.read() as tx:
        return tx.exec_driver_sql(f"PRAGMA {pragma}").scalar()


def test_the_code_knows_the_newest_migration() -> None:
    assert newest() == SCHEMA_VERSION


def test_migrating_again_changes_nothing_and_loses_nobody(store: Store) -> None:
    store.migrate()
    receive(store, Incoming(Channel.SMS, "+1 202 555 0101", "1", text="hi"))
    store.migrate()
    assert take(store, "engine-1", 10) is not None


def test_two_processes_that_start_together_migrate_once(tmp_path: Path) -> None:
    stores = [Store(f"sqlite:///{tmp_path / 'x.sqlite3'}", VAULT) for _ in range(2)]
    first = threading.Thread(target=stores[0].migrate)
    first.start()
    stores[1].migrate()
    first.join()
    for store in stores:
        store.check()
        store.close()


def test_the_embedded_database_is_set_up_to_lose_and_leave_nothing(store: Store) -> None:
    store.migrate()
    assert (ask(store, "journal_mode"), ask(store, "synchronous"), ask(store, "secure_delete"), ask(store, "foreign_keys")) == ("wal", 2, 1, 1)
    assert store.path is not None
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600


def test_a_database_without_tables_is_told_plainly(store: Store) -> None:
    with pytest.raises(StorageUnusable, match="run `helpline migrate`"):
        store.check()


@pytest.mark.parametrize(("version", "told"), [("0000", "run `helpline migrate`"), ("9999", "update the program")])
def test_a_database_of_another_version_is_told_plainly(store: Store, version: str, told: str) -> None:
    store.migrate()
    store.check()
    with store.write() as tx:
        tx.execute(sa.text("UPDATE alembic_version SET version_num = :v"), {"v": version})
    with pytest.raises(StorageUnusable, match=told):
        store.check()


def test_a_folder_that_cannot_be_made_is_told_plainly(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(f"sqlite:///{tmp_path / 'file' / 'var' / 'x.sqlite3'}", VAULT)
    with pytest.raises(StorageUnusable, match="check HELPLINE_VAR"):
        store.check()
    with pytest.raises(StorageUnusable, match="cannot be made"):
        store.migrate()


def test_a_folder_that_cannot_be_written_is_told_plainly(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.os, "access", lambda *_: False)  # tests may run as root, who may write anywhere
    with pytest.raises(StorageUnusable, match="not writable"):
        store.check()


def test_a_file_that_is_no_database_is_told_plainly(store: Store) -> None:
    assert store.path is not None
    store.path.parent.mkdir()
    store.path.write_bytes(b"this is a letter, not a database" * 100)
    with pytest.raises(StorageUnusable, match="does not answer"):
        store.check()


def test_fault_8_while_the_database_is_locked_nothing_is_accepted_and_no_half_row_is_left(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUSY_SECONDS", 0.1)
    store.migrate()
    assert store.path is not None
    impatient = Store(store.url, VAULT, store.clock)
    hog = sqlite3.connect(store.path, isolation_level=None)
    hog.execute("BEGIN EXCLUSIVE")
    incoming = Incoming(Channel.SMS, "+1 202 555 0101", "1", text="hi")
    with pytest.raises(StorageUnavailable, match="locked"):
        receive(impatient, incoming)
    hog.execute("ROLLBACK")
    hog.close()
    assert not receive(impatient, incoming).duplicate
    impatient.close()


def test_fault_8_when_the_disk_is_full_nothing_is_accepted_and_no_half_row_is_left(store: Store) -> None:
    store.migrate()
    with store.read() as tx:
        pages = tx.exec_driver_sql("PRAGMA page_count").scalar()
    full = Store(store.url, VAULT, store.clock)

    @sa.event.listens_for(full.engine, "connect")
    def tiny(raw: sqlite3.Connection, _record: object) -> None:
        raw.execute(f"PRAGMA max_page_count={pages}")

    with pytest.raises(StorageUnavailable, match="disk full"):
        receive(full, Incoming(Channel.SMS, "+1 202 555 0101", "1", text="x" * 100_000))
    full.close()
    with store.read() as tx:
        assert tx.execute(sa.select(sa.func.count()).select_from(receipts)).scalar() == 0


def test_an_error_of_the_database_shows_no_values(store: Store) -> None:
    store.migrate()
    with pytest.raises(StorageUnavailable) as caught, store.write() as tx:
        tx.execute(sa.text("INSERT INTO nowhere VALUES (:x)"), {"x": "he took my passport"})
    assert "passport" not in str(caught.value) + str(caught.value.__cause__)


def test_a_transaction_that_raises_leaves_nothing(store: Store) -> None:
    store.migrate()
    with pytest.raises(ZeroDivisionError), store.write() as tx:
        tx.execute(receipts.insert().values(hash="x", channel="sms", first_seen=1.0, outcome="waiting"))
        raise ZeroDivisionError
    with store.read() as tx:
        assert tx.execute(sa.select(sa.func.count()).select_from(receipts)).scalar() == 0


def test_a_throwaway_store_leaves_no_file(tmp_path: Path) -> None:
    store = Store.throwaway(VAULT)
    assert store.path is not None
    folder = store.path.parent
    receive(store, Incoming(Channel.SMS, "+1 202 555 0101", "1", text="hi"))
    assert folder.exists()
    store.close()
    assert not folder.exists()


def test_the_store_of_an_installation_opens_again_with_its_own_keys(tmp_path: Path) -> None:
    settings = load({"HELPLINE_VAR": str(tmp_path / "var")})
    first = open_store(settings)
    first.migrate()
    receive(first, Incoming(Channel.SMS, "+1 202 555 0101", "1", text="hi"))
    first.close()
    second = open_store(settings)
    turn = take(second, "engine-1", 10)
    assert turn is not None
    assert turn.messages[0].text == "hi"
    second.close()


def test_the_limits_follow_the_settings(tmp_path: Path) -> None:
    store = open_store(load({"HELPLINE_VAR": str(tmp_path / "var"), "HELPLINE_BOT_EXPIRY_MINUTES": "5", "HELPLINE_STRANGER_DAYS": "7"}))
    assert (store.limits.bot_expiry, store.limits.stranger, store.limits.longest_lease) == (300, 7 * 86400, 15)
    store.close()


def test_what_was_said_is_in_no_file_in_the_clear(store: Store) -> None:
    store.migrate()
    canary, number, provider = "CANARY he took my passport", "+12025550143", "SMcanary00000000000000000000000001"
    receive(store, Incoming(Channel.SMS, number, provider, text=canary, hint="fi"))
    turn = take(store, "engine-1", 10)
    assert turn is not None
    commit(store, turn, TurnOutcome(ConversationState(question=canary), (Reply(canary),), canary.encode()))
    assert store.path is not None
    found = b"".join(file.read_bytes() for file in store.path.parent.iterdir())
    assert len(found) > 10_000
    for secret in (canary, number, provider, number[2:]):
        for encoding in ("utf-8", "utf-16-le"):
            assert secret.encode(encoding) not in found
