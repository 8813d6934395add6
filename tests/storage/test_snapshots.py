"""A state folder holds a good snapshot after any crash."""

from __future__ import annotations

from pathlib import Path

import pytest

from fm_anomaly.core.state import Snapshot
from fm_anomaly.errors import SnapshotError
from fm_anomaly.storage.snapshots import load_snapshot, save_snapshot

ONE = Snapshot({"windows": {"clock_us": 1}}, "d", {})
TWO = Snapshot({"windows": {"clock_us": 2}}, "d", {})


def test_what_was_saved_comes_back_with_its_positions(tmp_path: Path) -> None:
    """The snapshot and the positions that it stands at are one."""
    assert load_snapshot(tmp_path) is None
    save_snapshot(tmp_path, ONE, {"app.log": {"offset": 7}})
    saved = load_snapshot(tmp_path)
    assert saved is not None
    assert (saved.snapshot, saved.positions, saved.warning) == (ONE, {"app.log": {"offset": 7}}, "")


def test_a_damaged_snapshot_falls_back_to_the_one_before_and_says_so(tmp_path: Path) -> None:
    """A torn write loses one step, not the state."""
    save_snapshot(tmp_path, ONE, {})
    save_snapshot(tmp_path, TWO, {})
    newest = tmp_path / "pipeline.snapshot"
    newest.write_bytes(newest.read_bytes()[:-1])
    saved = load_snapshot(tmp_path)
    assert saved is not None
    assert saved.snapshot == ONE
    assert "checksum" in saved.warning


def test_no_good_snapshot_is_an_error_not_a_fresh_start(tmp_path: Path) -> None:
    """Losing what was learned is never silent."""
    (tmp_path / "pipeline.snapshot").write_bytes(b"no")
    with pytest.raises(SnapshotError, match="magic"):
        load_snapshot(tmp_path)


def test_the_state_file_is_private(tmp_path: Path) -> None:
    """State holds log text: nobody else may read it."""
    save_snapshot(tmp_path, ONE, {})
    assert (tmp_path / "pipeline.snapshot").stat().st_mode & 0o077 == 0
