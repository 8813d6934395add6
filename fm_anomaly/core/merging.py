"""Merge the record frames of several sources by event time, however each is cut into chunks.

A source's own order is kept: the merge key is its running clock (never falling), ties go to the source that was named
first. It must not know what the records mean. Memory: at most what the slowest source holds back.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from fm_anomaly.core.frames import empty_frame

CLOCK = "clock_us"
"""Name of the column with a source's running clock, µs; never null, never falling within a source."""

_RANK = "merge_rank"


class Merger:
    """Frames of n sources in, one frame in clock order out.

    A record leaves once every unfinished source has shown a later clock, so the order depends on the records alone.
    """

    def __init__(self, n_sources: int) -> None:
        self._held: list[list[pl.DataFrame]] = [[] for _ in range(n_sources)]
        self._reached: list[int | None] = [None] * n_sources
        self._finished = [False] * n_sources

    def add(self, source: int, frame: pl.DataFrame) -> None:
        """Take the next `frame` of `source`."""
        if frame.height:
            rank = pl.lit(source, dtype=pl.Int32).alias(_RANK)
            self._held[source].append(frame.with_columns(rank))
            self._reached[source] = int(frame[CLOCK][-1])

    def finish(self, source: int) -> None:
        """Say that `source` has no more frames."""
        self._finished[source] = True

    def behind(self) -> int | None:
        """Return the unfinished source that holds the others back, or None when all are finished."""
        waiting = [
            (-1 if reached is None else reached, source)
            for source, reached in enumerate(self._reached)
            if not self._finished[source]
        ]
        return min(waiting)[1] if waiting else None

    def take(self) -> pl.DataFrame | None:
        """Return the records that no later input can precede, in order; None when there are none."""
        limit = self._limit()
        if limit is None:
            return None
        parts: list[pl.DataFrame] = []
        for source, frames in enumerate(self._held):
            if frames and int(frames[0][CLOCK][0]) < limit:
                whole = pl.concat(frames) if len(frames) > 1 else frames[0]
                n_out = int((whole[CLOCK] < limit).sum())
                parts.append(whole[:n_out])
                self._held[source] = [whole[n_out:]] if n_out < whole.height else []
        if not parts:
            return None
        merged = parts[0] if len(parts) == 1 else pl.concat(parts).sort(CLOCK, _RANK, maintain_order=True)
        return merged.drop(_RANK)

    def _limit(self) -> int | None:
        open_clocks = [r for r, done in zip(self._reached, self._finished, strict=True) if not done]
        if not open_clocks:
            return _ALL
        return None if None in open_clocks else min(c for c in open_clocks if c is not None)


_ALL = 1 << 62


def by_clock(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return the records of several sources by their clocks; ties in the order of the frames."""
    some = [frame for frame in frames if frame.height]
    if len(some) < 2:
        return some[0] if some else empty_frame()
    whole = pl.concat(some)
    return whole if whole[CLOCK].is_sorted() else whole.sort(CLOCK, maintain_order=True)
