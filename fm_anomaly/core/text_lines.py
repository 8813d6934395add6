"""Parses the text lines of a batch: finds each line's timestamp and header, and what stands in it.

Which format a line has depends on the line alone: a fixed cascade, each step on the lines that no step
before has taken. The patterns stand in `core.formats`. This module knows nothing of JSON or sources.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import polars as pl

from fm_anomaly.core import access, formats, severities, timestamps
from fm_anomaly.core.console_lines import console_frame, logfmt_frame
from fm_anomaly.core.line_fields import MAX_BODY, line_frame, time_columns
from fm_anomaly.core.timestamps import NO_ZONE, Bools, Bytes, Ints, Stamps

_HEADER_CHARS = 256
"""Characters after the timestamp in which a header must end."""
_TOKEN_BYTES = 64
"""Longest first token that may stand before a timestamp."""
_ERROR = severities.WORDS["error"]
_SPACE, _OPEN, _LESS, _QUOTE, _BRACE = 32, 91, 60, 34, 123


@dataclass(frozen=True, slots=True)
class Clock:
    """What is needed to read times that do not say all."""

    tz: str
    reference_us: int
    """Yearless dates stand in the year that brings them closest to it, at most a day after it."""


@dataclass(frozen=True, slots=True)
class TextLines:
    """Lines as a column, as a list and as bytes. None of them holds a line end."""

    texts: list[str]
    series: pl.Series
    buffer: Bytes
    """UTF-8, each line followed by one byte 10, then `TextLines.PADDING` zero bytes."""
    starts: Ints
    ends: Ints

    PADDING: ClassVar[int] = timestamps.PAD + _TOKEN_BYTES

    @classmethod
    def of(cls, texts: list[str], series: pl.Series, joined: bytes | None = None) -> Self:
        """Build from texts and the same as a column; `joined` spares the encoding where it is at hand."""
        text = "\n".join(texts).encode() if joined is None else joined
        buffer = np.frombuffer(b"".join((text, b"\n", bytes(cls.PADDING))), dtype=np.uint8)
        ends = np.cumsum(series.str.len_bytes().to_numpy().astype(np.int64) + 1) - 1
        starts = np.empty_like(ends)
        starts[0], starts[1:] = 0, ends[:-1] + 1
        return cls(texts, series, buffer, starts, ends)

    def some(self, rows: Ints) -> TextLines:
        """Return the lines at `rows` (all of them: itself)."""
        if len(rows) == len(self.texts):
            return self
        series = self.series.gather(rows)
        return TextLines.of(series.to_list(), series)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Text lines, their places among the lines of the call, and the clock."""

    series: pl.Series
    index: Ints
    buffer: Bytes
    starts: Ints
    ends: Ints
    clock: Clock

    def rows(self, rows: Ints) -> pl.Series:
        return self.series if len(rows) == len(self.series) else self.series.gather(rows)


def parse_text(lines: TextLines, index: Ints, clock: Clock) -> list[pl.DataFrame]:
    """Return line frames that together cover all of `lines`, whose places in the batch are `index`."""
    batch = _Batch(lines.series, index, lines.buffer, lines.starts, lines.ends, clock)
    stamps, after, marks = _stamps(batch)
    frames: list[pl.DataFrame] = []
    stamped = np.flatnonzero(stamps.matched)
    if len(stamped):
        frames.extend(_stamped(batch, _take(stamps, stamped), stamped, after[stamped], marks[stamped]))
    left = np.flatnonzero(~stamps.matched) if len(stamped) < len(index) else stamped[:0]
    for step in (_access, _syslog_5424, _logfmt, _level_first):
        if not len(left):
            return frames
        taken, frame = step(batch, left)
        if frame is not None:
            frames.append(frame)
            left = left[~taken]
    if len(left):
        frames.append(_bare(batch, left))
    return frames


def _take(stamps: Stamps, rows: Ints) -> Stamps:
    if len(rows) == len(stamps.us):
        return stamps
    return Stamps(
        *(getattr(stamps, name)[rows] for name in ("us", "matched", "valid", "end", "offset_min", "yearless"))
    )


def _put(into: Stamps, rows: Ints, found: Stamps, hits: Ints) -> None:
    for name in ("us", "matched", "valid", "end", "offset_min", "yearless"):
        getattr(into, name)[rows[hits]] = getattr(found, name)[hits]


