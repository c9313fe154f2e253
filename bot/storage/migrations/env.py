"""Alembic's entry: runs on the connection that :mod:`bot.storage.migrate` hands in."""

from __future__ import annotations

from alembic import context

from bot.storage.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=False)
context.run_migrations()
