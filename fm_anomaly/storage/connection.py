"""Opens the store: SQLite in write-ahead mode, one file, or PostgreSQL by its URL.

Knows the engines, their pragmas and that tables have a version; knows nothing of what the rows mean.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from fm_anomaly.errors import StoreError
from fm_anomaly.storage import tables
from fm_anomaly.storage.sealing import key_from_outside, use_key
from fm_anomaly.storage.upgrading import stored_version, upgrade

_BUSY_TIMEOUT_MS = 10_000
_FORMS = "a path, sqlite:///folder/file.db, or postgresql://user:password@host/database"


@dataclass(frozen=True, slots=True)
class Store:
    """An open store; safe to share between threads. Close it, or use it in a ``with``."""

    engine: Engine

    @property
    def is_postgresql(self) -> bool:
        """Whether it is PostgreSQL, not SQLite."""
        return self.engine.dialect.name == "postgresql"

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
        engine = self.engine
        if self.is_postgresql:
            engine = engine.execution_options(isolation_level="REPEATABLE READ")
        with _as_store_error("read"), engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Yield a connection for one transaction of writes. Raises StoreError.

        Rolled back whole if the body raises. SQLite's write lock is held from the first statement on, which
        keeps "look, then write" free of races: a stale read cannot be turned into a write, whatever the busy
        timeout. On PostgreSQL `numbering.lock` is what keeps two writers of one tenant apart.
        """
        engine = self.engine.execution_options(fm_writes=True)
        with _as_store_error("write"), engine.begin() as connection:
            yield connection


def default_path(data_dir: Path) -> Path:
    """Return where a data directory keeps its store."""
    return data_dir / "fm_anomaly.db"


def open_store(path_or_url: Path | str, key: bytes | None = None) -> Store:
    """Open the store at a path, an ``sqlite:///…`` or a ``postgresql://…`` URL.

    Samples and evidence are sealed under `key`, by default that of FM_ANOMALY_SEGMENT_KEY; without one they are not.
    Folder and tables are made where absent; tables of an earlier release are upgraded. Raises StoreError where it
    is another database, no database, or of a later release's tables.
    """
    url = _url(path_or_url)
    with _as_store_error("open"):
        store = Store(_postgresql(url) if url.get_backend_name() == "postgresql" else _sqlite(url))
        try:
            use_key(store.engine, key if key is not None else key_from_outside())
            _prepare(store)
        except BaseException:
            store.close()
            raise
    return store


def _url(path_or_url: Path | str) -> URL:
    if isinstance(path_or_url, Path) or "://" not in path_or_url:
        return _sqlite_url(Path(path_or_url))
    try:
        url = make_url(path_or_url)
    except ArgumentError as exc:
        raise StoreError(f"store URL cannot be read: write {_FORMS}") from exc
    backend = url.get_backend_name()
    if backend == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if backend != "sqlite" or url.database in (None, "", ":memory:"):
        raise StoreError(f"store of kind {backend!r} is not supported: write {_FORMS}")
    return _sqlite_url(Path(str(url.database)))


def _sqlite_url(path: Path) -> URL:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # alerts hold lines of logs: a new file is its owner's alone, and SQLite's -wal and -shm take after it
        path.touch(mode=0o600, exist_ok=True)
    except OSError as exc:
        raise StoreError(f"store {path} cannot be made or written: {exc.strerror}; give another path") from exc
    return URL.create("sqlite", database=str(path))


def _sqlite(url: URL) -> Engine:
    engine = create_engine(url, json_serializer=_to_json)
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)
    return engine


def _postgresql(url: URL) -> Engine:
    try:
        # a server that was restarted is met anew before a statement fails on it
        return create_engine(url, json_serializer=_to_json, pool_pre_ping=True)
    except ModuleNotFoundError as exc:
        raise StoreError(f"PostgreSQL needs the package {exc.name!r}: pip install 'fm-anomaly[postgresql]'") from exc


def _prepare(store: Store) -> None:
    with store.reading() as connection:
        if stored_version(connection) == tables.REVISION:
            return
    with store.writing() as connection:
        upgrade(connection)


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
