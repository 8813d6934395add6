"""Turns the bytes of one source into record frames: cut, redact, unwrap, parse, join, count.

`SourceParser` holds what past lines decide about the next ones: the unfinished line, and the lines of the
record that is still open, which are parsed again with what comes. So cuts in the input never show. This
module must not know where the bytes come from, nor what is done with the records.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import polars as pl

from fm_anomaly.core import multiline, prefixes, time_values, zones
from fm_anomaly.core.accounting import IntakeCounts
from fm_anomaly.core.calendar import Bools, Ints
from fm_anomaly.core.console_lines import logfmt_frame
from fm_anomaly.core.folds import UNKNOWN_US, unfolded
from fm_anomaly.core.frames import empty_frame
from fm_anomaly.core.json_lines import parse_json
from fm_anomaly.core.line_fields import LINE_SCHEMA
from fm_anomaly.core.lines import LineCutter
from fm_anomaly.core.records import JoinedLines, LineCounts, to_records
from fm_anomaly.core.redaction import RedactionParams, Redactor
from fm_anomaly.core.text_batch import FEW, Clock, TextLines
from fm_anomaly.core.text_lines import parse_text
from fm_anomaly.errors import ConfigError

_SLICE_BYTES = 4 << 20
"""Bytes worked on at a time: bounds memory; that cuts don't show makes it free."""
_PAIRS_WITH_LEVEL = r"^(?:[a-z_]+=[^ ]+ )*(?:level|lvl|severity)=[A-Za-z\"]"
_MAY_NEST = r"^\{|^(?:[a-z_]+=[^ ]+ )*(?:level|lvl|severity)="
_END_OF_1970_US = 364 * zones.DAY_US
_BRACE, _END_BRACE = 123, 125


@dataclass(frozen=True, slots=True)
class ParsingParams:
    """What the parser cannot learn from the lines."""

    tz: str = "UTC"
    """IANA zone of timestamps that state none."""
    max_line_bytes: int = 1_000_000
    """A longer line is cut, with the mark ``…[cut N bytes]``."""
    reference_us: int | None = None
    """Dates without a year stand in the year that brings them closest to this time (a file's modification
    time, or now), not more than a day after it. None: in 1970."""
    max_record_lines: int = 500
    max_record_bytes: int = 256 * 1024
    redaction: RedactionParams = field(default_factory=RedactionParams)


