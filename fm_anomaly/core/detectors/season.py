"""Time-of-day means of many series, learned online, in float32 arrays.

A bin is a quarter of an hour, or one step where steps are longer; its mean moves a seventh of the way a day, and
plainly averages the first week. Must not know what is measured.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
DAY_S = 86_400
BIN_S = 900
DAYS = 7.0
"""Days that a bin's mean remembers."""


class Season:
    """Profiles of ``n`` series whose steps are ``step_s`` apart."""

    __slots__ = ("_is_direct", "bin", "counts", "days", "means", "n_bins", "sums")

    def __init__(self, n: int, step_s: float) -> None:
        self.n_bins = max(round(DAY_S / max(BIN_S, step_s)), 1)
        self._is_direct = step_s >= 0.99 * DAY_S / self.n_bins
        self.means = np.zeros((self.n_bins, n), dtype=np.float32)
        self.days = np.zeros((self.n_bins, n), dtype=np.uint8)
        """Days behind each mean, at most `DAYS`."""
        self.bin = -1
        """The bin that is being filled."""
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
        mean = self.means[a] * (1.0 - part) + self.means[b] * part
        return mean.astype(np.float64), (self.days[a] > 0) & (self.days[b] > 0)

    def learn(self, time_us: int, x: Floats, clip: Floats, is_learned: Bools) -> None:
        """Learn one value of each series; once a bin has two days, a further one moves it by ``clip`` at most."""
        at = int(self._place(time_us)) % self.n_bins
        if at != self.bin:
            if self.bin >= 0:
                self._close(clip)
            self.bin = at
        self.sums += np.where(is_learned, x, 0.0)
        self.counts += is_learned

    def _place(self, time_us: int) -> float:
        return time_us % (DAY_S * 1_000_000) / (DAY_S * 1e6) * self.n_bins

    def _close(self, clip: Floats) -> None:
        has = self.counts > 0
        days = self.days[self.bin]
        off = self.sums / np.maximum(self.counts, 1) - self.means[self.bin]
        off = np.where(days >= 2, np.clip(off, -clip, clip), off)
        weight = 1.0 / np.minimum(days + 1.0, DAYS)
        self.means[self.bin] += np.where(has, weight * off, 0.0)
        self.days[self.bin] = np.minimum(days + has, int(DAYS))
        self.sums[...] = 0.0
        self.counts[...] = 0

    def snapshot(self) -> dict[str, Any]:
        """Return the state."""
        arrays = {name: getattr(self, name).tobytes() for name in ("means", "days", "sums", "counts")}
        return {"bin": self.bin, **arrays}

    def restore(self, state: dict[str, Any]) -> None:
        """Take the state of a `snapshot` of the same shape."""
        self.bin = state["bin"]
        for name in ("means", "days", "sums", "counts"):
            array = getattr(self, name)
            array[...] = np.frombuffer(state[name], dtype=array.dtype).reshape(array.shape)