# What stands before a timestamp: nothing, "[", a priority, a glog letter, or a token (see `_after_token`).
_AT_START, _IN_BRACKET, _PRIORITY, _LETTER, _TOKEN = range(5)


def _stamps(batch: _Batch) -> tuple[Stamps, Ints, Ints]:
    """Find the timestamp of each line; returns stamps, where they begin, and what stands before them."""
    first = batch.buffer[batch.starts]
    marks = np.zeros(len(first), np.int64)
    positions = batch.starts.copy()
    bracket = first == _OPEN
    positions[bracket] += 1
    marks[bracket] = _IN_BRACKET
    _skip_priority(batch, first, positions, marks)
    _skip_letter(batch, first, positions, marks)
    stamps = timestamps.scan(batch.buffer, positions)
    left = np.flatnonzero(~stamps.matched & ~np.isin(first, (_BRACE, _SPACE, _LESS, 9)))
    if len(left):
        _after_token(batch, left, stamps, positions, marks)
    rows = np.flatnonzero(stamps.matched & (stamps.end > batch.ends))
    stamps.matched[rows] = False
    return stamps, positions, marks


def _skip_priority(batch: _Batch, first: Bytes, positions: Ints, marks: Ints) -> None:
    rows = np.flatnonzero(first == _LESS)
    if not len(rows):
        return
    head = np.lib.stride_tricks.sliding_window_view(batch.buffer, 5)[batch.starts[rows]]
    for at in (2, 3, 4):
        fits = (head[:, at] == 62) & ((head[:, 1:at] - np.uint8(48)) < 10).all(axis=1)
        positions[rows[fits]] += at + 1
        marks[rows[fits]] = _PRIORITY


def _skip_letter(batch: _Batch, first: Bytes, positions: Ints, marks: Ints) -> None:
    rows = np.flatnonzero((first == 73) | (first == 87) | (first == 69) | (first == 70))
    if not len(rows):
        return
    head = np.lib.stride_tricks.sliding_window_view(batch.buffer, 6)[batch.starts[rows]]
    fits = ((head[:, 1:5] - np.uint8(48)) < 10).all(axis=1) & (head[:, 5] == _SPACE)
    positions[rows[fits]] += 1
    marks[rows[fits]] = _LETTER


def _after_token(batch: _Batch, left: Ints, stamps: Stamps, positions: Ints, marks: Ints) -> None:
    """Look for a timestamp after the first token: a file or host name, a level, a label."""
    window = np.lib.stride_tricks.sliding_window_view(batch.buffer, _TOKEN_BYTES)[batch.starts[left]]
    space = (window == _SPACE).argmax(axis=1)
    has = (space > 0) & ~((window >= 128).any(axis=1))
    left, space = left[has], space[has]
    at = batch.starts[left] + space + 1
    for skipped in (_SPACE, _SPACE, _SPACE, _SPACE, _OPEN):
        at += batch.buffer[at] == skipped
    good = at < batch.ends[left]
    left, at = left[good], at[good]
    if not len(left):
        return
    found = timestamps.scan(batch.buffer, at)
    epoch = found.matched & ((found.end - at) < 15) & (found.offset_min == 0) & ~_is_letter(batch, at)
    hits = np.flatnonzero(found.matched & found.valid & ~epoch)
    _put(stamps, left, found, hits)
    positions[left[hits]], marks[left[hits]] = at[hits], _TOKEN
    rows = np.flatnonzero(epoch)
    if len(rows):
        _label_epoch(batch, left[rows], at[rows], found.us[rows], (stamps, positions, marks))


def _is_letter(batch: _Batch, at: Ints) -> Bools:
    return batch.buffer[at] >= 65


