"""Stage zero for one source: bytes in, record frame with a time, a service and a running clock on every record out.

The parser tells what a record says; this module fills what it leaves open: a record without a time takes the time
of the one before it, or of its receipt, a record without a service the source's name, and the source's clock says how
far event time has come. It must not know templates, buckets or other sources.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fm_anomaly.core.accounting import IntakeCounts
from fm_anomaly.core.frames import US_PER_S
from fm_anomaly.core.merging import CLOCK
from fm_anomaly.core.parsing import ParsingParams, SourceParser
from fm_anomaly.core.receipt_times import ReceiptTimes
from fm_anomaly.core.state import State, pack_array, unpack_array

N_WITNESSES = 3
"""Records in a row that must agree before the clock moves: one record from the far future moves nothing."""

_MAX_AHEAD_US = 24 * 3600 * US_PER_S
_MAX_LEADING = 1_000


@dataclass(frozen=True, slots=True)
class SourceName:
    """Where bytes come from: a name that people know, and the service it stands for where records tell none."""

    name: str
    service: str


@dataclass(frozen=True, slots=True)
class Arrived:
    """Whole lines of a live source, each ended by a line feed, and when they were received, µs."""

    name: SourceName
    data: bytes
    received_us: int


class Source:
    """One file, connection or listener, with all that its past lines decide about its next ones.

    `default_us` is the time of records that come before any time was told.
    """

    def __init__(self, name: SourceName, params: ParsingParams, default_us: int) -> None:
        self.name = name
        self.n_future = 0
        self._parser = SourceParser(name.name, params)
        self._default_us = default_us
        self._receipts: ReceiptTimes | None = None
        self._leading: list[pl.DataFrame] = []
        self._last_us: int | None = None
        self._witnesses: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._clock_us: int | None = None

    @property
    def counts(self) -> IntakeCounts:
        """What this source has given so far."""
        return self._parser.counts

    @property
    def has_time(self) -> bool:
        """Whether any record told its time."""
        return self._last_us is not None

    def feed(self, data: bytes) -> pl.DataFrame:
        """Return the records that `data` completes, in the order of their lines."""
        return self._timed(self._parser.feed(data), is_last=False)

    def receive(self, pieces: Sequence[tuple[bytes, int]]) -> pl.DataFrame:
        """Return the records that `pieces` complete: whole lines, each with the time of its receipt, µs.

        A source is either fed or received, never both.
        """
        if self._receipts is None:
            self._receipts = ReceiptTimes()
        for data, received_us in pieces:
            self._receipts.note(data.count(b"\n"), received_us)
        self._parser.set_reference(self._receipts.last_us)
        return self._timed(self._parser.feed(*(data for data, _ in pieces)), is_last=False)

    @property
    def is_open(self) -> bool:
        """Whether `flush` would have something to end: an unfinished line, an open record, or leading records."""
        return self._parser.is_open or any(frame.height for frame in self._leading)

    def flush(self) -> pl.DataFrame:
        """Return the open record too, as if the source had ended here."""
        return self._timed(self._parser.flush(), is_last=True)

    def _timed(self, frame: pl.DataFrame, *, is_last: bool) -> pl.DataFrame:
        if self._receipts is not None and frame.height:
            ts_us, n_future = self._receipts.times(frame["line"].to_numpy(), frame["ts_us"])
            self.n_future += n_future
            frame = frame.with_columns(pl.Series("ts_us", ts_us))
        if self._clock_us is None:
            self._leading.append(frame)
            held = pl.concat(self._leading) if len(self._leading) > 1 else frame
            n_timed = held.height - held["ts_us"].null_count()
            if n_timed < N_WITNESSES and held.height < _MAX_LEADING and not is_last:
                self._leading = [held]
                return self._filled(held[:0])
            self._leading = []
            return self._start(held)
        return self._filled(frame)

    def _start(self, held: pl.DataFrame) -> pl.DataFrame:
        """Set the clock going: the first records wait until enough of them tell a time."""
        if not held.height:
            return self._filled(held)
        times = held["ts_us"].drop_nulls()
        if times.len():
            first = times[:N_WITNESSES].to_numpy()
            self._clock_us = int(first.min())
            self._last_us = int(times[0])
        else:
            self._clock_us = self._last_or_default()
        self._witnesses = np.full(N_WITNESSES - 1, self._clock_us, dtype=np.int64)
        return self._filled(held)

    def _filled(self, frame: pl.DataFrame) -> pl.DataFrame:
        if not frame.height:
            return frame.hstack([pl.Series(CLOCK, [], dtype=pl.Int64), pl.Series("source", [], dtype=pl.String)])
        times = frame["ts_us"]
        if times.null_count():
            times = times.fill_null(strategy="forward").fill_null(self._last_or_default())
        ts_us = times.to_numpy().copy()
        told = frame["ts_us"].drop_nulls() if frame["ts_us"].null_count() else frame["ts_us"]
        if told.len():
            self._last_us = int(told[-1])
        clock_us = self._advance(ts_us)
        ahead = ts_us > clock_us + _MAX_AHEAD_US
        if ahead.any():
            self.n_future += int(ahead.sum())
            ts_us[ahead] = clock_us[ahead]
        # By column: the engine behind expressions takes a millisecond, however few the rows.
        columns = {column.name: column for column in frame.get_columns()}
        columns["ts_us"] = pl.Series("ts_us", ts_us)
        if columns["service"].null_count():
            columns["service"] = columns["service"].fill_null(self.name.service)
        columns[CLOCK] = pl.Series(CLOCK, clock_us)
        columns["source"] = pl.Series("source", [self.name.name], dtype=pl.String).new_from_index(0, frame.height)
        return pl.DataFrame(list(columns.values()))

    def _advance(self, ts_us: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the clock after each record: the running maximum of what `N_WITNESSES` records agree on."""
        assert self._clock_us is not None  # noqa: S101  -- set by _start before any record is filled
        seen = np.concatenate([self._witnesses, ts_us])
        agreed = np.minimum(np.minimum(seen[:-2], seen[1:-1]), seen[2:])
        clock = np.maximum(np.maximum.accumulate(agreed), self._clock_us)
        self._witnesses = seen[-(N_WITNESSES - 1) :].copy()
        self._clock_us = int(clock[-1])
        return clock

    def _last_or_default(self) -> int:
        return self._default_us if self._last_us is None else self._last_us

    def snapshot(self) -> State:
        """Return all state as plain values."""
        held = pl.concat(self._leading) if self._leading else None
        return {
            "name": [self.name.name, self.name.service],
            "default_us": self._default_us,
            "last_us": self._last_us,
            "clock_us": self._clock_us,
            "witnesses": pack_array(self._witnesses),
            "n_future": self.n_future,
            "receipts": None if self._receipts is None else self._receipts.snapshot(),
            "leading": None if held is None else held.to_dict(as_series=False),
            "parser": self._parser.snapshot(),
        }

    @classmethod
    def restore(cls, state: State, params: ParsingParams) -> Source:
        """Return the source as it was."""
        source = cls(SourceName(*state["name"]), params, state["default_us"])
        source._parser = SourceParser.restore(state["parser"], params)
        source._last_us, source._clock_us = state["last_us"], state["clock_us"]
        source._witnesses = unpack_array(state["witnesses"])
        source.n_future = state["n_future"]
        if state["receipts"] is not None:
            source._receipts = ReceiptTimes.restore(state["receipts"])
            source._parser.set_reference(source._receipts.last_us)
        leading: dict[str, Any] | None = state["leading"]
        if leading is not None:
            from fm_anomaly.core.frames import RECORD_SCHEMA

            source._leading = [pl.DataFrame(leading, schema=RECORD_SCHEMA)]
        return source


def forget_unfinished(state: State) -> int:
    """Take the unfinished line, which is not redacted yet, out of a source's state; return how many bytes it has.

    Whoever saves the state reads them again: its position stands before them.
    """
    cutter, counts = state["parser"]["cutter"], state["parser"]["counts"]
    size_bytes = int(cutter["size"])
    cutter["head"], cutter["size"] = b"", 0
    counts["bytes"] -= size_bytes
    return size_bytes
