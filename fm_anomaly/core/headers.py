"""Reads what stands between timestamp and message: level, service, and where the message begins.

A fixed cascade of the patterns of `core.formats`, each on the lines that no pattern before has taken.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from fm_anomaly.core import formats, severities
from fm_anomaly.core.calendar import Bools, Bytes, Ints
from fm_anomaly.core.console_lines import console_frame
from fm_anomaly.core.line_fields import line_frame
from fm_anomaly.core.messages import body_of, fill_severity, may_quote_requests, request_columns
from fm_anomaly.core.text_batch import FEW, TextBatch, cut
from fm_anomaly.core.text_stamps import LETTER, PRIORITY, TOKEN, utc_columns
from fm_anomaly.core.timestamps import Stamps

_HEADER_CHARS = 256
"""Characters after the timestamp in which a header must end."""
_SPACE, _OPEN, _CLOSE, _LESS = 32, 91, 93, 60


def stamped_frames(batch: TextBatch, stamps: Stamps, rows: Ints, positions: Ints, marks: Ints) -> list[pl.DataFrame]:
    """Return line frames of lines with a timestamp: read their headers step by step."""
    texts = batch.rows(rows)
    offsets = stamps.end - batch.starts[rows]
    rest = cut(texts, offsets, _HEADER_CHARS)
    times = pl.DataFrame(utc_columns(batch, stamps))
    out = _Found(len(rows))
    kinds = _kinds(stamps, marks, batch.buffer[batch.starts[rows]], positions, batch)
    frames: list[pl.DataFrame] = []
    consoles = _console_rows(batch.buffer, stamps.end, rest)
    if len(consoles):
        frame = console_frame(
            texts[consoles], offsets[consoles], batch.index[rows[consoles]], times[consoles], batch.clock.tz
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
        return values[self.codes[rows]]


_ANY, _YEARLESS, _KLOG, _REDIS = range(4)


def _kinds(stamps: Stamps, marks: Ints, lead: Bytes, positions: Ints, batch: TextBatch) -> Ints:
    """Tell which lines have a header of their own kind: syslog, glog, redis."""
    kinds = np.full(len(marks), _ANY, np.int64)
    if not (marks.any() or stamps.yearless.any()):
        return kinds
    kinds[(stamps.yearless & (lead >= 65)) | (marks == PRIORITY)] = _YEARLESS
    kinds[marks == LETTER] = _KLOG
    role = batch.buffer[positions - 2]
    kinds[(marks == TOKEN) & (batch.buffer[positions - 3] == 58) & (role >= 65) & (role <= 90)] = _REDIS
    return kinds


def _console_rows(buffer: Bytes, ends: Ints, rest: pl.Series) -> Ints:
    rows = np.flatnonzero((buffer[ends] == _SPACE) & (buffer[ends + 1] == _OPEN) & (buffer[ends + 11] == _CLOSE))
    if not len(rows):
        return rows
    some = rest[rows]
    hit: Bools
    if len(rows) <= FEW:
        hit = np.array([text.startswith(formats.PADDED_LEVELS) for text in some.to_list()])
    else:
        hit = some.str.contains(_PADDED_LEVEL).to_numpy()
    return rows[hit]


_PADDED_LEVEL = "^(?:" + "|".join(level.replace("[", r"\[") for level in formats.PADDED_LEVELS) + ")"


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
        found = (rest if len(rows) == len(rest) else rest[rows]).str.extract(pattern, 0)
        n_missed = found.null_count()
        if n_missed == len(rows):
            continue
        if n_missed:
            rows, found = rows[found.is_not_null().to_numpy()], found.drop_nulls()
        _read_headers(found, rows, read, out)


def _read_headers(headers: pl.Series, rows: Ints, read: Callable[[str], formats.Header], out: _Found) -> None:
    """Read each distinct header once."""
    if len(headers) <= FEW:
        texts = headers.to_list()
        place = {header: i for i, header in enumerate(dict.fromkeys(texts))}
        distinct, which = list(place), np.array([place[header] for header in texts], dtype=np.int64)
    else:
        kinds = headers.unique(maintain_order=True)
        places = pl.Series(np.arange(len(kinds), dtype=np.int64))
        distinct, which = kinds.to_list(), headers.replace_strict(kinds, places, return_dtype=pl.Int64).to_numpy()
    found = [read(header) for header in distinct]
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
    batch: TextBatch,
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
    begins = offsets + out.length
    services, names = out.label(0, keep), out.label(1, keep)
    if len(keep) < len(rows):
        texts, times, rows = texts[keep], times[keep], rows[keep]
        begins, severity = begins[keep], severity[keep]
    body = body_of(texts, begins)
    columns: dict[str, object] = {"service": services, "format": names, "body": body}
    fill_severity(body, severity)
    if len(body) <= FEW or may_quote_requests(batch.buffer):
        columns.update(request_columns(body, severity))
    columns["severity"] = pl.Series(severity, dtype=pl.UInt8)
    for name in ("ts_us", "zone_min", "bad_time"):
        columns[name] = times[name]
    return line_frame(batch.index[rows], columns)


def _severity_before(batch: TextBatch, rows: Ints, before: tuple[Ints, Ints, Bytes], out: _Found) -> None:
    """Fill severity and service from what stands before the timestamp: priority, letter, level, [service]."""
    marks, positions, lead = before
    severity = out.severity
    if not marks.any():
        return
    for row in np.flatnonzero((marks == PRIORITY) & (lead == _LESS) & (severity == 0)).tolist():
        text = batch.buffer[batch.starts[rows[row]] + 1 : positions[row] - 1].tobytes()
        severity[row] = severities.from_syslog(int(text))
    for byte, number in formats.KLOG_SEVERITY.items():
        severity[(marks == LETTER) & (lead == byte)] = number
    for row in np.flatnonzero((marks == TOKEN) & ((severity == 0) | (lead == _OPEN))).tolist():
        token = batch.buffer[batch.starts[rows[row]] : positions[row]].tobytes().decode("ascii", "replace")
        word = token.strip(" []:,|-<>")
        severity[row] = severity[row] or severities.from_word(word)
        service, name = out.labels[out.codes[row]]
        if token.startswith("[") and service is None and formats.is_service(word):
            out.codes[row] = out.code(word, name)
