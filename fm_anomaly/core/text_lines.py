"""Parses the text lines of a batch, whatever their format.

Which format a line has depends on the line alone: a fixed cascade, each step on the lines that no step
before has taken. The patterns stand in `core.formats`. This module knows nothing of JSON or sources.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from fm_anomaly.core import access, formats, severities, time_values
from fm_anomaly.core.calendar import Bools, Ints
from fm_anomaly.core.console_lines import logfmt_frame
from fm_anomaly.core.headers import stamped_frames
from fm_anomaly.core.line_fields import MAX_BODY, line_frame, time_columns
from fm_anomaly.core.messages import body_of, fill_severity, request_columns
from fm_anomaly.core.text_batch import Clock, TextBatch, TextLines
from fm_anomaly.core.text_stamps import find_stamps

_HEAD_CHARS = 256
_ERROR = severities.WORDS["error"]


def parse_text(lines: TextLines, index: Ints, clock: Clock) -> list[pl.DataFrame]:
    """Return line frames that together cover all of `lines`, whose places in the batch are `index`."""
    batch = TextBatch.of(lines, index, clock)
    stamps, after, marks = find_stamps(batch)
    frames: list[pl.DataFrame] = []
    stamped = np.flatnonzero(stamps.matched)
    if len(stamped):
        frames.extend(stamped_frames(batch, stamps.take(stamped), stamped, after[stamped], marks[stamped]))
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


def _access(batch: TextBatch, left: Ints) -> tuple[Bools, pl.DataFrame | None]:
    """Take lines of the common and combined log formats."""
    texts = batch.rows(left)
    taken = texts.str.contains(formats.ACCESS).to_numpy()
    if not taken.any():
        return taken, None
    texts = texts.filter(pl.Series(taken))
    found = texts.str.extract_groups(formats.ACCESS).struct.unnest()
    us, valid, zones = time_values.from_values(found.to_series(1).to_list(), batch.clock.tz)
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


def _syslog_5424(batch: TextBatch, left: Ints) -> tuple[Bools, pl.DataFrame | None]:
    """Take lines of RFC 5424."""
    texts = batch.rows(left)
    taken = texts.str.contains(formats.SYSLOG_5424).to_numpy()
    if not taken.any():
        return taken, None
    found = texts.filter(pl.Series(taken)).str.extract_groups(formats.SYSLOG_5424).struct.unnest()
    stamps = found.to_series(1).to_list()
    us, valid, zones = time_values.from_values(stamps, batch.clock.tz)
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


def _logfmt(batch: TextBatch, left: Ints) -> tuple[Bools, pl.DataFrame | None]:
    """Take lines that are key=value pairs from their start."""
    texts = batch.rows(left)
    taken = texts.str.contains(formats.LOGFMT).to_numpy()
    if not taken.any():
        return taken, None
    return taken, logfmt_frame(texts.filter(pl.Series(taken)), batch.index[left[taken]], batch.clock.tz)


def _level_first(batch: TextBatch, left: Ints) -> tuple[Bools, pl.DataFrame | None]:
    """Take lines that begin with a level and have no timestamp."""
    texts = batch.rows(left)
    heads = texts.str.slice(0, _HEAD_CHARS)
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


def _bare(batch: TextBatch, left: Ints) -> pl.DataFrame:
    """Take what no format has: bare text, maybe with a level word in front."""
    texts = batch.rows(left)
    body = body_of(texts, np.zeros(len(left), np.int64))
    severity = np.zeros(len(left), np.int64)
    fill_severity(body, severity)
    columns: dict[str, object] = {"head": False, "body": body, "format": "text"}
    columns["severity"] = pl.Series(severity, dtype=pl.UInt8)
    return line_frame(batch.index[left], columns)