class SourceParser:
    """Parses one source: a file, a connection, a listener."""

    def __init__(self, source: str, params: ParsingParams | None = None) -> None:
        self.source = source
        self.params = params or ParsingParams()
        self.counts = IntakeCounts()
        self._check_zone()
        reference = self.params.reference_us
        self._clock = Clock(self.params.tz, _END_OF_1970_US if reference is None else reference)
        self._joining = multiline.MultilineParams(
            max_lines=self.params.max_record_lines, max_bytes=self.params.max_record_bytes
        )
        self._cutter = LineCutter(self.params.max_line_bytes)
        self._redactor = Redactor(self.params.redaction)
        self._carry: list[str] = []
        self._newest_us = UNKNOWN_US
        """Newest time so far, where the zone of bare times has clock changes."""

    def feed(self, *pieces: bytes) -> pl.DataFrame:
        """Return the records that the next bytes complete, in the order of their first lines.

        The last record stays open until a line tells that it is complete, or `flush` is called.
        """
        self.counts.bytes += sum(map(len, pieces))
        frames = [self._take(*self._cutter.cut(part), is_last=False) for part in _slices(pieces)]
        frames = [frame for frame in frames if frame.height]
        return pl.concat(frames) if len(frames) > 1 else frames[0] if frames else empty_frame()

    def flush(self) -> pl.DataFrame:
        """Return the open tail, as if the source had ended here; feeding may go on."""
        return self._take(pl.Series(self._cutter.flush(), dtype=pl.String), None, is_last=True)

    def set_reference(self, now_us: int) -> None:
        """Say that it is `now_us`: dates without a year stand near it from now on."""
        self._clock = Clock(self.params.tz, now_us)

    @property
    def is_open(self) -> bool:
        """Whether `flush` would have something to end: an unfinished line or an open record."""
        return bool(self._carry) or self._cutter.is_open

    def snapshot(self) -> dict[str, Any]:
        """Return all state as plain values."""
        return {
            "source": self.source,
            "carry": list(self._carry),
            "cutter": self._cutter.snapshot(),
            "redactor": self._redactor.snapshot(),
            "counts": self.counts.snapshot(),
            "newest_us": self._newest_us,
        }

    @classmethod
    def restore(cls, state: dict[str, Any], params: ParsingParams | None = None) -> Self:
        """Return a parser that goes on as if it had never stopped."""
        parser = cls(state["source"], params)
        parser._carry = list(state["carry"])
        parser._cutter.restore(state["cutter"])
        parser._redactor = Redactor.restore(state["redactor"], parser.params.redaction)
        parser.counts = IntakeCounts.restore(state["counts"])
        parser._newest_us = state["newest_us"]
        return parser

    def _check_zone(self) -> None:
        try:
            zones.local_to_utc(np.zeros(1, np.int64), self.params.tz)
        except pl.exceptions.PolarsError as exc:
            raise ConfigError(f"unknown time zone {self.params.tz!r}: give an IANA name such as Europe/Berlin") from exc

    def _take(self, lines: pl.Series, text: bytes | None, *, is_last: bool) -> pl.DataFrame:
        """Work on the open lines and the new ones; keep what is still open."""
        if not len(lines) and not (is_last and self._carry):
            return empty_frame()
        self._note_cutter()
        if len(lines):
            lines, text = self._redactor.redact_block(lines, text)
            self.counts.redacted = {kind: n for kind, n in self._redactor.counts.items() if n}
        if self._carry:
            if text is not None:
                text = "\n".join([*self._carry, ""]).encode() + text
            lines = pl.concat([pl.Series(self._carry, dtype=pl.String), lines], rechunk=True)
        batch = _Batch(lines, text, self._clock, self._joining, self.params.redaction, is_last=is_last)
        self._carry = batch.carry
        self._note_redacted(batch.redacted())
        records, self._newest_us = batch.emit(self.counts, self._newest_us)
        return records

    def _note_redacted(self, added: Counter[str]) -> None:
        """Count what was redacted in lines put together; the redactor's counts are part of the snapshot."""
        if not added:
            return
        counts = self._redactor.counts
        for kind, n in added.items():
            counts[kind] = counts.get(kind, 0) + n
        self.counts.redacted = {kind: n for kind, n in counts.items() if n}

    def _note_cutter(self) -> None:
        cutter = self._cutter
        self.counts.truncated += cutter.n_truncated
        self.counts.repaired += cutter.n_repaired
        cutter.n_truncated = cutter.n_repaired = 0


def _slices(pieces: Sequence[bytes]) -> Iterator[bytes]:
    """Yield the bytes of all pieces in parts of about `_SLICE_BYTES`; a large part is never copied twice."""
    small: list[bytes] = []
    size = 0
    for piece in pieces:
        if size and size + len(piece) > _SLICE_BYTES:
            yield b"".join(small)
            small, size = [], 0
        if len(piece) > _SLICE_BYTES:
            yield from (piece[i : i + _SLICE_BYTES] for i in range(0, len(piece), _SLICE_BYTES))
        elif piece:
            small.append(piece)
            size += len(piece)
    if size:
        yield b"".join(small)