def _label_epoch(batch: _Batch, rows: Ints, at: Ints, us: Ints, out: tuple[Stamps, Ints, Ints]) -> None:
    """Take `label epoch date host stamp` (cluster syslog): time of the epoch, header from the last stamp on."""
    stamps, positions, marks = out
    text = batch.series.gather(rows).str.extract(r"^([^ ]+ [0-9]{10} [0-9]{4}\.[0-9]{2}\.[0-9]{2} [^ ]+ )")
    length = text.str.len_bytes().fill_null(0).to_numpy().astype(np.int64)
    fits = np.flatnonzero(length > 0)
    found = timestamps.scan(batch.buffer, batch.starts[rows[fits]] + length[fits])
    hits = np.flatnonzero(found.matched)
    chosen = rows[fits[hits]]
    stamps.us[chosen], stamps.end[chosen] = us[fits[hits]], found.end[hits]
    stamps.matched[chosen] = stamps.valid[chosen] = True
    stamps.offset_min[chosen], stamps.yearless[chosen] = 0, found.yearless[hits]
    positions[chosen], marks[chosen] = at[fits[hits]], _TOKEN
    # the yearless stamp tells only that syslog's header follows: the time is the epoch's
    stamps.yearless[chosen] = False
    marks[chosen] = np.where(found.yearless[hits], _PRIORITY, _TOKEN)


def _utc(batch: _Batch, stamps: Stamps) -> dict[str, pl.Series]:
    """Return the time columns of stamps."""
    us, valid = stamps.us, stamps.valid
    if stamps.yearless.any():
        us = us.copy()
        rows = stamps.yearless & valid
        local_reference = batch.clock.reference_us
        us[rows] = timestamps.place_yearless(us[rows], local_reference)
        valid = valid & (us != np.iinfo(np.int64).min)
        us[~valid] = 0
        stamps = Stamps(us, stamps.matched, valid, stamps.end, stamps.offset_min, stamps.yearless)
    dated = stamps.valid | (stamps.us >= timestamps.DAY_US) | stamps.yearless
    return time_columns(timestamps.to_utc(stamps, batch.clock.tz), valid, dated, stamps.offset_min)


def _stamped(batch: _Batch, stamps: Stamps, rows: Ints, positions: Ints, marks: Ints) -> list[pl.DataFrame]:
    """Return line frames of lines with a timestamp: read their headers step by step."""
    texts = batch.rows(rows)
    offsets = stamps.end - batch.starts[rows]
    rest = pl.select(pl.lit(texts).str.slice(pl.Series(offsets), _HEADER_CHARS)).to_series()
    times = pl.DataFrame(_utc(batch, stamps))
    out = _Found(len(rows))
    kinds = _kinds(stamps, marks, batch.buffer[batch.starts[rows]], positions, batch)
    frames: list[pl.DataFrame] = []
    consoles = _console_rows(rest)
    if len(consoles):
        frame = console_frame(
            texts.gather(consoles), offsets[consoles], batch.index[rows[consoles]], times[consoles], batch.clock.tz
        )
        frames.append(frame)
        out.taken[consoles] = True
    keep = np.flatnonzero(~out.taken)
    if len(keep):
        _header_steps(rest, kinds, out)
        lead = batch.buffer[batch.starts[rows]]
        frames.append(_plain_frame(batch, texts, rows, offsets, times, out, keep, (marks, positions, lead)))
    return frames


class _Found:
    """Per line: header length, severity, service, format; filled by the steps of the cascade."""

    def __init__(self, n: int) -> None:
        self.taken = np.zeros(n, np.bool_)
        self.length = np.zeros(n, np.int64)
        self.severity = np.zeros(n, np.int64)
        self.codes = np.zeros(n, np.int64)
        self.labels: list[tuple[str | None, str]] = [(None, "plain")]
        """Service and format of each code."""
        self._code_by_label = {self.labels[0]: 0}

    def code(self, service: str | None, name: str) -> int:
        label = (service, name)
        found = self._code_by_label.setdefault(label, len(self.labels))
        if found == len(self.labels):
            self.labels.append(label)
        return found

    def label(self, column: int, rows: Ints) -> pl.Series:
        """Return service (0) or format (1) of the lines at `rows`."""
        values = pl.Series([label[column] for label in self.labels], dtype=pl.String)
        return values.gather(self.codes[rows])


_ANY, _YEARLESS, _KLOG, _REDIS = range(4)


def _kinds(stamps: Stamps, marks: Ints, lead: Bytes, positions: Ints, batch: _Batch) -> Ints:
    """Tell which lines have a header of their own kind: syslog, glog, redis."""
    kinds = np.full(len(marks), _ANY, np.int64)
    kinds[(stamps.yearless & (lead >= 65)) | (marks == _PRIORITY)] = _YEARLESS
    kinds[marks == _LETTER] = _KLOG
    role = batch.buffer[positions - 2]
    kinds[(marks == _TOKEN) & (batch.buffer[positions - 3] == 58) & (role >= 65) & (role <= 90)] = _REDIS
    return kinds


