"""Makes records of line frames whose lines have been joined: tracebacks read, own records out, all counted.

Knows columns and counts; it must not know bytes, formats or how lines were joined. Everything is eager
and by column: a batch of a hundred lines costs what its calls cost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from fm_anomaly.core import exceptions, severities
from fm_anomaly.core.accounting import IntakeCounts, tally
from fm_anomaly.core.calendar import Bools, Ints
from fm_anomaly.core.frames import RECORD_SCHEMA, is_told
from fm_anomaly.core.line_fields import NO_ZONE

_ERROR = severities.WORDS["error"]
_FEW = 256
"""Rows that Python counts sooner than a call of Polars begins."""

Columns = dict[str, pl.Series]
_NULLS: Columns = {name: pl.Series(name, [None], dtype=dtype) for name, dtype in RECORD_SCHEMA.items()}


@dataclass(frozen=True, slots=True)
class JoinedLines:
    """The first lines of records, and what joining found out about each; all of one length."""

    frame: pl.DataFrame
    """Line frame of the records' first lines."""
    numbers: Ints
    """Number of the first line in its source, 1-based."""
    n_lines: Ints
    raw: pl.Series


@dataclass(frozen=True, slots=True)
class LineCounts:
    """How many lines a batch has in all, and how many of them are in no record."""

    lines: int
    blanks: int
    rejects: int


def to_records(joined: JoinedLines, lines: LineCounts, counts: IntakeCounts) -> pl.DataFrame:
    """Return the record frame of joined lines, fm_anomaly's own left out, and add the batch to `counts`."""
    columns: Columns = {name: joined.frame[name] for name in joined.frame.columns}
    columns["line"] = pl.Series(joined.numbers)
    columns["n_lines"] = pl.Series(joined.n_lines.astype(np.int32))
    columns["raw"] = joined.raw
    _take_second_lines(columns, joined.n_lines)
    is_traceback = _read_exceptions(columns, joined.n_lines)
    n_lines, own = joined.n_lines, columns["own"].to_numpy()
    _count(lines, n_lines, own, counts)
    if own.any():
        keep = pl.Series(~own)
        columns = {name: values.filter(keep) for name, values in columns.items()}
        n_lines, is_traceback = n_lines[~own], is_traceback[~own]
    counts.tracebacks += int(is_traceback.sum())
    _count_times(columns, counts)
    _count_formats(columns["format"], n_lines, counts)
    return _frame(columns, len(n_lines))


def _frame(columns: Columns, n: int) -> pl.DataFrame:
    series = []
    for name in RECORD_SCHEMA:
        values = columns.get(name)
        series.append(_NULLS[name].new_from_index(0, n) if values is None else values.alias(name))
    return pl.DataFrame(series)


def _take_second_lines(columns: Columns, n_lines: Ints) -> None:
    """Take the message of .NET console records from where it stands: the second line."""
    many = np.flatnonzero(n_lines > 1)
    if not len(many):
        return
    rows = many[(columns["format"][many] == "dotnet").to_numpy()]
    if len(rows):
        second = [text.split("\n", 2)[1].strip() for text in columns["raw"][rows].to_list()]
        columns["body"] = columns["body"].clone().scatter(rows, second)


def _read_exceptions(columns: Columns, n_lines: Ints) -> Bools:
    """Fill class, message and frame of records that hold a traceback; return which do."""
    is_traceback = np.zeros(len(n_lines), np.bool_)
    texts = columns["exception"]
    suspect = n_lines > 1
    suspect |= is_told(texts)
    bare = (columns["format"] == "text").to_numpy()
    if bare.any():
        suspect |= bare & exceptions.looks_like(columns["body"]).to_numpy()
    rows = np.flatnonzero(suspect)
    if not len(rows):
        return is_traceback
    some = zip(texts[rows].to_list(), columns["raw"][rows].to_list(), strict=True)
    found = exceptions.parse_many([text or raw for text, raw in some])
    hit = np.array([bool(f.type or f.frame) for f in found], dtype=np.bool_)
    if not hit.any():
        return is_traceback
    _fill_exceptions(columns, rows[hit], [f for f in found if f.type or f.frame])
    is_traceback[rows[hit]] = [f.frame is not None for f in found if f.type or f.frame]
    is_traceback |= suspect & (n_lines > 1) & is_told(columns["exc_type"])
    return is_traceback


def _fill_exceptions(columns: Columns, rows: Ints, fields: list[exceptions.ExceptionFields]) -> None:
    """Write what tracebacks say; what they leave open stays as the record's fields told it."""
    for name, values in (("exc_type", [f.type for f in fields]), ("exc_message", [f.message for f in fields])):
        stated = columns[name][rows].to_list()
        new = [value or old for value, old in zip(values, stated, strict=True)]
        columns[name] = columns[name].clone().scatter(rows, new)
    empty = pl.Series([None], dtype=pl.String).new_from_index(0, len(columns["exc_type"]))
    columns["exc_frame"] = empty.scatter(rows, [f.frame for f in fields])
    severity = columns["severity"]
    silent = rows[(severity[rows] == 0).to_numpy()]
    if len(silent):
        columns["severity"] = severity.clone().scatter(silent, _ERROR)


def _count(lines: LineCounts, n_lines: Ints, own: Bools, counts: IntakeCounts) -> None:
    n_own = int(n_lines[own].sum())
    n_records = len(n_lines) - int(own.sum())
    counts.lines += lines.lines
    counts.blanks += lines.blanks
    counts.rejects += lines.rejects
    counts.skipped_own += n_own
    counts.records += n_records
    counts.continuations += int(n_lines.sum()) - n_own - n_records
    if lines.rejects:
        tally(counts.rejects_by_reason, {"binary": lines.rejects})


def _count_times(columns: Columns, counts: IntakeCounts) -> None:
    times = columns["ts_us"]
    counts.bad_times += int(np.count_nonzero(columns["bad_time"].to_numpy()))
    n_null = times.null_count()
    counts.timeless += n_null
    if n_null == len(times):
        return
    zones, us = (values.drop_nulls() if values.null_count() else values for values in (columns["zone_min"], times))
    _tally_zones(zones.to_numpy(), counts)
    counts.span(int(us.min()), int(us.max()))  # type: ignore[arg-type]


def _tally_zones(zones: Ints, counts: IntakeCounts) -> None:
    if (zones == zones[0]).all():
        tally(counts.zones, {_zone_name(int(zones[0])): len(zones)})
    else:
        names, numbers = np.unique(zones, return_counts=True)
        tally(counts.zones, {_zone_name(int(z)): int(n) for z, n in zip(names, numbers, strict=True)})


def _zone_name(minutes: int) -> str:
    if minutes == NO_ZONE:
        return "none"
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02d}:{rest:02d}"


def _count_formats(names: pl.Series, n_lines: Ints, counts: IntakeCounts) -> None:
    distinct = sorted(set(names.to_list()) if len(names) <= _FEW else names.unique().to_list())
    if len(distinct) == 1:
        tally(counts.formats, {distinct[0]: int(n_lines.sum())})
        return
    tally(counts.formats, {name: int(n_lines[(names == name).to_numpy()].sum()) for name in distinct})
