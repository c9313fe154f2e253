"""What a provider calls a message, work that is owed to a provider, and where a reader of a provider's list stands."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

Time = sa.Float(53)
Big = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.add_column("messages", sa.Column("reference", sa.LargeBinary))
    op.add_column("outgoing", sa.Column("reference", sa.LargeBinary))
    op.create_table(
        "chores",
        sa.Column("id", Big, primary_key=True, autoincrement=True),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("key_id", sa.String(16), nullable=False),
        sa.Column("data_key", sa.LargeBinary, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_attempt_at", Time, nullable=False),
        sa.Column("expires_at", Time, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "marks",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.String(64), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("marks")
    op.drop_table("chores")
    with op.batch_alter_table("outgoing") as table:
        table.drop_column("reference")
    with op.batch_alter_table("messages") as table:
        table.drop_column("reference")