class _Batch:
    """Lines of one call, from redacted text to records."""

    def __init__(
        self,
        physical: pl.Series,
        text: bytes | None,
        clock: Clock,
        joining: multiline.MultilineParams,
        redaction: RedactionParams,
        *,
        is_last: bool,
    ) -> None:
        self._lines = TextLines.of(physical, text)
        self._wrapped = prefixes.unwrap(physical.to_list()) if prefixes.is_wrapped(self._lines) else None
        if self._wrapped:
            prefixes.redact_joined(self._wrapped, redaction)
            self._lines = TextLines.of(pl.Series(self._wrapped.texts, dtype=pl.String))
        self._series = series = self._lines.series
        n = len(series)
        self._first_byte = self._lines.buffer[self._lines.starts]
        self._blank, self._binary = self._empties()
        self._tz = clock.tz
        self._frame = self._parsed(clock)
        head, closed = self._flags(n)
        lanes = np.array(self._wrapped.lanes, dtype=np.int64) if self._wrapped else None
        joined_lines = multiline.join(series, head, self._blank, lanes, closed, joining)
        self._owner = joined_lines.owner
        open_from = joined_lines.open_from
        if self._wrapped is not None and any(self._wrapped.shipped):
            self._keep_together(np.flatnonzero(self._wrapped.goes_on).tolist(), closed, joining)
            if self._wrapped.shipped[-1] and self._owner[-1] >= 0 and not closed[-1]:
                open_from = min(open_from, int(self._owner[-1]))  # the shipper may go on
        self._end = n if is_last else self._settled(open_from)
        self.carry: list[str] = physical[self._first_physical(len(physical)) :].to_list()

    def redacted(self) -> Counter[str]:
        """Return marks by kind that putting lines together has added to those that are done with."""
        total: Counter[str] = Counter()
        for at, added in (self._wrapped.redacted if self._wrapped else {}).items():
            if at < self._end:
                total.update(added)
        return total

    def _empties(self) -> tuple[Bools, Bools]:
        """Return which lines are blank, and which are binary."""
        first, lines = self._first_byte, self._lines
        blank = lines.ends == lines.starts
        # whitespace beyond ASCII begins with a byte from 0xC2 on
        rows = np.flatnonzero(((first <= 32) & ~blank) | ((first >= 0xC2) & (first < 0xE4)))
        if len(rows):
            blank[rows[[text.isspace() for text in self._series[rows].to_list()]]] = True
        binary = first == 0
        return blank, binary

    def _parsed(self, clock: Clock) -> pl.DataFrame:
        """Return the line frame of all lines that are neither blank nor binary, in order."""
        lines = self._lines
        is_json = (self._first_byte == _BRACE) & (lines.buffer[lines.ends - 1] == _END_BRACE)
        frames: list[pl.DataFrame] = []
        index = np.flatnonzero(is_json)
        if len(index):
            frames, bad = parse_json(lines.some(index), index, clock.tz)
            is_json[bad] = False
        index = np.flatnonzero(~(self._blank | self._binary | is_json))
        if len(index):
            frames.extend(_unnested(parse_text(lines.some(index), index, clock), clock.tz))
        if not frames:
            return pl.DataFrame(schema=LINE_SCHEMA)
        frame = frames[0] if len(frames) == 1 else _in_order(frames)
        return self._with_runtime(frame, clock.tz)

    def _with_runtime(self, frame: pl.DataFrame, tz: str) -> pl.DataFrame:
        """Fill what a line does not tell from what the container runtime or the shipper says.

        A time without a zone gives way to a shipper's, which is certain.
        """
        wrapped = self._wrapped
        if wrapped is None:
            return frame
        rows = frame["index"].to_list()
        us, valid, _ = time_values.from_values([wrapped.times[i] for i in rows], tz)
        times = pl.Series("ts_us", us).set(pl.Series(~valid), None)
        utc = pl.Series("zone_min", np.zeros(len(us), np.int32)).set(pl.Series(~valid), None)
        services = pl.Series("service", [wrapped.services[i] for i in rows], dtype=pl.String)
        shipped = np.array([wrapped.shipped[i] for i in rows], dtype=np.bool_)
        if shipped.any():
            stated = np.array([wrapped.severities[i] for i in rows], dtype=np.uint8)
            vague = pl.col("ts_us").is_null() | (pl.col("zone_min").eq(zones.NO_ZONE) & pl.Series(shipped & valid))
            frame = frame.with_columns(
                pl.when(vague).then(None).otherwise(pl.col("ts_us")).alias("ts_us"),
                pl.when(vague).then(None).otherwise(pl.col("zone_min")).alias("zone_min"),
                pl.col("bad_time") & ~pl.Series(shipped & valid),
                pl.when(pl.col("severity") == 0)
                .then(pl.Series(stated))
                .otherwise(pl.col("severity"))
                .alias("severity"),
            )
        return frame.with_columns(
            pl.col("zone_min").fill_null(utc),
            pl.col("ts_us").fill_null(times),
            pl.col("service").fill_null(services),
        )

    def _flags(self, n: int) -> tuple[Bools, Bools]:
        """Return which lines start a record for certain, and which of these take no continuations."""
        head, closed = self._binary.copy(), self._binary.copy()
        index = self._frame["index"].to_numpy()
        head[index] = self._frame["head"].to_numpy()
        closed[index] = self._frame["closed"].to_numpy()
        return head, closed

    def _settled(self, end: int) -> int:
        """Return the last place at or before `end` that parts neither a record nor a split line."""
        wrapped = self._wrapped
        if wrapped is None:
            return end
        end = min(end, wrapped.open_from)
        last, first = np.array(wrapped.last), np.array(wrapped.first)
        while 0 < end < len(last):
            tail = self._owner[end:]
            owner = int(tail[tail >= 0].min(initial=end))
            crossing = np.flatnonzero(last[:end] > first[end])
            earlier = min(owner, int(crossing[0]) if len(crossing) else end)
            if earlier >= end:
                break
            end = earlier
        return end

    def _keep_together(self, rows: list[int], closed: Bools, joining: multiline.MultilineParams) -> None:
        """Give lines that a shipper sent as one record one owner, up to the limits of a record.

        Nothing joins a JSON object, whatever is said of it: it may have been handed on before.
        """
        owner = self._owner.tolist()
        moved: dict[int, int] = {}
        sizes: dict[int, list[int]] = {}
        for i in rows:
            start = owner[i - 1] if i else -1
            if start < 0 or closed[i - 1]:
                continue
            start = moved.get(start, start)  # its owner may have been given away itself
            size = sizes.setdefault(
                start, [i - start, sum(len(str(self._series.item(k))) + 1 for k in range(start, i))]
            )
            length = len(str(self._series.item(i))) + 1
            if size[0] >= joining.max_lines or size[1] + length > joining.max_bytes:
                continue
            size[0], size[1] = size[0] + 1, size[1] + length
            moved[i], owner[i] = start, start
        self._owner = np.array(
            [moved.get(at, at) if at >= 0 else moved.get(i, -1) for i, at in enumerate(owner)], np.int64
        )

    def _first_physical(self, n: int) -> int:
        """Return the number of physical lines that are done with."""
        if self._wrapped is None:
            return self._end
        return self._wrapped.first[self._end] if self._end < len(self._series) else n

    def emit(self, counts: IntakeCounts, newest_us: int) -> tuple[pl.DataFrame, int]:
        """Return the record frame of the lines that are done with, and count them; and the newest time so far."""
        end = self._end
        if not end:
            return empty_frame(), newest_us
        owner = self._owner[:end]
        weights = np.ones(end, np.int64)
        numbers = np.arange(end, dtype=np.int64)
        if self._wrapped is not None:
            weights, numbers = np.array(self._wrapped.count[:end]), np.array(self._wrapped.first[:end])
        starts = np.flatnonzero(owner == np.arange(end))
        starts = starts[~(self._blank[starts] | self._binary[starts])]
        owned = owner >= 0
        n_lines = np.bincount(owner[owned], weights[owned], minlength=end).astype(np.int64)[starts]
        frame = self._frame
        if len(starts) != frame.height:
            index = frame["index"].to_numpy()
            if np.array_equal(index[: len(starts)], starts):  # all that is left out is the open record
                frame = frame[: len(starts)]
            else:
                frame = frame.filter(pl.Series(np.isin(index, starts)))
        if self._tz != "UTC":
            times, newest_us = unfolded(frame["ts_us"], frame["zone_min"], self._tz, newest_us)
            frame = frame.with_columns(times)
        joined = JoinedLines(frame, numbers[starts] + counts.lines + 1, n_lines, self._raw(starts, n_lines, owner))
        blanks = int(weights[self._blank[:end] & ~owned].sum())
        rejects = int(weights[self._binary[:end]].sum())
        return to_records(joined, LineCounts(int(weights.sum()), blanks, rejects), counts), newest_us

    def _raw(self, starts: Ints, n_lines: Ints, owner: Ints) -> pl.Series:
        """Return the whole text of each record."""
        whole = len(starts) == len(self._series)
        raw = (self._series if whole else self._series[starts]).alias("raw")
        many = starts[n_lines > 1]
        if not len(many):
            return raw
        parts: dict[int, list[str]] = {start: [] for start in many.tolist()}
        rows = np.flatnonzero(np.isin(owner, many))
        for start, text in zip(owner[rows].tolist(), self._series[rows].to_list(), strict=True):
            parts[start].append(text)
        places = np.searchsorted(starts, many)
        return raw.scatter(places, ["\n".join(parts[start]) for start in many.tolist()])


