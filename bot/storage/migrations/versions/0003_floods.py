"""Limits against floods: what an address may still cost, and which messages came above it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

Time = sa.Float(53)


def upgrade() -> None:
    op.add_column("messages", sa.Column("flood", sa.Integer, nullable=False, server_default="0"))
    op.create_table(
        "buckets",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("minute", Time, nullable=False),
        sa.Column("hour", Time, nullable=False),
        sa.Column("segments", Time, nullable=False),
        sa.Column("slowed", sa.Boolean, nullable=False),
        sa.Column("at", Time, nullable=False),
    )
    op.create_index("ix_buckets_at", "buckets", ["at"])


def downgrade() -> None:
    op.drop_table("buckets")
    with op.batch_alter_table("messages") as table:
        table.drop_column("flood")
