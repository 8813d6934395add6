"""Laws of opening: what cannot be opened says why, and a failed write leaves nothing behind."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import insert, text

from fm_anomaly.errors import StoreError
from fm_anomaly.storage import default_path, intake, open_store, save_scan, tables
from tests.scan_objects import make_scan


@pytest.mark.parametrize(
    "target",
    [
        "sqlite://",
        "sqlite:///:memory:",
        "://",
        "mysql+pymysql://u:secret-word@h/x",
        "nothing://",
    ],
)
def test_another_database_is_refused_by_name_and_without_its_password(target: str) -> None:
    """What is not SQLite in a file is refused; a password in the URL is not repeated."""
    with pytest.raises(StoreError) as raised:
        open_store(target)
    assert "sqlite:///" in str(raised.value)
    assert "secret-word" not in str(raised.value)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """Some other file at the path is neither read as a store nor overwritten."""
    path = tmp_path / "notes.txt"
    path.write_text("not a database " * 100)
    with pytest.raises(StoreError, match="not a database"):
        open_store(path)
    assert path.read_text().startswith("not a database ")


def test_tables_of_another_version_are_refused(tmp_path: Path) -> None:
    """A store written by a release with other tables is refused, with both versions named."""
    with open_store(tmp_path / "s.db") as store, store.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0099'"))
    with pytest.raises(StoreError, match=rf"version 0099.*reads {tables.REVISION}"):
        open_store(tmp_path / "s.db")


def test_a_name_with_url_characters_is_a_file_name(tmp_path: Path) -> None:
    """A path is a path: characters that mean something in a URL mean nothing in it."""
    path = default_path(tmp_path / "a?b#c %41")
    with open_store(path):
        assert path.is_file()


def test_a_new_store_is_its_owners_alone(tmp_path: Path) -> None:
    """Nobody else can read the file nor what SQLite puts beside it, whatever the umask."""
    with open_store(default_path(tmp_path / "d")) as store:
        save_scan(store, "t", make_scan())
        modes = {each.name: each.stat().st_mode & 0o777 for each in (tmp_path / "d").iterdir()}
    assert modes
    assert set(modes.values()) == {0o600}


def test_a_path_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    """A folder in the file's place, or a file in the folder's, is a StoreError."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="give another path"):
        open_store(tmp_path / "file" / "s.db")
    with pytest.raises(StoreError):
        open_store(tmp_path)


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    """When the body of a write raises, none of its rows stay."""
    with open_store(tmp_path / "s.db") as store:
        with pytest.raises(ZeroDivisionError), store.writing() as connection:
            connection.execute(insert(tables.heads).values(tenant="t"))
            _ = 1 / 0
        with store.reading() as connection:
            assert connection.scalar(text("select count(*) from heads")) == 0


def test_writers_wait_for_each_other(tmp_path: Path) -> None:
    """Eight threads saving at once all succeed, and each source is there once."""
    with open_store(tmp_path / "s.db") as store:
        failures: list[BaseException] = []

        def save(n: int) -> None:
            scan = make_scan()
            scan["source"]["names"] = [f"{n % 4}.log"]
            try:
                for _ in range(5):
                    save_scan(store, "t", scan)
            except BaseException as exc:  # noqa: BLE001 - reported by the assertion below
                failures.append(exc)

        threads = [threading.Thread(target=save, args=(n,)) for n in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert failures == []
        assert len(intake(store, "t")) == 4
