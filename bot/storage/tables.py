"""The tables. What a person wrote, was told or is reached at stands here only sealed; plain columns are what picking needs.

Times are seconds since the epoch, UTC. SQL that both SQLite and PostgreSQL understand. The migrations make the same tables, and a
test compares both.
"""

from __future__ import annotations

import sqlalchemy as sa

SCHEMA_VERSION = "0003"
"""The newest migration, which this code needs."""

metadata = sa.MetaData()

Time = sa.Float(53)
Big = sa.BigInteger().with_variant(sa.Integer, "sqlite")
"""64 bits on both (SQLite's INTEGER; its autoincrement works on that name alone)."""

OPEN_SENDS = ("queued", "sending")

conversations = sa.Table(
    "conversations",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),  # random: tells nothing, guesses nothing
    sa.Column("channel", sa.String(16), nullable=False),
    sa.Column("pseudonym", sa.String(64)),  # NULL: superseded after long silence, no longer reachable
    sa.Column("key_id", sa.String(16), nullable=False),
    sa.Column("data_key", sa.LargeBinary, nullable=False),
    sa.Column("address", sa.LargeBinary, nullable=False),
    sa.Column("state", sa.LargeBinary),
    sa.Column("snapshot", sa.LargeBinary),
    sa.Column("quiet", sa.Boolean, nullable=False, default=False),
    sa.Column("opted_out", sa.Boolean, nullable=False, default=False),
    sa.Column("created_at", Time, nullable=False),
    sa.Column("last_heard_at", Time, nullable=False),
    sa.Column("next_in", Big, nullable=False, default=1),
    sa.Column("next_out", Big, nullable=False),
    sa.Column("lease_owner", sa.String(64)),
    sa.Column("lease_until", Time),
    sa.Column("fence", Big, nullable=False, default=0),
    sa.UniqueConstraint("channel", "pseudonym", name="uq_conversations_pseudonym"),
)

receipts = sa.Table(
    "receipts",
    metadata,
    sa.Column("hash", sa.String(64), primary_key=True),
    sa.Column("channel", sa.String(16), nullable=False),
    sa.Column("first_seen", Time, nullable=False),
    sa.Column("outcome", sa.String(16), nullable=False),  # waiting, then one of: handled, set_aside, erased
)

messages = sa.Table(
    "messages",
    metadata,
    sa.Column("id", Big, primary_key=True, autoincrement=True),
    sa.Column("conversation_id", sa.String(32), sa.ForeignKey("conversations.id"), nullable=False),
    sa.Column("receipt", sa.String(64), sa.ForeignKey("receipts.hash"), nullable=False, unique=True),
    sa.Column("sequence", Big, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("received_at", Time, nullable=False),
    sa.Column("handled_at", Time),
    sa.Column("set_aside", sa.String(64)),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),  # turns begun, crashed ones too
    sa.Column("failures", sa.Integer, nullable=False, default=0),  # turns that said they failed
    sa.Column("hurry", sa.Boolean, nullable=False, default=False),  # does not wait for the rest of a burst
    sa.Column("reference", sa.LargeBinary),  # what the provider calls it, sealed
    sa.Column("flood", sa.Integer, nullable=False, default=0, server_default="0"),  # bot.model.Flood
    sa.UniqueConstraint("conversation_id", "sequence", name="uq_messages_sequence"),
    sqlite_autoincrement=True,
)
sa.Index("ix_messages_waiting", messages.c.conversation_id, messages.c.id,
         sqlite_where=messages.c.handled_at.is_(None), postgresql_where=messages.c.handled_at.is_(None))

