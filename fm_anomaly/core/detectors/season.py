"""Time-of-day means of many series, learned online: an hour a bin, or a step where steps are longer.

A bin plainly averages its first week, then forgets a seventh a day. Must not know what is measured.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
DAY_S = 86_400
BIN_S = 3_600
DAYS = 7
"""Days that a bin's mean remembers."""
_FREE_DAYS = 2
"""Days that a bin learns in full; what differs more on later ones is clipped."""


class Season:
    """Profiles of ``n`` series whose steps are ``step_s`` apart."""

    ARRAYS: ClassVar[tuple[str, ...]] = ("means", "days", "sums", "counts", "bin")
    __slots__ = ("_is_direct", "bin", "counts", "days", "means", "n_bins", "sums")

    def __init__(self, n: int, step_s: float) -> None:
        self.n_bins = max(round(DAY_S / max(BIN_S, step_s)), 1)
        self._is_direct = step_s >= 0.99 * DAY_S / self.n_bins
        self.means = np.zeros((self.n_bins, n), dtype=np.float32)
        self.days = np.zeros((self.n_bins, n), dtype=np.uint8)
        """Days behind each mean, at most `DAYS`."""
        self.bin = np.full(n, -1, dtype=np.int32)
        """The bin that each series is filling."""
        self.sums = np.zeros(n)
        self.counts = np.zeros(n, dtype=np.int32)

    def expect(self, time_us: int) -> tuple[Floats, Bools]:
        """Return the mean at that time of day, linear between the centres of bins, and where there is one."""
        place = self._place(time_us)
        if self._is_direct:
            at = int(place) % self.n_bins
            return self.means[at].astype(np.float64), self.days[at] > 0
        first = int(np.floor(place - 0.5))
        part = place - 0.5 - first
        a, b = first % self.n_bins, (first + 1) % self.n_bins
        mean = self.means[a].astype(np.float64) * (1.0 - part) + self.means[b] * part
        return mean, (self.days[a] > 0) & (self.days[b] > 0)

    def learn(self, time_us: int, x: Floats, clip: Floats) -> None:
        """Learn one value of each series; the first of a new bin closes the one before."""
        at = int(self._place(time_us)) % self.n_bins
        is_new = self.bin != at
        if is_new.any():
            self._close(np.flatnonzero(is_new & (self.counts > 0)), clip)
            self.bin[...] = at
        self.sums += x
        self.counts += 1

    def _place(self, time_us: int) -> float:
        return time_us % (DAY_S * 1_000_000) / (DAY_S * 1e6) * self.n_bins

    def _close(self, series: NDArray[np.int64], clip: Floats) -> None:
        """Learn the bins that these series have filled."""
        bins = self.bin[series]
        days = self.days[bins, series]
        off = self.sums[series] / self.counts[series] - self.means[bins, series]
        most = clip[series]
        off = np.where(days >= _FREE_DAYS, np.minimum(np.maximum(off, -most), most), off)
        self.means[bins, series] += off / np.minimum(days + 1.0, float(DAYS))
        self.days[bins, series] = np.minimum(days + 1, DAYS)
        self.sums[series] = 0.0
        self.counts[series] = 0
