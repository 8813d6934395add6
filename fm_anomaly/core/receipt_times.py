"""When each line of a live source was received, and what that says about its records' times.

A record that tells no time takes that of the one before it plus what has passed since between their receipts; where
none has told a time, the time of its receipt. A record that is told from the future takes the time of its receipt: a
sender whose clock runs ahead must not make everybody else's records late. Decided line by line, so that cuts never
show. It must not know where the lines come from.
"""

from __future__ import annotations

from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fm_anomaly.core.frames import US_PER_S
from fm_anomaly.core.state import State

Ints = NDArray[np.int64]

MAX_AHEAD_US = 300 * US_PER_S
"""How far a record's time may lie after its receipt, µs: clocks of machines differ by seconds, rarely by minutes."""


class ReceiptTimes:
    """The receipt of the lines that are not done with, and how far event time was behind it when last told."""

    def __init__(self) -> None:
        self._n_lines = 0
        self._first_line: list[int] = []
        self._received_us: list[int] = []
        self._offset_us = 0

    @property
    def last_us(self) -> int:
        """The receipt of the newest line, µs; 0 before any."""
        return self._received_us[-1] if self._received_us else 0

    def note(self, n_lines: int, received_us: int) -> None:
        """Say that the next `n_lines` lines were received at `received_us`."""
        if not n_lines:
            return
        if not self._received_us or self._received_us[-1] != received_us:
            self._first_line.append(self._n_lines + 1)
            self._received_us.append(received_us)
        self._n_lines += n_lines

    def times(self, line: Ints, told: pl.Series) -> tuple[Ints, int]:
        """Return the event time of the records that begin at these lines, ascending, and how many were of the future.

        `told` is the time each tells, µs, null for none. Forgets the receipt of lines that are done with.
        """
        place = np.searchsorted(np.array(self._first_line, dtype=np.int64), line, side="right") - 1
        received = np.array(self._received_us, dtype=np.int64)[np.maximum(place, 0)]
        del self._first_line[: max(int(place[-1]), 0)], self._received_us[: max(int(place[-1]), 0)]
        is_told = told.is_not_null().to_numpy()
        us = told.fill_null(0).to_numpy().copy()
        ahead = is_told & (us > received + MAX_AHEAD_US)
        us[ahead] = received[ahead]
        teller = np.maximum.accumulate(np.where(is_told, np.arange(line.size), -1))
        offset = np.where(teller < 0, self._offset_us, us[teller] - received[teller])
        us[~is_told] = (received + offset)[~is_told]
        self._offset_us = int(offset[-1])
        return us, int(ahead.sum())

    def snapshot(self) -> State:
        """Return all state as plain values."""
        return {
            "n_lines": self._n_lines,
            "first_line": list(self._first_line),
            "received_us": list(self._received_us),
            "offset_us": self._offset_us,
        }

    @classmethod
    def restore(cls, state: State) -> Self:
        """Return the times as they were."""
        times = cls()
        times._n_lines, times._offset_us = state["n_lines"], state["offset_us"]
        times._first_line, times._received_us = list(state["first_line"]), list(state["received_us"])
        return times
