"""The one piece of SQL that both databases spell alike and SQLAlchemy does not."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection


def insert_new(tx: Connection, table: sa.Table, values: dict[str, Any]) -> bool:
    """Insert a row unless one with the same unique values is there; whether it was inserted."""
    return bool(tx.execute(_insert_new(table, tuple(values)), values).rowcount == 1)


@lru_cache(maxsize=64)
def _insert_new(table: sa.Table, columns: tuple[str, ...]) -> Any:
    # as text: SQLAlchemy 1.4 compiles its own ON CONFLICT anew each time, which takes longer than running it
    names, marks = ", ".join(columns), ", ".join(f":{name}" for name in columns)
    text = sa.text(f"INSERT INTO {table.name} ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING")  # noqa: S608 - our own tables' names
    return text.bindparams(*(sa.bindparam(name, type_=table.c[name].type) for name in columns))
