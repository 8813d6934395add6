"""Migrations of the store, by Alembic: one file a version under `versions/`, run by `storage.upgrading`."""
