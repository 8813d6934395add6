"""Merging is a matter of the records alone."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from fm_anomaly.core.merging import CLOCK, Merger

clocks = st.lists(st.integers(0, 50), max_size=12).map(lambda steps: [sum(steps[: i + 1]) for i in range(len(steps))])


def merged(sources: list[list[int]], cuts: list[int]) -> list[tuple[int, int, int]]:
    """Feed the sources in pieces of the given sizes, the one furthest behind first."""
    merger = Merger(len(sources))
    frames = [
        pl.DataFrame(
            {CLOCK: clock, "source": [i] * len(clock), "row": range(len(clock))},
            schema={CLOCK: pl.Int64, "source": pl.Int64, "row": pl.Int64},
        )
        for i, clock in enumerate(sources)
    ]
    at = [0] * len(sources)
    out: list[tuple[int, int, int]] = []
    turn = 0
    while (behind := merger.behind()) is not None:
        if at[behind] >= frames[behind].height:
            merger.finish(behind)
        else:
            size = cuts[turn % len(cuts)]
            merger.add(behind, frames[behind][at[behind] : at[behind] + size])
            at[behind] += size
            turn += 1
        ready = merger.take()
        out += [] if ready is None else ready.rows()
    return out


@given(st.lists(clocks, min_size=1, max_size=4), st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_merging_gives_one_order_however_the_sources_are_cut(sources: list[list[int]], cuts: list[int]) -> None:
    """The output is sorted by clock, ties by source, each source in its own order, and complete."""
    expected = sorted(
        ((clock, source, row) for source, rows in enumerate(sources) for row, clock in enumerate(rows)),
    )
    assert merged(sources, cuts) == expected
