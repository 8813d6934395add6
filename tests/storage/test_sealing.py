"""Laws of sealing: with a key no line of a log lies in the store's file or a snapshot, and all reads as without one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from fm_anomaly.core.state import Snapshot
from fm_anomaly.errors import ConfigError, StoreError
from fm_anomaly.storage import Store, alerts, default_path, incidents, open_store, templates
from fm_anomaly.storage.catalogue import samples
from fm_anomaly.storage.sealing import seal, unseal
from fm_anomaly.storage.snapshots import load_snapshot, save_snapshot, set_aside_damaged
from tests.conftest import DATABASES
from tests.live_store import fill

pytest.importorskip("cryptography", reason="cryptography is not installed (extra encryption)")

KEY, OTHER = b"k" * 32, b"x" * 32
COLUMNS = {"samples": ["text"], "templates": ["sample"], "alerts": ["evidence"], "incidents": ["evidence"]}
COLUMNS |= {"outbox": ["payload"]}


@pytest.fixture(scope="module", params=DATABASES)
def sealed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A filled store with a key, and where it is."""
    if request.param == "sqlite":
        target: Path | str = tmp_path_factory.mktemp("sealed") / "s.db"
    else:
        server = request.getfixturevalue("postgres")
        target = server.url(server.database())
    with open_store(target, KEY) as store:
        fill(store)
        yield store, target


def told(store: Store) -> list[Any]:
    found: list[Any] = [alerts(store, "default", limit=500).items, incidents(store, "default", limit=500).items]
    kinds = templates(store, "default")
    found.append(kinds)
    return found + [samples(store, "default", each.service, each.template_id) for each in kinds]


def test_all_reads_as_without_a_key(sealed: Any, filled: Any) -> None:
    """Alerts, incidents, templates and samples are those of a store without one."""
    with filled("sqlite", lambda: None) as plain:
        assert told(sealed[0]) == told(plain)


def test_no_line_lies_in_the_clear(sealed: Any) -> None:
    """Each filled cell of the columns that hold lines is sealed, every one under a key of its own."""
    seen = set()
    with sealed[0].reading() as connection:
        for table, names in COLUMNS.items():
            for name in names:
                rows = connection.execute(text(f"SELECT CAST({name} AS TEXT) FROM {table}")).scalars().all()  # noqa: S608
                cells = [cell for cell in rows if cell not in ("", "[]", "{}", None)]
                assert cells, table
                assert all("sealed1" in cell for cell in cells), table
                seen.update(cells)
                assert len(seen) >= len(cells)


def test_another_key_or_none_is_told(sealed: Any) -> None:
    """A sentence that names the variable, not a wrong text."""
    for key, said in ((None, "set FM_ANOMALY_SEGMENT_KEY"), (OTHER, "is FM_ANOMALY_SEGMENT_KEY the key")):
        with open_store(sealed[1], key) as store, pytest.raises(StoreError, match=said):
            alerts(store, "default")


def test_the_key_comes_from_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the environment for every command that opens the store; what is no key is refused."""
    monkeypatch.setenv("FM_ANOMALY_SEGMENT_KEY", KEY.hex())
    with open_store(default_path(tmp_path)) as store:
        fill(store)
    with open_store(default_path(tmp_path)) as store:
        assert alerts(store, "default").items[0].evidence
    assert b"sealed1" in default_path(tmp_path).read_bytes()
    monkeypatch.setenv("FM_ANOMALY_SEGMENT_KEY", "short")
    with pytest.raises(ConfigError, match="32 bytes"):
        open_store(default_path(tmp_path))


def test_snapshots_are_sealed(tmp_path: Path) -> None:
    """Written sealed, read back the same; without the key it is told and nothing is set aside as damaged."""
    snapshot = Snapshot({"samples": ["a line of a log"]}, "digest")
    save_snapshot(tmp_path, snapshot, {}, KEY)
    assert all(b"a line of a log" not in path.read_bytes() for path in tmp_path.iterdir())
    saved = load_snapshot(tmp_path, KEY)
    assert saved is not None
    assert saved.snapshot.sections == snapshot.sections
    for wrong in (None, OTHER):
        with pytest.raises(StoreError, match="FM_ANOMALY_SEGMENT_KEY"):
            load_snapshot(tmp_path, wrong)
        with pytest.raises(StoreError):
            set_aside_damaged(tmp_path, wrong)
    assert load_snapshot(tmp_path, KEY) is not None


def test_what_was_sealed_cannot_be_changed() -> None:
    """A bit, an end, another salt: refused."""
    raw = seal(KEY, b"text")
    assert unseal(KEY, raw) == b"text"
    assert seal(KEY, b"text") != raw
    for bad in (raw[:-1], raw[:-1] + bytes([raw[-1] ^ 1]), raw[:10] + b"\0" + raw[11:]):
        with pytest.raises(StoreError):
            unseal(KEY, bad)
