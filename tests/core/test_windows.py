"""Buckets count every record once, and say the same however the rows were cut."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fm_anomaly.core.frames import US_PER_S
from fm_anomaly.core.state import Snapshot
from fm_anomaly.core.windows import Rows, WindowParams, Windows

PARAMS = WindowParams(bucket_s=60, lateness_s=10)

Row = tuple[int, int, bool]
rows = st.lists(st.tuples(st.integers(0, 900), st.integers(0, 3), st.booleans()), min_size=1, max_size=60)
cuts = st.lists(st.integers(1, 9), min_size=1, max_size=8)


def feed(windows: Windows, batch: list[Row], closed: list[object]) -> tuple[int, int]:
    """Count one batch and close what is due, as the pipeline does; return (counted, late)."""
    ts_us = np.array([second for second, _, _ in batch], dtype=np.int64) * US_PER_S
    before, after = windows.clocks(np.maximum.accumulate(ts_us))
    bucket = ts_us // PARAMS.bucket_us
    late = windows.is_late(bucket, before)
    row = np.flatnonzero(~late)
    template = np.array([t for _, t, _ in batch], dtype=np.int64)
    error = np.array([e for _, _, e in batch], dtype=np.bool_)
    warning = (template == 3) & ~error
    columns = (bucket, template, np.zeros_like(bucket), error, warning, ts_us, np.zeros_like(bucket))
    windows.count(Rows(row, *(column[row] for column in columns)))
    for number in windows.due(int(after[-1]), lambda: None):
        content = windows.pop(number)
        tallies = {t: (a.count, a.n_errors, a.n_warnings, a.first_us) for t, a in sorted(content.templates.items())}
        closed.append((number, tallies))
    windows.resolve_rows(lambda rows: [[row] for row in rows])
    return row.size, len(batch) - row.size


@given(rows, cuts, st.booleans())
def test_cuts_and_a_snapshot_never_show(batch: list[Row], sizes: list[int], stop: bool) -> None:
    """One call, many calls, or a snapshot between any two of them: the same buckets close with the same counts."""
    whole_closed: list[object] = []
    whole = Windows(PARAMS)
    counted = feed(whole, batch, whole_closed)

    closed: list[object] = []
    windows = Windows(PARAMS)
    total = np.zeros(2, dtype=np.int64)
    at, turn = 0, 0
    while at < len(batch):
        size = sizes[turn % len(sizes)]
        total += feed(windows, batch[at : at + size], closed)
        at, turn = at + size, turn + 1
        if stop:
            raw = Snapshot({"w": windows.snapshot()}, "", {}).to_bytes()
            windows = Windows.restore(Snapshot.from_bytes(raw).sections["w"], PARAMS)
    assert closed == whole_closed
    assert tuple(total) == counted
    assert windows.next_bucket == whole.next_bucket


@given(rows)
def test_counts_add_up(batch: list[Row]) -> None:
    """Every record is counted in exactly one bucket, or late."""
    windows = Windows(PARAMS)
    closed: list[tuple[int, dict[int, tuple[int, int, int, int]]]] = []
    counted, late = feed(windows, batch, closed)  # type: ignore[arg-type]
    in_closed = sum(count for _, tallies in closed for count, *_ in tallies.values())
    in_open = sum(tally.count for content in windows.open.values() for tally in content.templates.values())
    assert counted == in_closed + in_open
    assert counted + late == len(batch)


def test_a_long_gap_costs_nothing_and_wakes_are_kept() -> None:
    """Years without a record close no bucket but those with records and the one that was asked for."""
    params = WindowParams(bucket_s=60, lateness_s=0)
    windows = Windows(params)
    years_us = 5 * 365 * 86_400 * US_PER_S
    for at_us in (0, years_us):
        ts_us = np.array([at_us], dtype=np.int64)
        windows.clocks(ts_us)
        zero = np.zeros(1, dtype=np.int64)
        windows.count(
            Rows(zero, ts_us // params.bucket_us, zero, zero, zero.astype(np.bool_), zero.astype(np.bool_), ts_us, zero)
        )
    wakes: list[int | None] = [7, 7, None, None, None]
    closed = []
    assert windows.clock_us is not None
    for number in windows.due(windows.clock_us + params.bucket_us, lambda: wakes.pop(0)):
        windows.pop(number)
        closed.append(number)
    assert closed == [0, 7, years_us // params.bucket_us]
