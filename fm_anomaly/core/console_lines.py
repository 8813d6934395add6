"""Parses structlog's console form and logfmt: a message with ``key=value`` pairs.

Both are read a line at a time (they are rarer than JSON and plain text), into the same fields as
structlog's JSON and the table of JSON keys. This module knows nothing of sources.
"""

from __future__ import annotations

import re
from typing import Any

import polars as pl

from fm_anomaly.core import json_table, structlog_records
from fm_anomaly.core.calendar import Ints

_QUOTED = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
_CONSOLE = re.compile(
    r" \[([a-z]+) *\] (.*?)(?: +\[([A-Za-z_][\w.]*)\])?"
    rf"((?: +[A-Za-z_]\w*=(?:{_QUOTED}|[^\s'\"]\S*|))*) *$"
)
_PAIR = re.compile(rf"([A-Za-z_@][\w.@\-]*)=({_QUOTED}|\S*)")
_ESCAPE = re.compile(r"\\(.)")


def console_frame(texts: pl.Series, offsets: Ints, index: Ints, times: pl.DataFrame, tz: str) -> pl.DataFrame:
    """Return the line frame of structlog console lines whose timestamps (`times`) end at `offsets`."""
    rows = [_console_row(text[offset:]) for text, offset in zip(texts.to_list(), offsets.tolist(), strict=True)]
    frame = structlog_records.frame_of_dicts(rows, index, tz, "structlog-console")
    named = [times[name] for name in ("ts_us", "zone_min", "bad_time")]
    return frame.with_columns(named).with_columns(closed=pl.lit(False))


def _console_row(rest: str) -> dict[str, Any]:
    found = _CONSOLE.match(rest)
    if found is None:
        level, _, event = rest.lstrip(" [").partition("]")
        return {"event": event.strip() or rest, "level": level.strip()}
    row: dict[str, Any] = {name: _value(value) for name, value in _PAIR.findall(found[4] or "")}
    row.update(event=found[2].rstrip() or rest, level=found[1], logger=found[3] or row.get("logger"))
    return row


def _value(text: str) -> Any:
    """Return the value of a pair as JSON would have it: numbers as numbers, quotes taken off."""
    if text[:1] in ("'", '"') and len(text) > 1 and text[-1] == text[0]:
        return _ESCAPE.sub(lambda m: {"n": "\n", "t": "\t"}.get(m[1], m[1]), text[1:-1])
    if text == "None":
        return None
    if text[:1].isdigit() or text[:1] == "-":
        try:
            return float(text) if "." in text or "e" in text else int(text)
        except ValueError:
            return text
    return text


def logfmt_frame(texts: pl.Series, index: Ints, tz: str) -> pl.DataFrame:
    """Return the line frame of logfmt lines, by the table of JSON keys."""
    lines = texts.to_list()
    rows = [{name: _value(value) for name, value in _PAIR.findall(line[:65_536])} for line in lines]
    frame = json_table.table_frame(rows, lines, index, tz)
    return frame.with_columns(format=pl.lit("logfmt"), closed=pl.lit(False))