def _in_order(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """Return line frames as one, in the order of their lines."""
    frame = pl.concat(frames, rechunk=True)
    index = frame["index"].to_numpy()
    return frame if (index[1:] > index[:-1]).all() else frame.sort("index")


def _unnested(frames: list[pl.DataFrame], tz: str) -> list[pl.DataFrame]:
    """Replace lines whose message is a JSON object, or logfmt, by what it says, under the line's own header."""
    out = []
    for frame in frames:
        body = frame["body"]
        if not _may_nest(body):
            out.append(frame)
            continue
        json_rows = np.flatnonzero((body.str.starts_with("{") & body.str.ends_with("}")).to_numpy())
        pair_rows = np.flatnonzero((body.str.contains(_PAIRS_WITH_LEVEL) & (frame["format"] != "logfmt")).to_numpy())
        if not len(json_rows) and not len(pair_rows):
            out.append(frame)
            continue
        inner: list[pl.DataFrame] = []
        bad = json_rows
        if len(json_rows):
            nested = body[json_rows]
            inner, bad = parse_json(TextLines.of(nested), json_rows, tz)
        if len(pair_rows):
            inner.append(logfmt_frame(body[pair_rows], pair_rows, tz))
        rest = np.ones(frame.height, np.bool_)
        rest[pair_rows] = False
        rest[np.setdiff1d(json_rows, bad)] = False
        out.append(frame.filter(pl.Series(rest)))
        out.extend(_under_header(part, frame[part["index"].to_numpy()]) for part in inner)
    return [frame for frame in out if frame.height]


def _may_nest(body: pl.Series) -> bool:
    """Whether any message may be an object or pairs of its own."""
    if len(body) <= FEW:
        texts = [text for text in body.to_list() if text]
        if not any(text[0] == "{" or "l=" in text or "severity=" in text for text in texts):
            return False
    return bool(body.str.contains(_MAY_NEST).any())


def _under_header(inner: pl.DataFrame, outer: pl.DataFrame) -> pl.DataFrame:
    """Fill what a nested record does not tell from the line that it stands in."""
    filled = [pl.col(n).fill_null(outer[n]) for n in ("ts_us", "zone_min", "service")]
    severity = pl.when(pl.col("severity") == 0).then(outer["severity"]).otherwise(pl.col("severity"))
    return inner.with_columns(*filled, severity.alias("severity"), outer["index"], outer["head"])