def _console_rows(rest: pl.Series) -> Ints:
    return np.flatnonzero(rest.str.contains(formats.PADDED_LEVEL).to_numpy())


def _header_steps(rest: pl.Series, kinds: Ints, out: _Found) -> None:
    """Run the cascade of header patterns, each over the lines that are left and that it is meant for."""
    mixed = bool((kinds != kinds[0]).any())
    for pattern, wanted, read in _STEPS:
        if not mixed and kinds[0] not in wanted:
            continue
        left = ~out.taken & np.isin(kinds, wanted) if mixed else ~out.taken
        rows = np.flatnonzero(left)
        if not len(rows):
            continue
        some = rest if len(rows) == len(rest) else rest.gather(rows)
        lengths = (some.str.len_chars() - some.str.replace(pattern, "").str.len_chars()).to_numpy().astype(np.int64)
        if pattern is not formats.NO_LEVEL:
            hit = lengths > 0
            if not hit.any():
                continue
            if not hit.all():
                rows, lengths = rows[hit], lengths[hit]
                some = some.filter(pl.Series(hit))
        headers = pl.select(pl.lit(some).str.slice(0, pl.Series(lengths))).to_series().to_list()
        _read_headers(headers, rows, read, out)


def _read_headers(headers: list[str], rows: Ints, read: Callable[[str], formats.Header], out: _Found) -> None:
    """Read each distinct header once."""
    distinct = {header: i for i, header in enumerate(dict.fromkeys(headers))}
    found = [read(header) for header in distinct]
    which = np.fromiter(map(distinct.__getitem__, headers), np.int64, len(headers))
    out.taken[rows] = True
    out.length[rows] = np.array([f.length for f in found], dtype=np.int64)[which]
    out.severity[rows] = np.array([f.severity for f in found], dtype=np.int64)[which]
    out.codes[rows] = np.array([out.code(f.service, f.format) for f in found], dtype=np.int64)[which]


def _redis_header(header: str) -> formats.Header:
    return formats.Header(formats.REDIS_SEVERITY[header.strip()], None, len(header), "redis")


def _klog_header(header: str) -> formats.Header:
    return formats.Header(0, None, len(header), "klog")


def _logcat_header(header: str) -> formats.Header:
    return formats.Header(formats.letter_severity(header), None, len(header), "logcat")


def _syslog_header(header: str) -> formats.Header:
    return formats.Header(0, formats.tag_of(header), len(header), "syslog")


_STEPS: tuple[tuple[str, tuple[int, ...], Callable[[str], formats.Header]], ...] = (
    (formats.REDIS, (_REDIS,), _redis_header),
    (formats.KLOG, (_KLOG,), _klog_header),
    (formats.SYSLOG, (_YEARLESS,), _syslog_header),
    (formats.SYSLOG_WIDE, (_YEARLESS,), _syslog_header),
    (formats.LEVEL_FIRST, (_ANY, _REDIS), formats.header_fields),
    (formats.LETTER_LEVEL, (_ANY,), _logcat_header),
    (formats.LEVEL_LATER, (_ANY, _YEARLESS), formats.header_fields),
    (formats.SYSLOG_PID, (_ANY,), _syslog_header),
    (formats.SYSLOG_HOST, (_YEARLESS,), _syslog_header),
    (formats.NO_LEVEL, (_ANY, _YEARLESS, _KLOG, _REDIS), formats.header_fields),
)
"""Pattern, the kinds of lines that it is for, and how its header is read; in order."""


def _plain_frame(
    batch: _Batch,
    texts: pl.Series,
    rows: Ints,
    offsets: Ints,
    times: pl.DataFrame,
    out: _Found,
    keep: Ints,
    before: tuple[Ints, Ints, Bytes],
) -> pl.DataFrame:
    """Build the line frame of headers that the cascade has read."""
    severity = out.severity
    _severity_before(batch, rows, before, out)
    cut = offsets + out.length
    services, names = out.label(0, keep), out.label(1, keep)
    if len(keep) < len(rows):
        texts, times, rows = texts.gather(keep), times[keep], rows[keep]
        cut, severity = cut[keep], severity[keep]
    body = body_of(texts, cut)
    columns: dict[str, object] = {"service": services, "format": names, "body": body}
    _word_severity(body, severity)
    columns.update(request_columns(body, severity))
    columns["severity"] = pl.Series(severity, dtype=pl.UInt8)
    for name in ("ts_us", "zone_min", "bad_time"):
        columns[name] = times[name]
    return line_frame(batch.index[rows], columns)


