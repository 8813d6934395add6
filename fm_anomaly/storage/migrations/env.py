"""Alembic's entry: runs migrations on the connection that `storage.upgrading` hands over.

It opens no database of its own and reads no configuration file.
"""

from __future__ import annotations

from alembic import context

from fm_anomaly.storage import tables

context.configure(connection=context.config.attributes["connection"], target_metadata=tables.metadata)
with context.begin_transaction():
    context.run_migrations()
