"""Time zones: reads the zone after a stamp, and turns local times into UTC.

Knows bytes after a stamp and the time zone database; nothing of layouts.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

import numpy as np
import polars as pl

from fm_anomaly.core.calendar import Bytes, Ints, days_from_civil, is_date
from fm_anomaly.core.frames import US_PER_S

NO_ZONE = 32767
"""Zone offset of a stamp that states none."""
DAY_US = 86_400 * US_PER_S

CLASSES = np.arange(256, dtype=np.uint8)
CLASSES[48:58] = 48
CLASSES[65:91] = 97
CLASSES[97:123] = 97
"""Byte → its class: 0 for digits, a for letters, itself for the rest."""

_ZONE_NAMES = {b"UTC": 0, b"GMT": 0, b"CET": 60, b"EST": -300, b"EDT": -240, b"PST": -480, b"PDT": -420}
_BEGINS_NAME = np.zeros(256, dtype=np.bool_)
_BEGINS_NAME[[name[0] for name in _ZONE_NAMES]] = True


class LocalTimes(Protocol):
    """Times as stamped, with the zone that each states."""

    @property
    def us(self) -> Ints: ...
    @property
    def offset_min(self) -> Ints: ...


def read_zones(buffer: Bytes, ends: Ints) -> tuple[Ints, Ints]:
    """Return zone offsets in minutes and how many bytes each zone takes, at the positions `ends`."""
    offsets = np.full(len(ends), NO_ZONE, np.int64)
    lengths = np.zeros(len(ends), np.int64)
    first, second = buffer[ends], buffer[ends + 1]
    rows = np.flatnonzero((first == 90) | (first == 122))
    if len(rows):
        after = np.take(CLASSES, second[rows])
        zulu = rows[(after != 97) & (after != 48)]
        offsets[zulu], lengths[zulu] = 0, 1
    is_spaced = first == 32
    sign = np.where(is_spaced, second, first)
    rows = np.flatnonzero((sign == 43) | (sign == 45))
    if len(rows):
        _numeric_zones(buffer, ends, is_spaced.astype(np.int64), rows, offsets, lengths)
    rows = np.flatnonzero(is_spaced & _BEGINS_NAME[second])
    if len(rows):
        _named_zones(buffer, ends, rows, offsets, lengths)
    return offsets, lengths


def _numeric_zones(buffer: Bytes, ends: Ints, spaced: Ints, rows: Ints, offsets: Ints, lengths: Ints) -> None:
    tail = np.lib.stride_tricks.sliding_window_view(buffer, 7)[ends[rows] + spaced[rows]].astype(np.int64)
    digit = (tail >= 48) & (tail < 58)
    colon = (tail[:, 3] == 58) & digit[:, 4] & digit[:, 5]
    four = digit[:, 3] & digit[:, 4] & ~digit[:, 5]
    good = digit[:, 1] & digit[:, 2] & (colon | four | ((spaced[rows] == 0) & ~digit[:, 3]))
    shift = np.where(colon, 1, 0)[:, None]
    low = np.take_along_axis(tail, np.concatenate([3 + shift, 4 + shift], axis=1), axis=1) - 48
    minutes = (tail[:, 1] * 10 + tail[:, 2] - 528) * 60
    minutes += np.where(colon | four, low[:, 0] * 10 + low[:, 1], 0)
    size = np.where(colon, 6, np.where(four, 5, 3)) + spaced[rows]
    good &= minutes <= 18 * 60
    offsets[rows[good]] = np.where(tail[good, 0] == 45, -minutes[good], minutes[good])
    lengths[rows[good]] = size[good]


def _named_zones(buffer: Bytes, after: Ints, rows: Ints, offsets: Ints, lengths: Ints) -> None:
    tail = np.lib.stride_tricks.sliding_window_view(buffer, 4)[after[rows] + 1]
    names = np.ascontiguousarray(tail[:, :3]).view("S3").ravel()
    ends = np.take(CLASSES, tail[:, 3]) != 97
    for name, minutes in _ZONE_NAMES.items():
        hit = rows[(names == name) & ends]
        offsets[hit], lengths[hit] = minutes, 4


def to_utc(stamps: LocalTimes, tz: str) -> Ints:
    """Return UTC microseconds: stated offsets are taken off, others are read as local time of zone `tz`.

    In the hour that occurs twice the earlier reading is taken; a time of day that a clock change skips is
    read with the offset from before it. Raises what Polars raises for an unknown zone.
    """
    naive = stamps.offset_min == NO_ZONE
    utc: Ints = stamps.us - np.where(naive, 0, stamps.offset_min) * (60 * US_PER_S)
    if tz != "UTC" and naive.any():
        utc[naive] = local_to_utc(stamps.us[naive], tz)
    return utc


def local_to_utc(us: Ints, tz: str) -> Ints:
    """Return UTC microseconds of local times of zone `tz`; see `to_utc`."""
    local = pl.Series(us, dtype=pl.Int64).cast(pl.Datetime("us"))
    utc = _placed(local, tz)
    gap = utc.is_null()
    if gap.any():
        hour = pl.duration(hours=1)
        before = pl.select(pl.lit(local) - hour).to_series()
        utc = pl.select(pl.coalesce(utc, _placed(before, tz) + 3_600 * US_PER_S)).to_series()
    result: Ints = utc.fill_null(0).to_numpy().astype(np.int64)
    return result


def _placed(local: pl.Series, tz: str) -> pl.Series:
    placed: pl.Series = local.dt.replace_time_zone(tz, ambiguous="earliest", non_existent="null")
    return placed.dt.convert_time_zone("UTC").dt.epoch("us")


def place_yearless(us: Ints, reference_us: int) -> Ints:
    """Return yearless times (standing in 1972) in the year that brings them closest to the reference.

    No later than one day after it. 29 February goes back to the last leap year.
    """
    reference = datetime.fromtimestamp(reference_us // US_PER_S, UTC).year
    days = us // DAY_US
    dates = np.datetime64("1970-01-01") + days
    month = dates.astype("datetime64[M]").astype(np.int64) % 12 + 1
    day = (dates - dates.astype("datetime64[M]")).astype(np.int64) + 1
    out = np.full(len(us), np.iinfo(np.int64).min, np.int64)
    for year in range(reference + 1, reference - 9, -1):
        years = np.full(len(us), year, np.int64)
        there = days_from_civil(years, month, day) * DAY_US + us % DAY_US
        fits = (out == np.iinfo(np.int64).min) & is_date(years, month, day)
        fits &= there <= reference_us + DAY_US
        out[fits] = there[fits]
    return out
