"""Brings the tables of a store to this release's version, by Alembic's migrations.

Alembic is imported only where there is something to do. Knows versions, never rows.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from fm_anomaly.errors import StoreError
from fm_anomaly.storage import tables

_FIRST = "0001"
_LOCK = 0x666D_616E
"""Of PostgreSQL's advisory locks: two processes that start together upgrade one after the other."""


def upgrade(connection: Connection) -> None:
    """Make or upgrade the tables within the transaction of `connection`.

    Raises StoreError where the tables are of a later release.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    version = stored_version(connection)
    if version == tables.REVISION:
        return
    if version is not None and version not in _known():
        raise StoreError(
            f"store has tables of version {version}, this release reads {tables.REVISION}: "
            "give another path, or use the release that wrote it"
        )
    _run(connection, version)


def stored_version(connection: Connection) -> str | None:
    """Return the version of the tables, None where there are none yet."""
    names = inspect(connection).get_table_names()
    if "alembic_version" in names:
        return str(connection.scalar(text("SELECT version_num FROM alembic_version")))
    if "tables_version" not in names:
        return None
    number = connection.scalar(text("SELECT version FROM tables_version"))
    return f"{number:04d}" if number is not None else None


def _known() -> list[str]:
    folder = Path(__file__).parent / "migrations" / "versions"
    return [path.name[1:5] for path in sorted(folder.glob("v*.py"))]


def _run(connection: Connection, version: str | None, to: str = "head") -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    if version == _FIRST and "alembic_version" not in inspect(connection).get_table_names():
        command.stamp(config, _FIRST)
    command.upgrade(config, to)