outgoing = sa.Table(
    "outgoing",
    metadata,
    sa.Column("id", Big, primary_key=True, autoincrement=True),
    sa.Column("conversation_id", sa.String(32), sa.ForeignKey("conversations.id"), nullable=False),
    sa.Column("sequence", Big, nullable=False),
    sa.Column("author", sa.String(16), nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("created_at", Time, nullable=False),
    sa.Column("expires_at", Time, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("next_attempt_at", Time, nullable=False),
    sa.Column("claimed_by", sa.String(64)),
    sa.Column("claimed_until", Time),
    sa.Column("provider_hash", sa.String(64)),
    sa.Column("reference", sa.LargeBinary),  # what the provider calls it, sealed
    sa.Column("possible_duplicate", sa.Boolean, nullable=False, default=False),
    sa.Column("reason", sa.String(64)),
    sa.Column("reply_to", Big),  # the message id that this answers
    sa.Column("finished_at", Time),
    sa.UniqueConstraint("conversation_id", "sequence", name="uq_outgoing_sequence"),
    sqlite_autoincrement=True,
)
sa.Index("ix_outgoing_open", outgoing.c.conversation_id, outgoing.c.sequence,
         sqlite_where=outgoing.c.state.in_(OPEN_SENDS), postgresql_where=outgoing.c.state.in_(OPEN_SENDS))
sa.Index("ix_outgoing_provider", outgoing.c.provider_hash)

handoffs = sa.Table(
    "handoffs",
    metadata,
    sa.Column("id", Big, primary_key=True, autoincrement=True),
    sa.Column("conversation_id", sa.String(32), sa.ForeignKey("conversations.id")),  # NULL: erased by the person
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("requested_at", Time, nullable=False),
    sa.Column("changed_at", Time, nullable=False),
    sa.Column("answers", sa.LargeBinary),
    sa.Column("closed_at", Time),
    sa.Column("closed_reason", sa.String(64)),
    sqlite_autoincrement=True,
)
sa.Index("uq_handoffs_open", handoffs.c.conversation_id, unique=True,
         sqlite_where=handoffs.c.closed_at.is_(None), postgresql_where=handoffs.c.closed_at.is_(None))

attention = sa.Table(
    "attention",
    metadata,
    sa.Column("id", Big, primary_key=True, autoincrement=True),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("conversation_id", sa.String(32), sa.ForeignKey("conversations.id")),
    sa.Column("at", Time, nullable=False),
    sa.Column("seen_at", Time),
    sqlite_autoincrement=True,
)
sa.Index("ix_attention_conversation", attention.c.conversation_id)

erasures = sa.Table(
    "erasures",
    metadata,
    sa.Column("hash", sa.String(64), primary_key=True),  # keyed hash of the conversation's id: finds it again in a restored backup
    sa.Column("at", Time, nullable=False),
)

heartbeats = sa.Table(
    "heartbeats",
    metadata,
    sa.Column("process", sa.String(16), primary_key=True),
    sa.Column("instance", sa.String(64), primary_key=True),
    sa.Column("at", Time, nullable=False),
)

chores = sa.Table(
    "chores",
    metadata,
    sa.Column("id", Big, primary_key=True, autoincrement=True),
    sa.Column("channel", sa.String(16), nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),  # delete, redact
    sa.Column("key_id", sa.String(16), nullable=False),
    sa.Column("data_key", sa.LargeBinary, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("next_attempt_at", Time, nullable=False),
    sa.Column("expires_at", Time, nullable=False),
    sqlite_autoincrement=True,
)
"""Work at a provider that must be done even if a process dies: it outlives the conversation that it is about."""

buckets = sa.Table(
    "buckets",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),  # a keyed name of an address, of no other use
    sa.Column("minute", Time, nullable=False),
    sa.Column("hour", Time, nullable=False),
    sa.Column("segments", Time, nullable=False),
    sa.Column("slowed", sa.Boolean, nullable=False),
    sa.Column("at", Time, nullable=False),
)
"""What an address may still cost: see :mod:`bot.mailbox.flood`."""
sa.Index("ix_buckets_at", buckets.c.at)

marks = sa.Table(
    "marks",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("value", sa.String(64), nullable=False),
)
"""Where a reader of somebody else's list stands: the next Telegram update, the last reconciled moment."""
