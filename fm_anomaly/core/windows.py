"""Event-time buckets: which records count in which span, which come too late, and when a span is over.

Rows come in arrival order with the clock that stood before each of them; a record is late when its bucket was due by
then. Counts are integers, and everything is decided by the records' own order, never by how they were cut into calls.
This module must not know detectors, alerts or texts; rows of evidence are references that the caller resolves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import count

import numpy as np
from numpy.typing import NDArray

from fm_anomaly.core.frames import US_PER_S
from fm_anomaly.core.state import State

Ints = NDArray[np.int64]

N_EVIDENCE = 3
"""Rows kept a template and bucket: the first and two more."""


@dataclass(frozen=True, slots=True)
class WindowParams:
    """How event time is cut.

    bucket_s: width of a bucket, seconds.
    lateness_s: how long a bucket waits for records out of order, seconds of event time.
    max_durations: durations kept an operation and bucket; further ones are dropped, the first are kept.
    """

    bucket_s: int = 60
    lateness_s: int = 10
    max_durations: int = 512

    @property
    def bucket_us(self) -> int:
        """Width of a bucket, µs."""
        return self.bucket_s * US_PER_S

    @property
    def lateness_us(self) -> int:
        """Allowed lateness, µs."""
        return self.lateness_s * US_PER_S


@dataclass(slots=True)
class Tally:
    """Counts of one template in one open bucket. `rows` are references to the first rows, resolved by the caller."""

    count: int = 0
    n_errors: int = 0
    n_warnings: int = 0
    first_us: int = 0
    rows: list[object] = field(default_factory=list)

    def copy(self) -> Tally:
        """Return a tally of its own."""
        return Tally(self.count, self.n_errors, self.n_warnings, self.first_us, self.rows.copy())

    def plus(self, other: Tally) -> Tally:
        """Return both together, the rows of this one first."""
        rows = (self.rows + other.rows)[:N_EVIDENCE]
        first_us = min(self.first_us, other.first_us)
        n_errors, n_warnings = self.n_errors + other.n_errors, self.n_warnings + other.n_warnings
        return Tally(self.count + other.count, n_errors, n_warnings, first_us, rows)


@dataclass(slots=True)
class ExceptionTally:
    """Counts of one exception identity in one open bucket."""

    stream: int
    type: str
    frame: str | None
    message: str | None
    template: int
    count: int = 0
    first_us: int = 0
    rows: list[object] = field(default_factory=list)

    def copy(self) -> ExceptionTally:
        """Return a tally of its own."""
        return replace(self, rows=list(self.rows))


@dataclass(slots=True)
class OpenBucket:
    """Everything counted in one span that is not over yet, over all streams."""

    templates: dict[int, Tally] = field(default_factory=dict)
    exceptions: dict[tuple[int, str], ExceptionTally] = field(default_factory=dict)
    durations: dict[tuple[int, str], list[float]] = field(default_factory=dict)
    requests: dict[int, list[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rows:
    """Records that are not late, as arrays of one length, in arrival order.

    row: number of the record in its batch; bucket: number of the bucket (ts // width); template: index; is_error:
    severity at least ERROR; is_warning: at least WARN but no error; ts_us: event time; status: HTTP status or 0.
    """

    row: Ints
    bucket: Ints
    template: Ints
    stream: Ints
    is_error: NDArray[np.bool_]
    is_warning: NDArray[np.bool_]
    ts_us: Ints
    status: Ints

    def only(self, places: Ints) -> Rows:
        """Return the rows at these places."""
        return Rows(*(getattr(self, each.name)[places] for each in fields(self)))


def _groups(key: Ints) -> tuple[Ints, Ints, Ints]:
    """Return (order, starts, ends): rows by key, and by arrival within a key; where each key's rows stand in it."""
    order = stable_order(key)
    sorted_key = key[order]
    starts = np.flatnonzero(np.concatenate([[True], sorted_key[1:] != sorted_key[:-1]]))
    return order, starts, np.append(starts[1:], sorted_key.size)


def stable_order(key: Ints) -> Ints:
    """Return the order of keys from 0 on, equal ones as they come; small ones are sorted in a quarter of the time."""
    is_small = key.size > 0 and int(key.max()) < 1 << 16  # numpy sorts 16 bits by counting
    return np.argsort(key.astype(np.uint16) if is_small else key, kind="stable")


class Windows:
    """The open buckets of one tenant's source set, and the clock that closes them."""

    def __init__(self, params: WindowParams) -> None:
        self.params = params
        self.open: dict[int, OpenBucket] = {}
        self.clock_us: int | None = None
        self.next_bucket: int | None = None
        self._fresh: list[tuple[int, Tally]] = []
        """Tallies that have taken rows of this batch, each with its bucket's number."""

    def clocks(self, source_clock_us: Ints) -> tuple[Ints, Ints]:
        """Move the clock; return where it stood before and after each row, µs."""
        after = np.maximum.accumulate(source_clock_us)
        if self.clock_us is not None:
            after = np.maximum(after, self.clock_us)
            start = self.clock_us
        else:
            start = int(after[0])
        before = np.concatenate([np.array([start], dtype=np.int64), after[:-1]])
        self.clock_us = int(after[-1])
        return before, after

    def due_us(self, bucket: int) -> int:
        """Return the clock at which `bucket` is over, µs: its tick."""
        return (bucket + 1) * self.params.bucket_us + self.params.lateness_us

    def is_late(self, bucket: Ints, clock_before_us: Ints) -> NDArray[np.bool_]:
        """Return which rows come after their bucket was over."""
        return (bucket + 1) * self.params.bucket_us + self.params.lateness_us <= clock_before_us

    def count(self, rows: Rows) -> None:
        """Count rows in their buckets, and note the first rows of each template there."""
        if not rows.bucket.size:
            return
        first = int(rows.bucket.min())
        # a row that is not late may still open a bucket before the one that is waited for
        self.next_bucket = first if self.next_bucket is None else min(self.next_bucket, first)
        width = int(rows.template.max()) + 1
        key = (((rows.bucket - first) * width + rows.template) << 2) | (rows.is_warning << 1) | rows.is_error
        order, starts, ends = _groups(key)
        heads = key[order[starts]]
        n_rows = ends - starts
        earliest_us = np.minimum.reduceat(rows.ts_us[order], starts)
        for at, n, first_us, bucket, template, level in zip(
            starts.tolist(),
            n_rows.tolist(),
            earliest_us.tolist(),
            ((heads >> 2) // width + first).tolist(),
            ((heads >> 2) % width).tolist(),
            (heads & 3).tolist(),
            strict=True,
        ):
            tally = self._tally(bucket, template)
            tally.first_us = min(tally.first_us, first_us) if tally.count else first_us
            tally.count += n
            if level == 1:
                tally.n_errors += n
            elif level == 2:
                tally.n_warnings += n
            room = N_EVIDENCE - len(tally.rows)
            if room > 0:
                tally.rows.extend(rows.row[order[at : at + min(n, room)]].tolist())
                self._fresh.append((bucket, tally))
        self._count_requests(rows)

    def _tally(self, bucket: int, template: int) -> Tally:
        content = self.bucket(bucket)
        tally = content.templates.get(template)
        if tally is None:
            tally = content.templates[template] = Tally()
        return tally

    def bucket(self, number: int) -> OpenBucket:
        """Return the open bucket of that number, made when needed."""
        content = self.open.get(number)
        if content is None:
            content = self.open[number] = OpenBucket()
        return content

    def copy_open(self) -> dict[int, OpenBucket]:
        """Return the open buckets as they stand, templates and exceptions only, so that counting on leaves them."""
        return {
            number: OpenBucket(
                {index: tally.copy() for index, tally in content.templates.items()},
                {key: tally.copy() for key, tally in content.exceptions.items()},
            )
            for number, content in self.open.items()
        }

    def _count_requests(self, rows: Rows) -> None:
        at = np.flatnonzero(rows.status)
        if not at.size:
            return
        first = int(rows.bucket[at].min())
        key = ((rows.bucket[at] - first) << 21) | (rows.stream[at] << 1) | (rows.status[at] >= 500)
        for packed, n in zip(*(part.tolist() for part in np.unique(key, return_counts=True)), strict=True):
            pair = self.bucket((packed >> 21) + first).requests.setdefault((packed >> 1) & 0xFFFFF, [0, 0])
            pair[0] += n
            if packed & 1:
                pair[1] += n

    def add_durations(self, bucket: Ints, stream: Ints, operations: Sequence[str], ms: NDArray[np.float64]) -> None:
        """Keep durations by bucket, stream and operation, in arrival order, up to the cap; arrays of one length."""
        if not bucket.size:
            return
        code_by_name: defaultdict[str, int] = defaultdict(count().__next__)
        code = np.fromiter(map(code_by_name.__getitem__, operations), np.int64, len(operations))
        first, n_names, n_streams = int(bucket.min()), len(code_by_name), int(stream.max()) + 1
        key = ((bucket - first) * n_streams + stream) * n_names + code
        order, starts, ends = _groups(key)
        heads = key[order[starts]]
        sorted_ms = ms[order].tolist()
        cap = self.params.max_durations
        names = list(code_by_name)
        for at, end, head in zip(starts.tolist(), ends.tolist(), heads.tolist(), strict=True):
            place, name = divmod(head, n_names)
            number, code_of_stream = divmod(place, n_streams)
            kept = self.bucket(number + first).durations.setdefault((code_of_stream, names[name]), [])
            if len(kept) < cap:
                kept.extend(sorted_ms[at : min(end, at + cap - len(kept))])

    def is_due(self, clock_us: int) -> bool:
        """Return whether any bucket may be over at `clock_us`."""
        return self.next_bucket is None or self.due_us(self.next_bucket) <= clock_us

    def due(self, clock_us: int, wakes: Callable[[], int | None]) -> Iterator[int]:
        """Yield the buckets that are over at `clock_us`, in order; each is then `pop`ped by the caller.

        Empty buckets are passed over, but for the one that `wakes` says must be judged all the same (None: none).
        """
        while self.next_bucket is not None and self.due_us(self.next_bucket) <= clock_us:
            number = self._next_with_matter(clock_us, wakes())
            if number is None:
                break
            self.next_bucket = number
            yield number
            self.next_bucket = number + 1

    def _next_with_matter(self, clock_us: int, wake: int | None) -> int | None:
        """Return the next bucket to judge, None when no further one is due; then the empty ones are passed over."""
        assert self.next_bucket is not None  # noqa: S101  -- `due` has looked
        wanted = [min(self.open)] if self.open else []
        if wake is not None:
            wanted.append(max(wake, self.next_bucket))
        number = min(wanted, default=None)
        if number is not None and self.due_us(number) <= clock_us:
            return number
        self.next_bucket += max(0, (clock_us - self.due_us(self.next_bucket)) // self.params.bucket_us + 1)
        return None

    def pop(self, number: int) -> OpenBucket:
        """Take the content of a bucket that is over."""
        return self.open.pop(number, None) or OpenBucket()

    def resolve_rows(self, resolve: Callable[[list[int]], Sequence[object]]) -> None:
        """Turn row numbers of this batch into what `resolve` gives for them, so that the batch can be let go."""
        waiting: list[Tally | ExceptionTally] = [tally for number, tally in self._fresh if number in self.open]
        self._fresh = []
        for content in self.open.values():
            waiting += [e for e in content.exceptions.values() if e.rows and isinstance(e.rows[-1], int)]
        numbers = sorted({row for tally in waiting for row in tally.rows if isinstance(row, int)})
        known = dict(zip(numbers, resolve(numbers), strict=True))
        for tally in waiting:
            tally.rows = [known[row] if isinstance(row, int) else row for row in tally.rows]

    def snapshot(self) -> State:
        """Return all state as plain values; rows must have been resolved to plain values."""
        return {
            "clock_us": self.clock_us,
            "next_bucket": self.next_bucket,
            "open": [
                [
                    number,
                    [[t, a.count, a.n_errors, a.n_warnings, a.first_us, a.rows] for t, a in content.templates.items()],
                    [
                        [key, [e.stream, e.type, e.frame, e.message, e.template, e.count, e.first_us, e.rows]]
                        for (_, key), e in content.exceptions.items()
                    ],
                    [[code, name, kept] for (code, name), kept in content.durations.items()],
                    [[code, *pair] for code, pair in content.requests.items()],
                ]
                for number, content in sorted(self.open.items())
            ],
        }

    @classmethod
    def restore(cls, state: State, params: WindowParams) -> Windows:
        """Return the windows as they were."""
        windows = cls(params)
        windows.clock_us, windows.next_bucket = state["clock_us"], state["next_bucket"]
        for number, templates, exceptions, durations, requests in state["open"]:
            windows.open[number] = OpenBucket(
                {template: Tally(*tally) for template, *tally in templates},
                {(fields[0], key): ExceptionTally(*fields) for key, fields in exceptions},
                {(code, name): kept for code, name, kept in durations},
                {code: pair for code, *pair in requests},
            )
        return windows
