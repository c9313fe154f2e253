"""The one piece of SQL that both databases spell alike and SQLAlchemy does not."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection


def insert_new(tx: Connection, table: sa.Table, values: dict[str, Any]) -> bool:
    """Insert a row unless one with the same unique values is there; whether it was inserted."""
    insert = postgresql.insert(table) if tx.dialect.name == "postgresql" else sqlite.insert(table)
    return bool(tx.execute(insert.values(**values).on_conflict_do_nothing()).rowcount == 1)
