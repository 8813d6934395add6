"""The writer thread: entries that wait are written ahead in one group, synced once, numbered and handed on in order.

While one group is synced the next one gathers, so that the cost of a sync is shared. Ticks of time are entries too and
are made here. It must not know what entries mean, nor who waits for them.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fm_anomaly.core.frames import US_PER_S
from fm_anomaly.errors import FmAnomalyError, StoreError
from fm_anomaly.service.entries import Entry, StartEntry, TickEntry, to_bytes
from fm_anomaly.service.timings import Timing
from fm_anomaly.storage.segments import SegmentWriter

_GROUP_BYTES = 16 << 20
_SMALL_STEP_US = 60 * US_PER_S


@dataclass(slots=True)
class Pending:
    """An entry that waits to be durable. `done` is called with its number, or with why it was refused."""

    entry: Entry
    payload: bytes
    done: Callable[[int | FmAnomalyError], None]
    when_durable: Callable[[int], None] | None = None
    """Called with its number before it is handed on."""


@dataclass(frozen=True, slots=True)
class Durable:
    """An entry that is durable."""

    seq: int
    entry: Entry
    size_bytes: int


@dataclass(frozen=True, slots=True)
class TickParams:
    """When time is written down: so long after entries that none has followed, and how often while nothing comes."""

    after_entries_s: float = 0.5
    idle_s: float = 1.0
    asleep_s: float = 10.0
    asleep_after_s: float = 900.0


class LogClock:
    """Receipt times of entries: the machine's clock, but never behind the time that has run since the start.

    A clock that is set back would otherwise make every record one from the future. A step back from a jump ahead is
    followed, unless it is less than a minute. A jump by a minute or more is told to `on_jump`, in seconds; a machine
    that was suspended looks like one.
    """

    def __init__(
        self,
        now_us: Callable[[], int],
        last_us: int | None = None,
        *,
        on_jump: Callable[[float], None] = lambda seconds: None,
        running_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.n_jumps = 0
        self._now_us = now_us
        self._last_us = last_us
        self._on_jump = on_jump
        self._running_s = running_s
        self._first: tuple[int, float] | None = None
        self._seen: tuple[int, float] | None = None

    def __call__(self) -> int:
        """Return the time, µs."""
        now_us, at_s = self._now_us(), self._running_s()
        self._look_for_jump(now_us, at_s)
        self._first = self._first or (now_us, at_s)
        now_us = max(now_us, self._first[0] + int((at_s - self._first[1]) * US_PER_S))
        if self._last_us is not None and 0 < self._last_us - now_us < _SMALL_STEP_US:
            now_us = self._last_us
        self._last_us = now_us
        return now_us

    def _look_for_jump(self, now_us: int, at_s: float) -> None:
        before, self._seen = self._seen, (now_us, at_s)
        if before is not None:
            jumped_us = now_us - before[0] - (at_s - before[1]) * US_PER_S
            if abs(jumped_us) >= _SMALL_STEP_US:
                self.n_jumps += 1
                self._on_jump(jumped_us / US_PER_S)


@dataclass(slots=True)
class Appender:
    """Owns the writer thread. `hand_on` is called there with durable entries, in order, before anybody is told."""

    writer: SegmentWriter
    clock: LogClock
    hand_on: Callable[[Sequence[Durable]], None]
    on_refused: Callable[[FmAnomalyError], None] = lambda exc: None
    ticks: TickParams = field(default_factory=TickParams)
    n_groups: int = 0
    timing: Timing = field(default_factory=Timing)
    """Of writing and syncing a group."""
    cpu_seconds: float = 0.0
    """Of the thread."""
    _waiting: deque[Pending] = field(default_factory=deque)
    _wake: threading.Condition = field(default_factory=threading.Condition)
    _stopping: bool = False
    _thread: threading.Thread | None = None
    _owes_tick_since: float | None = None
    _last_entry_at: float = 0.0
    _last_tick_at: float = 0.0

    def start(self) -> None:
        """Start the thread."""
        self._last_tick_at = self._last_entry_at = time.monotonic()
        self._owes_tick_since = self._last_tick_at
        self._thread = threading.Thread(target=self._run, name="fm-anomaly-writer", daemon=True)
        self._thread.start()

    def put(self, pending: Pending) -> None:
        """Let an entry be written. From any thread."""
        with self._wake:
            if self._stopping:
                raise StoreError("the service is stopping")
            self._waiting.append(pending)
            self._wake.notify()

    def stop(self) -> None:
        """Write what waits and a last tick, and end the thread."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()
        self.writer.close()

    def _run(self) -> None:
        start = StartEntry(self.clock())
        self._write([Pending(start, to_bytes(start), lambda result: None)], is_tick_due=False)
        while True:
            with self._wake:
                while not self._waiting and not self._stopping and (left_s := self._tick_in_s()) > 0:
                    self._wake.wait(left_s)
                group = self._taken()
                is_last = self._stopping and not self._waiting
            is_tick_due = is_last or self._tick_in_s() <= 0
            if group or is_tick_due:
                self._write(group, is_tick_due=is_tick_due)
            self.cpu_seconds = time.thread_time()
            if is_last:
                return

    def _taken(self) -> list[Pending]:
        group: list[Pending] = []
        size = 0
        while self._waiting and size < _GROUP_BYTES:
            group.append(self._waiting.popleft())
            size += len(group[-1].payload)
        return group

    def _tick_in_s(self) -> float:
        now, ticks = time.monotonic(), self.ticks
        if self._owes_tick_since is not None:
            return self._owes_tick_since + ticks.after_entries_s - now
        is_asleep = now - self._last_entry_at >= ticks.asleep_after_s
        return self._last_tick_at + (ticks.asleep_s if is_asleep else ticks.idle_s) - now

    def _write(self, group: list[Pending], *, is_tick_due: bool) -> None:
        entries: list[Entry] = [each.entry for each in group]
        payloads = [each.payload for each in group]
        if is_tick_due:
            entries.append(TickEntry(self.clock()))
            payloads.append(to_bytes(entries[-1]))
        began = time.perf_counter()
        try:
            first = self.writer.append(payloads)
        except FmAnomalyError as exc:
            self._refuse(group, exc, is_tick_due=is_tick_due)
            return
        finally:
            self.timing.add(time.perf_counter() - began)
            self.n_groups += 1
        self._note_tick(bool(group), is_tick_due)
        durable = [Durable(first + at, entry, len(payloads[at])) for at, entry in enumerate(entries)]
        for at, each in enumerate(group):
            if each.when_durable is not None:
                each.when_durable(first + at)
        self.hand_on(durable)
        for at, each in enumerate(group):
            each.done(first + at)

    def _refuse(self, group: list[Pending], exc: FmAnomalyError, *, is_tick_due: bool) -> None:
        if is_tick_due:
            self._last_tick_at = time.monotonic()  # not again at once: the disk needs time
            self._owes_tick_since = None if self._owes_tick_since is None else self._last_tick_at
        self.on_refused(exc)
        for each in group:
            each.done(exc)

    def _note_tick(self, has_entries: bool, is_tick: bool) -> None:
        now = time.monotonic()
        if has_entries:
            self._last_entry_at = now
        if is_tick:
            self._last_tick_at, self._owes_tick_since = now, None
        elif has_entries and self._owes_tick_since is None:
            self._owes_tick_since = now