def body_of(texts: pl.Series, cut: Ints) -> pl.Series:
    """Return each text from its character `cut` on, without outer blanks; the whole text where none is left."""
    body = pl.select(pl.lit(texts).str.slice(pl.Series(cut), MAX_BODY).str.strip_chars()).to_series()
    empty = body.str.len_bytes() == 0
    if empty.any():
        body = pl.select(
            pl.when(pl.lit(empty)).then(pl.lit(texts).str.slice(0, MAX_BODY)).otherwise(pl.lit(body))
        ).to_series()
    return body


def _severity_before(batch: _Batch, rows: Ints, before: tuple[Ints, Ints, Bytes], out: _Found) -> None:
    """Fill severity and service from what stands before the timestamp: priority, letter, level, [service]."""
    marks, positions, lead = before
    severity = out.severity
    if not marks.any():
        return
    for row in np.flatnonzero((marks == _PRIORITY) & (lead == _LESS) & (severity == 0)).tolist():
        text = batch.buffer[batch.starts[rows[row]] + 1 : positions[row] - 1].tobytes()
        severity[row] = severities.from_syslog(int(text))
    for byte, number in formats.KLOG_SEVERITY.items():
        severity[(marks == _LETTER) & (lead == byte)] = number
    for row in np.flatnonzero((marks == _TOKEN) & ((severity == 0) | (lead == _OPEN))).tolist():
        token = batch.buffer[batch.starts[rows[row]] : positions[row]].tobytes().decode("ascii", "replace")
        word = token.strip(" []:,|-<>")
        severity[row] = severity[row] or severities.from_word(word)
        service, name = out.labels[out.codes[row]]
        if token.startswith("[") and service is None and formats.is_service(word):
            out.codes[row] = out.code(word, name)


def _word_severity(body: pl.Series, severity: Ints) -> None:
    """Fill severities that no header tells from a level word in front of the message."""
    rows = np.flatnonzero(severity == 0)
    if len(rows):
        some = body if len(rows) == len(body) else body.gather(rows)
        has = some.str.contains(formats.WORD_AT_START)
        if has.any():
            severity[rows[has.to_numpy()]] = [formats.word_severity(t) for t in some.filter(has).to_list()]


def request_columns(body: pl.Series, severity: Ints) -> dict[str, object]:
    """Return operation and status of messages that quote a request line; 5xx raises `severity` in place."""
    rows = np.flatnonzero(body.str.contains(" HTTP/", literal=True).to_numpy())
    if not len(rows):
        return {}
    rows = rows[body.gather(rows).str.contains(formats.REQUEST).to_numpy()]
    if not len(rows):
        return {}
    found = body.gather(rows).str.extract_groups(formats.REQUEST).struct.unnest()
    operation: list[str | None] = [None] * len(body)
    status: list[int | None] = [None] * len(body)
    for row, (method, path, code) in zip(rows.tolist(), found.iter_rows(), strict=True):
        operation[row], status[row] = access.operation(method, path), int(code)
        if int(code) >= 500:
            severity[row] = max(int(severity[row]), _ERROR)
    return {"operation": operation, "status": status}


def _access(batch: _Batch, left: Ints) -> tuple[Bools, pl.DataFrame | None]:
    """Take lines of the common and combined log formats."""
    texts = batch.rows(left)
    taken = texts.str.contains(formats.ACCESS).to_numpy()
    if not taken.any():
        return taken, None
    texts = texts.filter(pl.Series(taken))
    found = texts.str.extract_groups(formats.ACCESS).struct.unnest()
    us, valid, zones = timestamps.from_values(found.to_series(1).to_list(), batch.clock.tz)
    status = found.to_series(4).cast(pl.Int16).to_numpy()
    routes = zip(found.to_series(2).to_list(), found.to_series(3).to_list(), strict=True)
    columns = {
        **time_columns(us, valid, np.ones(len(us), np.bool_), zones),
        "operation": [access.operation(method, path) for method, path in routes],
        "status": status,
        "severity": pl.Series(np.where(status >= 500, _ERROR, severities.WORDS["info"]), dtype=pl.UInt8),
        "body": texts.str.extract(r"(\"[A-Z]{3,10} .*)$").str.slice(0, MAX_BODY),
        "format": "access",
    }
    return taken, line_frame(batch.index[left[taken]], columns)


