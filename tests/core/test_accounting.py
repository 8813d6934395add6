"""Counts add up, survive a snapshot, and stay bounded."""

from __future__ import annotations

from fm_anomaly.core.accounting import MAX_KEYS, IntakeCounts, tally


def test_adding_adds_everything() -> None:
    """Sums, tallies and the span of times."""
    one = IntakeCounts(lines=3, records=2, blanks=1, formats={"json": 2}, first_us=5, last_us=9)
    one.add(IntakeCounts(lines=1, rejects=1, formats={"json": 0, "text": 1}, first_us=2, last_us=3))
    assert (one.lines, one.formats, one.first_us, one.last_us) == (4, {"json": 2, "text": 1}, 2, 9)
    assert one.is_balanced


def test_a_snapshot_restores_the_same_counts() -> None:
    """The snapshot is plain values, and a copy."""
    counts = IntakeCounts(lines=1, records=1, zones={"none": 1}, first_us=5, last_us=5)
    state = counts.snapshot()
    restored = IntakeCounts.restore(state)
    assert restored == counts
    restored.zones["none"] = 7
    assert state["zones"] == {"none": 1}


def test_names_from_outside_do_not_grow_a_tally() -> None:
    """Beyond the cap new keys are added up under one."""
    found: dict[str, int] = {}
    tally(found, {str(i): 1 for i in range(MAX_KEYS + 10)})
    assert len(found) == MAX_KEYS + 1
    assert found["_other"] == 10
