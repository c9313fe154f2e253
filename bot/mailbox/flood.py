"""Limits against floods, a sender at a time: kind, temporary, and never in the way of danger.

Every verified message is stored, understood and gets an outcome. What is limited is what one address may *cost*: replies, turns through the
rules, SMS segments. A message above the limit is marked when it is accepted, so that a crash changes nothing; what is said to it, and what
is answered all the same (danger, quiet, stop, erase, asking for a person), is for the engine.

Two buckets of messages and one of segments, filled again as time passes. Who has run out is slowed until a part has come back, so that
somebody who writes on and on hears the one line seldom. The row has a keyed name of its own, which nothing else in the database
repeats: it survives an erasure, holds counts and a time, and goes when it was not used for an hour.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy.engine import Connection

from bot.model import Channel, Flood
from bot.storage import Limits, Store, buckets
from bot.storage.buckets import Bucket

FULL_AFTER = 3600.0
"""After so many seconds every bucket is full again: the row tells nothing any more."""

_REPLY_SEGMENTS = 6.0
_CLOCK_SLACK = 60.0


def charge(store: Store, tx: Connection, channel: str, address: str, now: float) -> Flood:
    """Count one message of ``address``, and say how it stands. ``flood_per_minute`` 0: no limits."""
    limits = store.limits
    if limits.flood_per_minute <= 0:
        return Flood.WITHIN
    bucket = _now(store, tx, channel, address, now)
    if bucket.slowed and _recovered(bucket, limits):
        bucket = replace(bucket, slowed=False)
    if bucket.slowed:
        found = Flood.OVER
    elif bucket.minute >= 1 and bucket.hour >= 1 and bucket.segments > 0:
        found, bucket = Flood.WITHIN, replace(bucket, minute=bucket.minute - 1, hour=bucket.hour - 1)
    else:
        found, bucket = Flood.FIRST_OVER, replace(bucket, slowed=True)
    buckets.keep(tx, bucket)
    return found


def spend(store: Store, tx: Connection, channel: str, address: str, segments: int, now: float) -> None:
    """Count what replies to ``address`` cost. They are sent whatever is left; the next message meets what they have used up."""
    if channel != Channel.SMS.value or segments <= 0 or store.limits.flood_per_minute <= 0:
        return
    bucket = _now(store, tx, channel, address, now)
    buckets.keep(tx, replace(bucket, segments=max(bucket.segments - segments, -store.limits.flood_segments_per_hour)))


def forget_idle(store: Store, tx: Connection, now: float) -> None:
    """Remove the rows that tell nothing any more."""
    buckets.drop_idle(tx, now - FULL_AFTER, now + FULL_AFTER)


def _now(store: Store, tx: Connection, channel: str, address: str, now: float) -> Bucket:
    """The address's bucket as it stands now. How long ago it was used is unknown after the clock was set back: then it is full."""
    limits = store.limits
    names = store.vault.pseudonyms(f"flood {channel}", address)
    found = buckets.find(tx, names)
    if found is None:
        return Bucket(names[0], limits.flood_per_minute, limits.flood_per_hour, limits.flood_segments_per_hour, False, now)
    passed = FULL_AFTER if found.at > now + _CLOCK_SLACK else max(0.0, now - found.at)
    return replace(
        found, at=now,
        minute=min(limits.flood_per_minute, found.minute + passed * limits.flood_per_minute / 60),
        hour=min(limits.flood_per_hour, found.hour + passed * limits.flood_per_hour / 3600),
        segments=min(limits.flood_segments_per_hour, found.segments + passed * limits.flood_segments_per_hour / 3600))


def _recovered(bucket: Bucket, limits: Limits) -> bool:
    half = limits.flood_per_minute / 2
    return (bucket.minute >= half and bucket.hour >= min(half, limits.flood_per_hour / 2)
            and bucket.segments >= min(_REPLY_SEGMENTS, limits.flood_segments_per_hour / 2))