def _syslog_5424(batch: _Batch, left: Ints) -> tuple[Bools, pl.DataFrame | None]:
    """Take lines of RFC 5424."""
    texts = batch.rows(left)
    taken = texts.str.contains(formats.SYSLOG_5424).to_numpy()
    if not taken.any():
        return taken, None
    found = texts.filter(pl.Series(taken)).str.extract_groups(formats.SYSLOG_5424).struct.unnest()
    stamps = found.to_series(1).to_list()
    us, valid, zones = timestamps.from_values(stamps, batch.clock.tz)
    body = found.to_series(4).str.strip_prefix("\ufeff").str.slice(0, MAX_BODY)
    severity = np.array([severities.from_syslog(int(p)) for p in found.to_series(0).to_list()], dtype=np.int64)
    columns: dict[str, object] = {
        **time_columns(us, valid, np.array([s != "-" for s in stamps]), zones),
        "service": [name if name != "-" else None for name in found.to_series(2).to_list()],
        "body": body,
        "format": "syslog5424",
    }
    columns.update(request_columns(body, severity))
    columns["severity"] = pl.Series(severity, dtype=pl.UInt8)
    return taken, line_frame(batch.index[left[taken]], columns)


def _logfmt(batch: _Batch, left: Ints) -> tuple[Bools, pl.DataFrame | None]:
    """Take lines that are key=value pairs from their start."""
    texts = batch.rows(left)
    taken = texts.str.contains(formats.LOGFMT).to_numpy()
    if not taken.any():
        return taken, None
    return taken, logfmt_frame(texts.filter(pl.Series(taken)), batch.index[left[taken]], batch.clock.tz)


def _level_first(batch: _Batch, left: Ints) -> tuple[Bools, pl.DataFrame | None]:
    """Take lines that begin with a level and have no timestamp."""
    texts = batch.rows(left)
    heads = texts.str.slice(0, _HEADER_CHARS)
    lower = heads.str.contains(formats.DOTNET)
    bodies = pl.select(
        pl.when(pl.lit(lower))
        .then(pl.lit(heads).str.replace(formats.DOTNET_PREFIX, ""))
        .otherwise(pl.lit(heads).str.replace(formats.BARE_LEVEL, ""))
    ).to_series()
    lengths = heads.str.len_chars() - bodies.str.len_chars()
    taken = (lengths > 0).to_numpy()
    if not taken.any():
        return taken, None
    texts = texts.filter(pl.Series(taken))
    headers = [h[:n] for h, n in zip(heads.to_list(), lengths.to_list(), strict=True) if n > 0]
    fields = [formats.header_fields(h) for h in headers]
    severity = np.array([f.severity for f in fields], dtype=np.int64)
    body = body_of(texts, np.array([f.length for f in fields], dtype=np.int64))
    columns: dict[str, object] = {
        "service": [f.service for f in fields],
        "body": body,
        "format": [_bare_name(h) for h in headers],
    }
    columns.update(request_columns(body, severity))
    columns["severity"] = pl.Series(severity, dtype=pl.UInt8)
    return taken, line_frame(batch.index[left[taken]], columns)


def _bare_name(header: str) -> str:
    if header[:1].islower():
        return "dotnet"
    return "uvicorn" if ":   " in header or header.endswith(":  ") else "python" if header.count(":") > 1 else "level"


def _bare(batch: _Batch, left: Ints) -> pl.DataFrame:
    """Take what no format has: bare text, maybe with a level word in front."""
    texts = batch.rows(left)
    body = body_of(texts, np.zeros(len(left), np.int64))
    severity = np.zeros(len(left), np.int64)
    _word_severity(body, severity)
    columns: dict[str, object] = {"head": False, "body": body, "format": "text"}
    columns["severity"] = pl.Series(severity, dtype=pl.UInt8)
    return line_frame(batch.index[left], columns)


__all__ = ["NO_ZONE", "Clock", "TextLines", "body_of", "parse_text", "request_columns"]
