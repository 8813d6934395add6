"""The queue between the writer and the worker, and what may stand in it: backpressure by bytes and by entries.

Room is taken before a batch is written ahead and given back when it has had its effect, so that the queue bounds what
is held and what a restart must replay. It must not know what entries mean.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fm_anomaly.errors import BusyError
from fm_anomaly.service.appending import Durable

_MAX_RETRY_AFTER_S = 30


@dataclass(frozen=True, slots=True)
class QueueParams:
    """How much may wait for its effect."""

    max_bytes: int = 64 << 20
    max_entries: int = 10_000


class Room:
    """Counts what waits, and refuses what is too much."""

    def __init__(self, params: QueueParams) -> None:
        self.params = params
        self.n_bytes = 0
        self.n_entries = 0
        self.n_refused = 0
        self._bytes_per_s = 0.0
        self._lock = threading.Lock()

    def take(self, size_bytes: int) -> None:
        """Take room for an entry; raises BusyError where there is none. A lone entry always has room."""
        with self._lock:
            self._look(size_bytes)
            self.n_bytes += size_bytes
            self.n_entries += 1

    def look(self, size_bytes: int) -> None:
        """Raise BusyError where `take` would, and take nothing: for what is not worth reading then."""
        with self._lock:
            self._look(size_bytes)

    def _look(self, size_bytes: int) -> None:
        is_full = self.n_bytes + size_bytes > self.params.max_bytes or self.n_entries >= self.params.max_entries
        if self.n_entries and is_full:
            self.n_refused += 1
            raise BusyError(
                f"{self.n_bytes / (1 << 20):,.0f} MiB in {self.n_entries:,} requests wait to be worked on; "
                "come again later",
                self._retry_after_s(),
            )

    def give_back(self, size_bytes: int, n_entries: int, seconds: float = 0.0) -> None:
        """Give room back; `seconds` is how long the work took, which tells how fast it goes."""
        with self._lock:
            self.n_bytes -= size_bytes
            self.n_entries -= n_entries
            if seconds > 0 and size_bytes:
                rate = size_bytes / seconds
                self._bytes_per_s += (rate - self._bytes_per_s) * (0.2 if self._bytes_per_s else 1.0)

    def _retry_after_s(self) -> int:
        """Return when half of what waits will be done with, in whole seconds."""
        if not self._bytes_per_s:
            return 1
        return max(1, min(_MAX_RETRY_AFTER_S, math.ceil(self.n_bytes / 2 / self._bytes_per_s)))


class WorkQueue:
    """Durable entries in order, from the writer to the worker."""

    def __init__(self) -> None:
        self._entries: deque[Durable] = deque()
        self._calls: deque[Callable[[], None]] = deque()
        self._wake = threading.Condition()
        self._is_closed = False

    def put(self, entries: Sequence[Durable]) -> None:
        """Append entries."""
        with self._wake:
            self._entries.extend(entries)
            self._wake.notify()

    def interpose(self, call: Callable[[], None]) -> None:
        """Let the thread that gets entries make a call first. Made here where nothing will be got any more."""
        with self._wake:
            if not (self._is_closed and not self._entries):
                self._calls.append(call)
                self._wake.notify()
                return
        call()

    def answer(self) -> None:
        """Make the calls that wait; for the thread that gets entries."""
        while self._calls:
            self._calls.popleft()()

    def get(self, timeout_s: float) -> Durable | None:
        """Return the next entry; None where none has come in time, or the queue is closed and empty."""
        end = time.monotonic() + timeout_s
        while True:
            self.answer()
            with self._wake:
                if self._entries:
                    return self._entries.popleft()
                left = end - time.monotonic()
                if self._is_closed or left <= 0:
                    return None
                if not self._calls:
                    self._wake.wait(left)

    def close(self) -> None:
        """Say that nothing more will be put."""
        with self._wake:
            self._is_closed = True
            self._wake.notify()

    @property
    def is_closed(self) -> bool:
        """Whether nothing more will be put."""
        return self._is_closed

    @property
    def is_done(self) -> bool:
        """Whether it is closed and empty."""
        return self._is_closed and not self._entries

    def __len__(self) -> int:
        return len(self._entries)
