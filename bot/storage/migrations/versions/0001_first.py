"""The first tables: conversations, receipts, messages, the send queue, handoffs, attention, erasures, heartbeats."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

Time = sa.Float(53)
Big = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "conversations",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("pseudonym", sa.String(64)),
        sa.Column("key_id", sa.String(16), nullable=False),
        sa.Column("data_key", sa.LargeBinary, nullable=False),
        sa.Column("address", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.LargeBinary),
        sa.Column("snapshot", sa.LargeBinary),
        sa.Column("quiet", sa.Boolean, nullable=False),
        sa.Column("opted_out", sa.Boolean, nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("last_heard_at", Time, nullable=False),
        sa.Column("next_in", Big, nullable=False),
        sa.Column("next_out", Big, nullable=False),
        sa.Column("lease_owner", sa.String(64)),
        sa.Column("lease_until", Time),
        sa.Column("fence", Big, nullable=False),
        sa.UniqueConstraint("channel", "pseudonym", name="uq_conversations_pseudonym"),
    )
    op.create_table(
        "receipts",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("first_seen", Time, nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
    )
    op.create_table(
        "messages",
        sa.Column("id", Big, primary_key=True, autoincrement=True),
        sa.Column("conversation_id", sa.String(32), sa.ForeignKey("conversations.id"), nullable=False),
        sa.Column("receipt", sa.String(64), sa.ForeignKey("receipts.hash"), nullable=False, unique=True),
        sa.Column("sequence", Big, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("received_at", Time, nullable=False),
        sa.Column("handled_at", Time),
        sa.Column("set_aside", sa.String(64)),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("hurry", sa.Boolean, nullable=False),
        sa.UniqueConstraint("conversation_id", "sequence", name="uq_messages_sequence"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_messages_waiting", "messages", ["conversation_id", "id"],
                    sqlite_where=sa.text("handled_at IS NULL"), postgresql_where=sa.text("handled_at IS NULL"))
    op.create_table(
        "outgoing",
        sa.Column("id", Big, primary_key=True, autoincrement=True),
        sa.Column("conversation_id", sa.String(32), sa.ForeignKey("conversations.id"), nullable=False),
        sa.Column("sequence", Big, nullable=False),
        sa.Column("author", sa.String(16), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("expires_at", Time, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_attempt_at", Time, nullable=False),
        sa.Column("claimed_by", sa.String(64)),
        sa.Column("claimed_until", Time),
        sa.Column("provider_hash", sa.String(64)),
        sa.Column("possible_duplicate", sa.Boolean, nullable=False),
        sa.Column("reason", sa.String(64)),
        sa.Column("reply_to", Big),
        sa.Column("finished_at", Time),
        sa.UniqueConstraint("conversation_id", "sequence", name="uq_outgoing_sequence"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outgoing_open", "outgoing", ["conversation_id", "sequence"],
                    sqlite_where=sa.text("state IN ('queued', 'sending')"), postgresql_where=sa.text("state IN ('queued', 'sending')"))
    op.create_index("ix_outgoing_provider", "outgoing", ["provider_hash"])
    op.create_table(
        "handoffs",
        sa.Column("id", Big, primary_key=True, autoincrement=True),
        sa.Column("conversation_id", sa.String(32), sa.ForeignKey("conversations.id")),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("requested_at", Time, nullable=False),
        sa.Column("changed_at", Time, nullable=False),
        sa.Column("answers", sa.LargeBinary),
        sa.Column("closed_at", Time),
        sa.Column("closed_reason", sa.String(64)),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_handoffs_open", "handoffs", ["conversation_id"], unique=True,
                    sqlite_where=sa.text("closed_at IS NULL"), postgresql_where=sa.text("closed_at IS NULL"))
    op.create_table(
        "attention",
        sa.Column("id", Big, primary_key=True, autoincrement=True),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("conversation_id", sa.String(32), sa.ForeignKey("conversations.id")),
        sa.Column("at", Time, nullable=False),
        sa.Column("seen_at", Time),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_attention_conversation", "attention", ["conversation_id"])
    op.create_table(
        "erasures",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("at", Time, nullable=False),
    )
    op.create_table(
        "heartbeats",
        sa.Column("process", sa.String(16), primary_key=True),
        sa.Column("instance", sa.String(64), primary_key=True),
        sa.Column("at", Time, nullable=False),
    )
