"""Opens the store: SQLite in write-ahead mode, one file, safe for several processes of one machine.

Knows the engine, its pragmas and the version of the tables; knows nothing of what the rows mean.
PostgreSQL and migrations come with the service; until then another database is refused by name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, insert, make_url, select
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from fm_anomaly.errors import StoreError
from fm_anomaly.storage import tables

_BUSY_TIMEOUT_MS = 10_000


@dataclass(frozen=True, slots=True)
class Store:
    """An open store; safe to share between threads. Close it, or use it in a ``with``."""

    engine: Engine

    def close(self) -> None:
        """Close every connection; the store cannot be used afterwards."""
        self.engine.dispose()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection inside one read transaction: all queries see one state. Raises StoreError."""
        with _as_store_error("read"), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Yield a connection that holds the write lock from its first statement on. Raises StoreError.

        Rolled back whole if the body raises. Taking the lock first keeps "look, then write" free of
        races: SQLite refuses to turn a stale read into a write, whatever the busy timeout.
        """
        engine = self.engine.execution_options(fm_writes=True)
        with _as_store_error("write"), engine.begin() as connection:
            yield connection


def default_path(data_dir: Path) -> Path:
    """Return where a data directory keeps its store."""
    return data_dir / "fm_anomaly.db"


def open_store(path_or_url: Path | str) -> Store:
    """Open the store at a path or an ``sqlite:///…`` URL; folder and tables are made where absent.

    Raises StoreError where it is another database, no database, or of another tables' version.
    """
    url = _sqlite_url(path_or_url)
    with _as_store_error("open"):
        engine = create_engine(url, json_serializer=_to_json)
        event.listen(engine, "connect", _set_pragmas)
        event.listen(engine, "begin", _begin)
        store = Store(engine)
        try:
            _prepare(store)
        except BaseException:
            store.close()
            raise
    return store


def _sqlite_url(path_or_url: Path | str) -> URL:
    if isinstance(path_or_url, str) and "://" in path_or_url:
        try:
            url = make_url(path_or_url)
        except ArgumentError as exc:
            raise StoreError("store URL cannot be read: write a path, or sqlite:///folder/file.db") from exc
        if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
            raise StoreError(
                f"store of kind {url.get_backend_name()!r} is not supported: write a path, or sqlite:///folder/file.db"
            )
        path = Path(str(url.database))
    else:
        path = Path(path_or_url)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # alerts hold lines of logs: a new file is its owner's alone, and SQLite's -wal and -shm take after it
        path.touch(mode=0o600, exist_ok=True)
    except OSError as exc:
        raise StoreError(f"store {path} cannot be made or written: {exc.strerror}; give another path") from exc
    return URL.create("sqlite", database=str(path))


def _prepare(store: Store) -> None:
    with store.writing() as connection:
        tables.metadata.create_all(connection)
        version = connection.scalar(select(tables.tables_version.c.version))
        if version is None:
            connection.execute(insert(tables.tables_version).values(version=tables.TABLES_VERSION))
        elif version != tables.TABLES_VERSION:
            raise StoreError(
                f"store has tables of version {version}, this release reads {tables.TABLES_VERSION}: "
                "give another path, or use the release that wrote it"
            )


def _set_pragmas(dbapi_connection: Any, _record: object) -> None:
    # autocommit at the driver, for the driver's own BEGIN comes late and never says IMMEDIATE
    dbapi_connection.isolation_level = None
    for pragma in (f"busy_timeout={_BUSY_TIMEOUT_MS}", "journal_mode=WAL", "synchronous=NORMAL"):
        dbapi_connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("fm_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _to_json(value: object) -> str:
    # sorted and in ASCII: equal values give equal bytes, and lone surrogates stay writable
    return json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))


@contextmanager
def _as_store_error(doing: str) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as exc:
        cause = getattr(exc, "orig", None) or exc
        raise StoreError(f"cannot {doing} the store: {str(cause).splitlines()[0]}") from exc
