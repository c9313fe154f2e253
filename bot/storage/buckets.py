"""Rows of what an address may still cost: counts and a time under a keyed name of its own, nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.storage.sql import insert_new
from bot.storage.tables import buckets

_b = buckets.c
_p = sa.bindparam
_FIND = sa.select(buckets).where(_b.name.in_(_p("b_names", expanding=True))).with_for_update()  # made once: quicker
_KEEP = buckets.update().where(_b.name == _p("b_name")).values(
    minute=_p("b_minute"), hour=_p("b_hour"), segments=_p("b_segments"), slowed=_p("b_slowed"), at=_p("b_at"))


@dataclass(frozen=True)
class Bucket:
    """What is left at ``at`` (seconds since the epoch): messages of this minute and this hour, SMS segments of this hour. ``slowed``:
    something ran out, and not enough has come back since."""

    name: str
    minute: float
    hour: float
    segments: float
    slowed: bool
    at: float


def find(tx: Connection, names: Sequence[str]) -> Bucket | None:
    """The row under one of an address's keyed names; locks it."""
    row = tx.execute(_FIND, {"b_names": list(names)}).first()
    return None if row is None else Bucket(row.name, row.minute, row.hour, row.segments, row.slowed, row.at)


def keep(tx: Connection, bucket: Bucket) -> None:
    """Store it."""
    values = {"minute": bucket.minute, "hour": bucket.hour, "segments": bucket.segments, "slowed": bucket.slowed, "at": bucket.at}
    if not tx.execute(_KEEP, {"b_name": bucket.name, **{f"b_{name}": value for name, value in values.items()}}).rowcount:
        insert_new(tx, buckets, {"name": bucket.name, **values})


def drop_idle(tx: Connection, before: float, after: float) -> None:
    """Remove what was last used before ``before``, or later than ``after`` (the clock was set back)."""
    tx.execute(buckets.delete().where(sa.or_(_b.at < before, _b.at > after)))
