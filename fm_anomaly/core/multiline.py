"""Joins lines to records: tracebacks by their grammar, other continuation lines by indentation.

`join` says for each line which line its record starts at. A line with a header starts a record; a line
without one belongs to the traceback whose grammar asks for it, or to the record before it where it is
indented; an unindented line that no grammar claims is a record of its own. This module must not know
formats, time or severity: the caller says which lines have a header.

A traceback that another thread's line interrupts goes on: it stays open for a bounded number of lines and
takes the lines that only it can explain. All memory lies in the lines from `Joined.open_from` on; passing
them again with the next lines gives the same owners as passing everything at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fm_anomaly.core.traceback_grammar import Lane, Record, claim, open_grammar
from fm_anomaly.core.traceback_lines import HEAD, UNKNOWN, LineKind, kinds_of

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class MultilineParams:
    """Limits of a joined record; beyond `max_lines` or `max_bytes` the next line starts a new record."""

    max_lines: int = 500
    max_bytes: int = 256 * 1024
    look_back: int = 32
    """Lines (of all lanes) after which an interrupted or silent record takes no more lines."""
    max_blanks: int = 2
    """Blank lines in a row that a record may hold."""


@dataclass(frozen=True, slots=True)
class Joined:
    """Which line each line's record starts at, and from where on lines must be passed again.

    ``owner[i]`` is an index into the lines, ``owner[i] <= i``; -1 for a blank line of no record.
    ``open_from`` is the first line of the first record that may still grow; ``len(lines)`` if there is none.
    """

    owner: Ints
    open_from: int


_DEFAULT = MultilineParams()


def join(
    lines: pl.Series,
    is_head: Bools,
    is_blank: Bools,
    lane: Ints | None = None,
    closed: Bools | None = None,
    params: MultilineParams = _DEFAULT,
) -> Joined:
    """Join `lines` to records.

    `is_head` marks lines with a header, `closed` those heads that take no continuations (JSON objects),
    `lane` tells writers apart where the transport does (a container's stream, a host): lines of different
    lanes never join. Cost: nothing per line in Python for heads, about a microsecond for other lines.
    """
    n = len(lines)
    owner = np.arange(n, dtype=np.int64)
    if n == 0:
        return Joined(owner, 0)
    others = np.flatnonzero(~is_head)
    walk = _Walk(lines, is_head, closed, params, owner)
    if len(others):
        walk.run(_steps(lines, is_head, is_blank, lane, others), lane)
    return Joined(owner, _settle(owner, min(walk.open_from(), _open_head(is_head, closed, lane, n, params))))


@dataclass(frozen=True, slots=True)
class _Steps:
    """The lines without a header, in order: index, kind, size, last head and next kind in their lane."""

    index: list[int]
    kind: list[int]
    size: list[int]
    head: list[int]
    following: list[int]
    """Kind of the next line in the lane; HEAD for a head, UNKNOWN where the lines end."""


def _steps(lines: pl.Series, is_head: Bools, is_blank: Bools, lane: Ints | None, others: Ints) -> _Steps:
    texts = lines[others]
    kinds = np.full(len(lines), HEAD, dtype=np.uint8)
    kinds[others] = kinds_of(texts, is_blank[others])
    head, following = _neighbours(is_head, kinds, lane)
    return _Steps(
        others.tolist(),
        kinds[others].tolist(),
        texts.str.len_bytes().to_list(),
        head[others].tolist(),
        following[others].tolist(),
    )


def _neighbours(is_head: Bools, kinds: NDArray[np.uint8], lane: Ints | None) -> tuple[Ints, NDArray[np.uint8]]:
    """Return for each line the last head at or before it (-1: none) and the next line's kind, in its lane."""
    n = len(is_head)
    index = np.arange(n, dtype=np.int64)
    if lane is None:
        following = np.append(kinds[1:], np.uint8(UNKNOWN))
        return np.maximum.accumulate(np.where(is_head, index, -1)), following
    order = np.argsort(lane, kind="stable")
    first = np.append(True, lane[order][1:] != lane[order][:-1])
    start = np.maximum.accumulate(np.where(first, index, 0))
    at = np.maximum.accumulate(np.where(is_head[order], index, -1))
    head = np.empty(n, dtype=np.int64)
    head[order] = np.where(at >= start, order[at], -1)
    after = np.append(kinds[order][1:], np.uint8(UNKNOWN))
    after[np.append(first[1:], True)] = UNKNOWN
    following = np.empty(n, dtype=np.uint8)
    following[order] = after
    return head, following


def _open_head(is_head: Bools, closed: Bools | None, lane: Ints | None, n: int, params: MultilineParams) -> int:
    """Return the first head that is the last line of its lane and may still get a continuation; else `n`."""
    first = n - 1 if lane is None else max(0, n - params.look_back)
    last_by_lane = {0 if lane is None else int(lane[i]): i for i in range(first, n)}
    heads = [i for i in last_by_lane.values() if is_head[i] and not (closed is not None and closed[i])]
    return min(heads, default=n)


def _settle(owner: Ints, open_from: int) -> int:
    """Move `open_from` back until no line from it on belongs to a record before it."""
    while open_from < len(owner):
        tail = owner[open_from:]
        first = int(tail[tail >= 0].min(initial=open_from))
        if first >= open_from:
            break
        open_from = first
    return open_from


class _Walk:
    """The pass over the lines without a header; fills `owner`."""

    def __init__(
        self, lines: pl.Series, is_head: Bools, closed: Bools | None, params: MultilineParams, owner: Ints
    ) -> None:
        self._lines = lines
        self._is_head = is_head
        self._closed = closed
        self._params = params
        self._owner = owner
        self._owned: dict[int, int] = {}  # what goes into `owner` at the end: item by item, numpy is slow
        self._lanes: dict[int, Lane] = {}

    def run(self, steps: _Steps, lane: Ints | None) -> None:
        lanes = [0] * len(steps.index) if lane is None else lane[steps.index].tolist()
        rows = zip(steps.index, steps.kind, steps.size, steps.head, steps.following, lanes, strict=True)
        for i, kind, size, head, following, key in rows:
            state = self._lanes.get(key)
            if state is None:
                state = self._lanes[key] = Lane()
            if kind == LineKind.BARE and state.traceback is None and (following == LineKind.BARE or following == HEAD):
                state.skip(i)  # text that nothing can claim, and that nothing can join: most of a plain file
                continue
            self._forget(state, i, head)
            if kind == LineKind.BLANK:
                self._blank(state, i)
            else:
                self._place(state, i, kind, size, following)
        self._owner[list(self._owned)] = list(self._owned.values())

    def open_from(self) -> int:
        """Return the start of the first record that the walk left open; the number of lines if none."""
        n = len(self._owner)
        reach = n - self._params.look_back
        starts = [r.start for lane in self._lanes.values() for r in lane.open_records() if r.last >= reach]
        return min(starts, default=n)

    def _forget(self, lane: Lane, i: int, head: int) -> None:
        """Let the lane's last head take over, and drop what lies too far back."""
        if head > lane.seen:
            is_closed = self._closed is not None and bool(self._closed[head])
            lane.current = None if is_closed else Record(head, 0, is_head=True)
            lane.blanks.clear()
        lane.seen = i
        lane.undecided = None
        reach = i - self._params.look_back
        if lane.current is not None and lane.current.last < reach:
            lane.current = None
            lane.blanks.clear()
        if lane.traceback is not None and lane.traceback.last < reach:
            lane.traceback = None

    def _blank(self, lane: Lane, i: int) -> None:
        self._owned[i] = -1
        if lane.current is not None and len(lane.blanks) < self._params.max_blanks:
            lane.blanks.append(i)
        else:
            lane.current = None
            lane.blanks.clear()

    def _place(self, lane: Lane, i: int, kind: int, size: int, following: int) -> None:
        open_trace = lane.traceback
        if open_trace is not None and open_trace is not lane.current and self._is_full(lane, open_trace, size):
            lane.traceback = None
        record = claim(lane, kind, following, self._text)
        if record is not None and self._is_full(lane, record, size):
            if lane.traceback is record:
                lane.traceback = None
            record = None
        if record is None:
            self._start(lane, i, kind, size)
        else:
            self._attach(lane, record, i, size)

    def _is_full(self, lane: Lane, record: Record, size: int) -> bool:
        blanks = len(lane.blanks) if record is lane.current else 0
        params = self._params
        return record.n_lines + blanks >= params.max_lines or record.n_bytes + size > params.max_bytes

    def _attach(self, lane: Lane, record: Record, i: int, size: int) -> None:
        if record is lane.current:
            for blank in lane.blanks:
                self._owned[blank] = record.start
            record.n_lines += len(lane.blanks)
        lane.blanks.clear()
        self._owned[i] = record.start
        record.n_lines += 1
        record.n_bytes += size + 1
        record.last = i
        lane.current = record
        if record.lang:
            lane.traceback = record

    def _start(self, lane: Lane, i: int, kind: int, size: int) -> None:
        record = open_grammar(Record(i, size), kind, self._text)
        lane.blanks.clear()
        lane.current = record
        if record.lang:
            lane.traceback = record

    def _text(self, i: int) -> str:
        """The text of line `i`; asked for at turning points only, since reading one item is slow."""
        return str(self._lines.item(i))
