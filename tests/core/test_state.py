"""A snapshot is read whole or refused with the reason."""

from __future__ import annotations

import numpy as np
import pytest

from fm_anomaly.core.state import Snapshot, pack_array, unpack_array
from fm_anomaly.errors import SnapshotError

SNAPSHOT = Snapshot({"windows": {"clock_us": 5, "rows": [1.5, None, "x", b"\0"]}}, "abc", {"polars": "2"})


def test_a_snapshot_comes_back_as_it_was() -> None:
    """Every plain value survives, and equal snapshots are equal bytes."""
    assert Snapshot.from_bytes(SNAPSHOT.to_bytes()) == SNAPSHOT
    assert SNAPSHOT.to_bytes() == SNAPSHOT.to_bytes()


@pytest.mark.parametrize("at", [0, 9, 20, 50, -1])
def test_any_changed_byte_is_refused(at: int) -> None:
    """Magic, version, checksum and body: a changed byte in any of them is found."""
    raw = bytearray(SNAPSHOT.to_bytes())
    raw[at] ^= 0x55
    with pytest.raises(SnapshotError):
        Snapshot.from_bytes(bytes(raw))


@pytest.mark.parametrize("raw", [b"", b"FMANSNAP", b"\x80\x04pickle", SNAPSHOT.to_bytes()[:-3]])
def test_what_is_no_snapshot_is_refused(raw: bytes) -> None:
    """Short, foreign and torn files are refused, never half read."""
    with pytest.raises(SnapshotError):
        Snapshot.from_bytes(raw)


@pytest.mark.parametrize("array", [np.arange(6, dtype=np.int64), np.zeros((2, 3), dtype=np.float32), np.empty(0)])
def test_arrays_come_back_as_they_were(array: np.ndarray) -> None:
    """dtype, shape and every bit; the copy can be written to."""
    back = unpack_array(pack_array(array))
    assert back.dtype == array.dtype
    assert np.array_equal(back, array)
    back += 1
