"""When an open bucket is worth a look: trailing counts of each stream, held against its gates row by row.

A row that brings its stream to a gate makes a check due at the next tick (a full second of event time). Which rows do,
and what a check may see, follows from the order of the rows alone, never from how they were cut into batches. This
module must not know detectors, templates or alerts: whoever asks for ticks makes the checks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fm_anomaly.core.detectors.early import NEVER, EarlyParams
from fm_anomaly.core.frames import US_PER_S
from fm_anomaly.core.state import State, pack_array, unpack_array
from fm_anomaly.core.windows import stable_order

Ints = NDArray[np.int64]
Gates = Callable[[int], tuple[int, int]]
"""Stream code → least (records, errors) of the trailing window that are worth a check."""

Note = Callable[[int, int, int], None]
"""Called with (stream code, records, errors) of a fullest window."""

_HOLD_US = 2 * US_PER_S
"""How long a stream that has been looked at is let be, unless far more comes."""
_STREAM_SHIFT = 40
_SECOND_MASK = (1 << _STREAM_SHIFT) - 1
_EMPTY: Ints = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Check:
    """Open buckets to look at: those of `streams`, by what the rows before `row` brought."""

    tick_us: int
    row: int
    """Rows of the batch from here on come after the tick."""
    streams: tuple[int, ...]
    """Codes, in no order that matters."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of the batch at hand, with records and errors of each one's stream in the window that ends with it."""

    clock_us: Ints
    stream: Ints
    n: Ints
    n_errors: Ints
    is_live: Ints
    """1 where the row counts, else 0."""
    is_error: Ints


@dataclass(frozen=True, slots=True)
class _Tail:
    """The last seconds: records and errors by key (stream and second), sorted by key."""

    key: Ints
    n: Ints
    n_errors: Ints

    @classmethod
    def of(cls, key: Ints, n: Ints, n_errors: Ints, after_second: int) -> _Tail:
        """Return the sums of rows in seconds behind `after_second`."""
        some = (key & _SECOND_MASK) > after_second
        kept, place = np.unique(key[some], return_inverse=True)
        sums = (np.bincount(place, weights=part[some], minlength=kept.size).astype(np.int64) for part in (n, n_errors))
        return cls(kept, *sums)

    def between(self, stream: int, start: int, end: int) -> tuple[int, int]:
        """Return (records, errors) of a stream from second `start` to before second `end`."""
        key = stream << _STREAM_SHIFT
        some = slice(*np.searchsorted(self.key, (key | start, key | end)))
        return int(self.n[some].sum()), int(self.n_errors[some].sum())


_NO_ROWS = _Rows(*[_EMPTY] * 6)
_NO_TAIL = _Tail(_EMPTY, _EMPTY, _EMPTY)


