"""Finds the timestamp of each text line: at its start, in a bracket, after a priority, a letter or a token.

Knows the places where logs put their timestamps; `core.timestamps` knows the layouts.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from fm_anomaly.core import timestamps, zones
from fm_anomaly.core.calendar import Bools, Bytes, Ints
from fm_anomaly.core.line_fields import time_columns
from fm_anomaly.core.text_batch import TOKEN_BYTES, TextBatch
from fm_anomaly.core.timestamps import Stamps

_SPACE, _OPEN, _LESS, _BRACE = 32, 91, 60, 123


# What stands before a timestamp: nothing, "[", a priority, a glog letter, or a token (see `_after_token`).
AT_START, IN_BRACKET, PRIORITY, LETTER, TOKEN = range(5)


def find_stamps(batch: TextBatch) -> tuple[Stamps, Ints, Ints]:
    """Find the timestamp of each line; returns stamps, where they begin, and what stands before them."""
    first = batch.buffer[batch.starts]
    marks = np.zeros(len(first), np.int64)
    positions = batch.starts.copy()
    bracket = first == _OPEN
    positions[bracket] += 1
    marks[bracket] = IN_BRACKET
    _skip_priority(batch, first, positions, marks)
    _skip_letter(batch, first, positions, marks)
    stamps = timestamps.scan(batch.buffer, positions)
    left = np.flatnonzero(~stamps.matched & ~np.isin(first, (_BRACE, _SPACE, _LESS, 9)))
    if len(left):
        _after_token(batch, left, stamps, positions, marks)
    rows = np.flatnonzero(stamps.matched & (stamps.end > batch.ends))
    stamps.matched[rows] = False
    return stamps, positions, marks


def _skip_priority(batch: TextBatch, first: Bytes, positions: Ints, marks: Ints) -> None:
    rows = np.flatnonzero(first == _LESS)
    if not len(rows):
        return
    head = np.lib.stride_tricks.sliding_window_view(batch.buffer, 5)[batch.starts[rows]]
    for at in (2, 3, 4):
        fits = (head[:, at] == 62) & ((head[:, 1:at] - np.uint8(48)) < 10).all(axis=1)
        positions[rows[fits]] += at + 1
        marks[rows[fits]] = PRIORITY


def _skip_letter(batch: TextBatch, first: Bytes, positions: Ints, marks: Ints) -> None:
    rows = np.flatnonzero((first == 73) | (first == 87) | (first == 69) | (first == 70))
    if not len(rows):
        return
    head = np.lib.stride_tricks.sliding_window_view(batch.buffer, 6)[batch.starts[rows]]
    fits = ((head[:, 1:5] - np.uint8(48)) < 10).all(axis=1) & (head[:, 5] == _SPACE)
    positions[rows[fits]] += 1
    marks[rows[fits]] = LETTER


def _after_token(batch: TextBatch, left: Ints, stamps: Stamps, positions: Ints, marks: Ints) -> None:
    """Look for a timestamp after the first token: a file or host name, a level, a label."""
    window = np.lib.stride_tricks.sliding_window_view(batch.buffer, TOKEN_BYTES)[batch.starts[left]]
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
    stamps.put(left[hits], found.take(hits))
    positions[left[hits]], marks[left[hits]] = at[hits], TOKEN
    rows = np.flatnonzero(epoch)
    if len(rows):
        _label_epoch(batch, left[rows], at[rows], found.us[rows], (stamps, positions, marks))


def _is_letter(batch: TextBatch, at: Ints) -> Bools:
    return batch.buffer[at] >= 65


def _label_epoch(batch: TextBatch, rows: Ints, at: Ints, us: Ints, out: tuple[Stamps, Ints, Ints]) -> None:
    """Take `label epoch date host stamp` (cluster syslog): time of the epoch, header from the last stamp on."""
    stamps, positions, marks = out
    text = batch.series[rows].str.extract(r"^([^ ]+ [0-9]{10} [0-9]{4}\.[0-9]{2}\.[0-9]{2} [^ ]+ )")
    length = text.str.len_bytes().fill_null(0).to_numpy().astype(np.int64)
    fits = np.flatnonzero(length > 0)
    found = timestamps.scan(batch.buffer, batch.starts[rows[fits]] + length[fits])
    hits = np.flatnonzero(found.matched)
    chosen = rows[fits[hits]]
    stamps.us[chosen], stamps.end[chosen] = us[fits[hits]], found.end[hits]
    stamps.matched[chosen] = stamps.valid[chosen] = True
    stamps.offset_min[chosen], stamps.yearless[chosen] = 0, found.yearless[hits]
    positions[chosen], marks[chosen] = at[fits[hits]], TOKEN
    # the yearless stamp tells only that syslog's header follows: the time is the epoch's
    stamps.yearless[chosen] = False
    marks[chosen] = np.where(found.yearless[hits], PRIORITY, TOKEN)


def utc_columns(batch: TextBatch, stamps: Stamps) -> dict[str, pl.Series]:
    """Return the time columns of stamps."""
    us, valid = stamps.us, stamps.valid
    if stamps.yearless.any():
        us = us.copy()
        rows = stamps.yearless & valid
        local_reference = batch.clock.reference_us
        us[rows] = zones.place_yearless(us[rows], local_reference)
        valid = valid & (us != np.iinfo(np.int64).min)
        us[~valid] = 0
        stamps = Stamps(us, stamps.matched, valid, stamps.end, stamps.offset_min, stamps.yearless)
    dated = stamps.valid | (stamps.us >= zones.DAY_US) | stamps.yearless
    return time_columns(zones.to_utc(stamps, batch.clock.tz), valid, dated, stamps.offset_min)