class EarlyWatch:
    """Trailing counts, gates and due checks of all streams of one tenant."""

    def __init__(self, window_s: int = EarlyParams().window_s) -> None:
        self._window_s = window_s
        self._rows = _NO_ROWS
        self._n_seen = 0
        """Rows of the batch whose windows are in the peaks."""
        self._tail = _NO_TAIL
        self._tail_before = _NO_TAIL
        self._due: dict[int, int] = {}
        """Stream → tick of its next check, µs."""
        self._least = np.empty((2, 0), dtype=np.int64)
        """Gates as of the last close."""
        self._gate = np.empty((2, 0), dtype=np.int64)
        """Gates as they stand: raised after a check, and set anew from two seconds later on."""
        self._looked: dict[int, tuple[int, int]] = {}
        """Stream → tick of its last check, and tick at which its raised gates are set anew, µs."""
        # the fullest windows since the last close, and those between the two closes before: a burst that began behind
        # the bucket that is closed must not raise the bar that it is held against
        self._peak = np.empty((2, 0), dtype=np.int64)
        self._held = np.empty((2, 0), dtype=np.int64)

    def begin(self, clock_us: Ints, ts_us: Ints, stream: Ints, is_error: NDArray[np.bool_], n_streams: int) -> None:
        """Take the rows of a batch, in arrival order, with the clock after each.

        Rows whose time lies further behind the clock than the window count for nothing: a backlog is no burst.
        """
        self._grow(n_streams)
        live = (ts_us > clock_us - self._window_s * US_PER_S).astype(np.int64)
        second = np.maximum(clock_us // US_PER_S, self._window_s)
        key = np.concatenate([self._tail.key, stream << _STREAM_SHIFT | second])
        n = np.concatenate([self._tail.n, live])
        errors = live * is_error
        n_errors = np.concatenate([self._tail.n_errors, errors])
        order = _order(key)
        sorted_key = key if order is None else key[order]
        left = np.searchsorted(sorted_key, sorted_key - (self._window_s - 1))
        trailing = _trailing(n, order, left)[-live.size :] * live
        trailing_errors = _trailing(n_errors, order, left)[-live.size :] * live
        self._rows = _Rows(clock_us, stream, trailing, trailing_errors, live, errors)
        self._n_seen = 0
        self._tail_before = self._tail
        self._tail = _Tail.of(key, n, n_errors, int(second[-1]) - self._window_s)

    def end(self) -> None:
        """Let the rows of the batch go."""
        self._note_peaks(self._rows.stream.size)
        self._rows, self._tail_before = _NO_ROWS, self._tail

    def is_near(self) -> bool:
        """Return whether a check may fall due with the rows at hand, under the gates as they stand."""
        rows = self._rows.stream.size
        last_us = int(self._rows.clock_us[-1]) if rows else 0
        return any(us <= last_us for us in self._noted_us()) or self._over(0, rows).size > 0

    def ticks(self, start: int, stop: int, until_us: int) -> Iterator[Check]:
        """Yield the checks that rows from `start` up to `stop`, or rows before them, make due up to tick `until_us`.

        After each check the gates of its streams stand a quarter above what their windows held. From two seconds on
        what has been looked at no longer counts: as much again as the gate asks for makes the next check due.
        """
        while True:
            tick_us = min(self._noted_us(), default=None)
            end = stop
            if tick_us is not None and tick_us <= until_us:  # rows behind the tick cannot bring an earlier one
                end = int(np.searchsorted(self._rows.clock_us[:stop], tick_us))
            over = self._over(start, end)
            if over.size:
                first_us = _next_tick(int(self._rows.clock_us[over[0]]))
                tick_us = first_us if tick_us is None else min(first_us, tick_us)
            if tick_us is None or tick_us > until_us:
                for row in over.tolist():
                    self._due.setdefault(int(self._rows.stream[row]), _next_tick(int(self._rows.clock_us[row])))
                return
            streams = {code for code, due_us in self._due.items() if due_us <= tick_us}
            streams |= set(self._rows.stream[over[self._rows.clock_us[over] < tick_us]].tolist())
            row = max(start, int(np.searchsorted(self._rows.clock_us[:stop], tick_us)))
            streams |= self._set_anew(tick_us, row)
            for code in streams:
                self._due.pop(code, None)
            if streams:
                yield Check(tick_us, row, tuple(streams))
            for code in streams:
                seen = np.array(self.fast(code, row, tick_us))
                self._gate[:, code] = np.maximum(self._gate[:, code], seen + seen // 4 + 1)
                self._looked[code] = (tick_us, tick_us + _HOLD_US)
            start = row

    def _noted_us(self) -> list[int]:
        """Return the ticks that have been noted: of checks that are due, and of gates to be set anew."""
        return [*self._due.values(), *(again_us for _, again_us in self._looked.values())]

    def _set_anew(self, tick_us: int, row: int) -> set[int]:
        """Lower the gates that are due to; return the streams to which enough has come since their last check."""
        over = set()
        for code, (looked_us, again_us) in list(self._looked.items()):
            if again_us > tick_us:
                continue
            old = self._count(code, row, tick_us - self._window_s * US_PER_S, looked_us)
            self._gate[:, code] = self._least[:, code] + old
            if (np.array(self.fast(code, row, tick_us)) >= self._gate[:, code]).any():
                over.add(code)
            elif any(old):
                self._looked[code] = (looked_us, tick_us + _HOLD_US)
            else:
                del self._looked[code]
        return over

    def fast(self, code: int, row: int, tick_us: int) -> tuple[int, int]:
        """Return (records, errors) of a stream in the window that ends with the tick, of rows before `row`."""
        return self._count(code, row, tick_us - self._window_s * US_PER_S, tick_us)

    def _count(self, code: int, row: int, start_us: int, end_us: int) -> tuple[int, int]:
        """Return (records, errors) of a stream from one full second to before another, of rows before `row`."""
        if start_us >= end_us:
            return 0, 0
        n, n_errors = self._tail_before.between(code, start_us // US_PER_S, end_us // US_PER_S)
        rows = self._rows
        first, last = np.searchsorted(rows.clock_us[:row], (start_us, end_us))
        here = rows.stream[first:last] == code
        return n + int(rows.is_live[first:last][here].sum()), n_errors + int(rows.is_error[first:last][here].sum())

    def closed(self, row: int, codes: Sequence[int], gates: Gates, note: Note) -> None:
        """Say that the buckets of these streams were closed by row `row`; `note` is told each one's fullest window."""
        self._note_peaks(row)
        for code in codes:
            note(code, int(self._held[0, code]), int(self._held[1, code]))
            self._held[:, code] = self._peak[:, code]
            self._peak[:, code] = 0
            self._gate[:, code] = self._least[:, code] = gates(code)
            self._looked.pop(code, None)

    def _over(self, start: int, stop: int) -> Ints:
        """Return the rows that bring their stream to a gate."""
        if start >= stop:
            return _EMPTY
        rows, stream = self._rows, self._rows.stream[start:stop]
        is_over = (rows.n[start:stop] >= self._gate[0][stream]) | (rows.n_errors[start:stop] >= self._gate[1][stream])
        return np.flatnonzero(is_over) + start

    def _note_peaks(self, row: int) -> None:
        rows, some = self._rows, slice(self._n_seen, row)
        if row > self._n_seen:
            np.maximum.at(self._peak[0], rows.stream[some], rows.n[some])
            np.maximum.at(self._peak[1], rows.stream[some], rows.n_errors[some])
            self._n_seen = row

    def _grow(self, n_streams: int) -> None:
        more = n_streams - self._gate.shape[1]
        if more > 0:
            self._gate = np.pad(self._gate, ((0, 0), (0, more)), constant_values=NEVER)
            self._least = np.pad(self._least, ((0, 0), (0, more)), constant_values=NEVER)
            self._peak = np.pad(self._peak, ((0, 0), (0, more)))
            self._held = np.pad(self._held, ((0, 0), (0, more)))

    def snapshot(self) -> State:
        """Return all state as plain values; between batches only."""
        tail = self._tail
        return {
            "tail": [pack_array(part) for part in (tail.key, tail.n, tail.n_errors)],
            "due": [[code, due_us] for code, due_us in sorted(self._due.items())],
            "looked": [[code, *ticks] for code, ticks in sorted(self._looked.items())],
            "streams": [pack_array(part) for part in (*self._gate, *self._peak, *self._held, *self._least)],
        }

    @classmethod
    def restore(cls, state: State) -> EarlyWatch:
        """Return the watch as it was."""
        watch = cls()
        watch._tail = _Tail(*(unpack_array(part) for part in state["tail"]))
        watch._tail_before = watch._tail
        watch._due = dict(map(tuple, state["due"]))
        watch._looked = {code: (looked_us, again_us) for code, looked_us, again_us in state["looked"]}
        parts = np.array([unpack_array(part) for part in state["streams"]], dtype=np.int64)
        watch._gate, watch._peak, watch._held, watch._least = (parts[at : at + 2].copy() for at in (0, 2, 4, 6))
        return watch


def _next_tick(clock_us: int) -> int:
    return (clock_us // US_PER_S + 1) * US_PER_S


def _order(key: Ints) -> Ints | None:
    """Return the order of keys, equal ones as they come; None where they are in order."""
    if bool((key[1:] >= key[:-1]).all()):
        return None
    second = key & _SECOND_MASK
    first = int(second.min())
    return stable_order((key >> _STREAM_SHIFT) * (int(second.max()) - first + 1) + second - first)


def _trailing(weight: Ints, order: Ints | None, left: Ints) -> Ints:
    """Return for each row the sum over its stream's rows so far in the seconds of its window.

    `left` is where in the order of keys each one's window begins.
    """
    if not weight.any():
        return weight
    sorted_weight = weight if order is None else weight[order]
    total = np.cumsum(sorted_weight)
    within = total - total[left] + sorted_weight[left]
    if order is None:
        return within
    out = np.empty_like(within)
    out[order] = within
    return out
