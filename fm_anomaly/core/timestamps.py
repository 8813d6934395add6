"""Reads timestamps, a column at a time: text stamps of many layouts, epoch numbers, zones, missing years.

A layout is a row of `LAYOUTS`; all lines are compared with one layout at once, on the bytes. This module
knows nothing of log formats. Times are microseconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from fm_anomaly.core.frames import US_PER_S

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]

PAD = 80
"""Zero bytes that must follow the text in a buffer given to `scan`."""
NO_ZONE = 32767
"""Zone offset of a stamp that states none."""

DAY_US = 86_400 * US_PER_S
_WIDTH = 40

# Y y M D h m s: digits of year, two-digit year, month …; B: letter of a month's name; W: letter of a weekday;
# f: digit of a fraction in the middle. A fraction or zone that follows is read for every layout.
LAYOUTS = (
    "YYYY-MM-DDThh:mm:ss",
    "YYYY-MM-DD hh:mm:ss",
    "YYYY/MM/DD hh:mm:ss",
    "BBB DD hh:mm:ss",
    "BBB  D hh:mm:ss",
    "DD/BBB/YYYY:hh:mm:ss",
    "DD/BBB/YYYY hh:mm:ss",
    "yy/MM/DD hh:mm:ss",
    "WWW BBB DD hh:mm:ss YYYY",
    "WWW BBB  D hh:mm:ss YYYY",
    "WWW BBB DD hh:mm:ss.ffffff YYYY",
    "WWW BBB  D hh:mm:ss.ffffff YYYY",
    "YYYY-MM-DD-hh.mm.ss",
    "YYYY-MM-DD_hh:mm:ss",
    "YYYY.MM.DD hh:mm:ss",
    "yyMMDD hhmmss",
    "YYYYMMDDThhmmss",
    "YYYYMMDD hh:mm:ss",
    "YYYYMMDD-hh:mm:ss",
    "DD.MM.YYYY hh:mm:ss",
    "MM/DD/YYYY hh:mm:ss",
    "DD BBB YYYY hh:mm:ss",
    "DD-BBB-YYYY hh:mm:ss",
    "WWW, DD BBB YYYY hh:mm:ss",
    "BBB DD YYYY hh:mm:ss",
    "BBB  D YYYY hh:mm:ss",
    "BBB D hh:mm:ss",
    "MM-DD hh:mm:ss",
    "MMDD hh:mm:ss",
    "hh:mm:ss",
)

_CLASSES = np.arange(256, dtype=np.uint8)
_CLASSES[48:58] = 48
_CLASSES[65:91] = 97
_CLASSES[97:123] = 97

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH_KEYS = np.array([int.from_bytes(m.encode(), "big") for m in _MONTHS], dtype=np.int64)
_MONTH_ORDER = np.argsort(_MONTH_KEYS)
_DAYS = np.array([0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], dtype=np.int64)
_POWERS = 10 ** np.arange(5, -1, -1, dtype=np.int64)

_ZONE_NAMES = {b"UTC": 0, b"GMT": 0, b"CET": 60, b"EST": -300, b"EDT": -240, b"PST": -480, b"PDT": -420}


@dataclass(frozen=True, slots=True)
class _Layout:
    """A layout as compared: the classes of its bytes, and where each part stands."""

    classes: bytes
    parts: dict[str, tuple[int, ...]]
    colon_fraction: bool
    order: tuple[int, ...]
    """Places in the order in which they are compared: punctuation first, it tells layouts apart."""


def _compiled(layout: str) -> _Layout:
    classes = "".join("0" if c in "YyMDhmsf" else "a" if c in "BWT" else c for c in layout)
    parts = {c: tuple(i for i, x in enumerate(layout) if x == c) for c in "YyMDhmsfB" if c in layout}
    order = tuple(sorted(range(len(classes)), key=lambda i: (classes[i] in "0a", i)))
    return _Layout(classes.encode(), parts, layout == "YYYYMMDD-hh:mm:ss", order)


_COMPILED = tuple(_compiled(layout) for layout in LAYOUTS)


@dataclass(frozen=True, slots=True)
class Stamps:
    """What `scan` found at each position; all arrays have the length of the positions."""

    us: Ints
    """Local time as if it were UTC; yearless stamps stand in 1972, a bare time of day in 1970."""
    matched: Bools
    """A layout stands there."""
    valid: Bools
    """… and it is a possible date and time of day with a date."""
    end: Ints
    """Position after the stamp with its fraction and zone."""
    offset_min: Ints
    """Minutes east of UTC, `NO_ZONE` where not stated."""
    yearless: Bools


def scan(buffer: Bytes, positions: Ints) -> Stamps:
    """Read the timestamp that begins at each position of `buffer` (which ends with `PAD` zero bytes).

    Cost: about 0.2 µs a position where all have one layout.
    """
    n = len(positions)
    out = Stamps(
        np.zeros(n, np.int64),
        np.zeros(n, np.bool_),
        np.zeros(n, np.bool_),
        positions.astype(np.int64, copy=True),
        np.full(n, NO_ZONE, np.int64),
        np.zeros(n, np.bool_),
    )
    if not n:
        return out
    heads = _columns(buffer, positions)
    classes = np.take(_CLASSES, heads)
    first = classes[0]
    for kind, layouts in ((48, _DIGIT_FIRST), (97, _LETTER_FIRST)):
        left = np.flatnonzero(first == kind)
        for layout in layouts:
            if not len(left):
                break
            left = _try_layout(layout, buffer, heads, classes, left, out)
        if kind == 48 and len(left):
            _try_epoch(heads, classes, left, out)
    return out


def _columns(buffer: Bytes, positions: Ints) -> Bytes:
    """Return the bytes from each position on as rows by offset: shape (offsets, positions), each contiguous."""
    rows = np.lib.stride_tricks.sliding_window_view(buffer, _WIDTH)[positions]
    return np.ascontiguousarray(rows.T)


_DIGIT_FIRST = tuple(layout for layout in _COMPILED if layout.classes[:1] == b"0")
_LETTER_FIRST = tuple(layout for layout in _COMPILED if layout.classes[:1] == b"a")


def _try_layout(layout: _Layout, buffer: Bytes, heads: Bytes, classes: Bytes, left: Ints, out: Stamps) -> Ints:
    """Read the rows `left` that have this layout into `out`; return the rows that have not."""
    whole = len(left) == heads.shape[1]
    width = len(layout.classes)
    hit = (classes[width] if whole else classes[width, left]) != 48
    for at in layout.order:
        hit &= (classes[at] if whole else classes[at, left]) == layout.classes[at]
        if not hit.any():
            return left
    everything = bool(hit.all())
    rows = left if everything else left[hit]
    _read(layout, buffer, heads if whole and everything else heads[:, rows], rows, out)
    return left[:0] if everything else left[~hit]


def _read(layout: _Layout, buffer: Bytes, heads: Bytes, rows: Ints, out: Stamps) -> None:
    n = heads.shape[1]

    def number(part: str) -> Ints:
        total = np.zeros(n, np.int32)
        for column in layout.parts[part]:
            total *= 10
            total += heads[column]
            total -= 48
        return total.astype(np.int64)

    month, known = _month(layout, heads, number)
    yearless = "Y" not in layout.parts and "y" not in layout.parts
    dateless = "D" not in layout.parts
    year = number("Y") if "Y" in layout.parts else 2000 + number("y") if "y" in layout.parts else None
    years = year if year is not None else np.full(n, 1970 if dateless else 1972, np.int64)
    day = np.ones(n, np.int64) if dateless else number("D")
    if layout.classes.startswith(b"00/00/0000"):
        month, day = np.where(month > 12, day, month), np.where(month > 12, month, day)
    hour, minute, second = number("h"), number("m"), number("s")
    known &= _is_date(years, month, day) & (hour < 24) & (minute < 60) & (second <= 60)
    fraction, length = _fraction(layout, heads)
    us = (_days(years, month, day) * 86_400 + hour * 3600 + minute * 60 + second) * US_PER_S
    ends = out.end[rows] + len(layout.classes) + length
    offsets, zone_length = _zones(buffer, ends)
    out.us[rows] = us + fraction
    out.matched[rows] = True
    out.valid[rows] = known & (not dateless)
    out.end[rows] = ends + zone_length
    out.offset_min[rows] = offsets
    out.yearless[rows] = yearless and not dateless


def _days(year: Ints, month: Ints, day: Ints) -> Ints:
    """Return `days_from_civil`; where all are of one month, it is worked out once."""
    if len(year) and (year == year[0]).all() and (month == month[0]).all():
        return days_from_civil(year[:1], month[:1], np.zeros(1, np.int64)) + day
    return days_from_civil(year, month, day)


def _month(layout: _Layout, heads: Bytes, number: Any) -> tuple[Ints, Bools]:
    """Return the month and whether it is one."""
    if "M" in layout.parts:
        month = number("M")
        return month, (month >= 1) & (month <= 12)
    if "B" not in layout.parts:
        return np.ones(heads.shape[1], np.int64), np.ones(heads.shape[1], np.bool_)
    a, b, c = layout.parts["B"]
    lower = heads[[a, b, c]].astype(np.int64) | 32
    key = (lower[0] << 16) | (lower[1] << 8) | lower[2]
    place = np.searchsorted(_MONTH_KEYS, key, sorter=_MONTH_ORDER).clip(0, 11)
    found = _MONTH_ORDER[place]
    return found + 1, _MONTH_KEYS[found] == key


def _is_date(year: Ints, month: Ints, day: Ints) -> Bools:
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    month = month.clip(0, 12)
    result: Bools = (day >= 1) & (day <= _DAYS[month]) & ((month != 2) | (day < 29) | leap)
    return result


def days_from_civil(year: Ints, month: Ints, day: Ints) -> Ints:
    """Return days since 1970-01-01 of dates of the proleptic Gregorian calendar (H. Hinnant's algorithm)."""
    y = year - (month <= 2)
    era = y // 400
    yoe = y - era * 400
    doy = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    result: Ints = era * 146_097 + yoe * 365 + yoe // 4 - yoe // 100 + doy - 719_468
    return result


def _fraction(layout: _Layout, heads: Bytes) -> tuple[Ints, Ints]:
    """Return microseconds and byte length of the fraction after (or, with f, within) the stamp."""
    n = heads.shape[1]
    if "f" in layout.parts:
        parts = heads[list(layout.parts["f"])].astype(np.int64) - 48
        return _POWERS @ parts, np.zeros(n, np.int64)
    at = len(layout.classes)
    mark = heads[at]
    run = (mark == 46) | (mark == 44)
    if layout.colon_fraction:
        run |= mark == 58
    us, length = np.zeros(n, np.int32), np.zeros(n, np.int64)
    for place in range(9):
        if not run.any():
            break
        digit = heads[at + 1 + place] - np.uint8(48)  # other bytes wrap to above 9
        run = run & (digit < 10)
        length += run
        if place < 6:
            us += np.where(run, digit, 0) * np.int32(_POWERS[place])
    return us.astype(np.int64), np.where(length > 0, length + 1, 0)


def _zones(buffer: Bytes, ends: Ints) -> tuple[Ints, Ints]:
    """Return zone offsets in minutes and how many bytes each zone takes, at the positions `ends`."""
    offsets = np.full(len(ends), NO_ZONE, np.int64)
    lengths = np.zeros(len(ends), np.int64)
    first, second = buffer[ends], buffer[ends + 1]
    after = np.take(_CLASSES, second)
    zulu = ((first == 90) | (first == 122)) & (after != 97) & (after != 48)
    offsets[zulu], lengths[zulu] = 0, 1
    spaced = (first == 32).astype(np.int64)
    sign = np.where(spaced == 1, second, first)
    rows = np.flatnonzero((sign == 43) | (sign == 45))
    if len(rows):
        _numeric_zones(buffer, ends, spaced, rows, offsets, lengths)
    rows = np.flatnonzero((spaced == 1) & (second >= 65) & (second <= 90))
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
    ends = np.take(_CLASSES, tail[:, 3]) != 97
    for name, minutes in _ZONE_NAMES.items():
        hit = rows[(names == name) & ends]
        offsets[hit], lengths[hit] = minutes, 4


def _try_epoch(heads: Bytes, classes: Bytes, left: Ints, out: Stamps) -> None:
    """Read epoch numbers of 10 digits (with a fraction), 13, 16 or 19 digits, from 2001 to 2065."""
    digits = classes[:20, left] == 48
    runs = np.logical_and.accumulate(digits, axis=0).sum(axis=0)
    for length, per_s in ((10, 1), (13, 1_000), (16, 1_000_000), (19, 1_000_000_000)):
        rows = left[runs == length]
        if not len(rows):
            continue
        powers = 10 ** np.arange(length - 1, -1, -1, dtype=np.int64)
        value = powers @ (heads[:length, rows].astype(np.int64) - 48)
        good = (value >= 1_000_000_000 * per_s) & (value < 3_000_000_000 * per_s)
        good &= ~np.isin(classes[length, rows], (97, 45, 95, 47))
        rows, value = rows[good], value[good]
        us = value * (US_PER_S // per_s) if per_s <= US_PER_S else value // (per_s // US_PER_S)
        fraction, size = _fraction(_Layout(b"0" * length, {}, False, ()), heads[:, rows])
        out.us[rows] = us + (fraction if length == 10 else 0)
        out.matched[rows] = out.valid[rows] = True
        out.end[rows] += length + (size if length == 10 else 0)
        out.offset_min[rows] = 0


def to_utc(stamps: Stamps, tz: str) -> Ints:
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
        fits = (out == np.iinfo(np.int64).min) & _is_date(years, month, day)
        fits &= there <= reference_us + DAY_US
        out[fits] = there[fits]
    return out


def from_values(values: Sequence[Any], tz: str) -> tuple[Ints, Bools, Ints]:
    """Read time fields of JSON: strings of any layout, epoch numbers by magnitude.

    Returns UTC microseconds, which of them are valid, and the stated offsets in minutes (`NO_ZONE`: none).
    """
    try:
        text = "\n".join(values)
    except TypeError:
        text = "\n".join([v if isinstance(v, str) else _number_text(v) for v in values])
    data = text.encode("utf-8", "replace")
    fast = _zulu(data, values)
    if fast is not None:
        return fast
    buffer = np.frombuffer(data + b"\n" + bytes(PAD), dtype=np.uint8)
    ends = np.flatnonzero(buffer == 10)
    if len(ends) != len(values):
        return from_values([str(v).replace("\n", " ") for v in values], tz)
    starts = np.concatenate([[0], ends[:-1] + 1]).astype(np.int64)
    stamps = scan(buffer, starts)
    us, valid, offsets = to_utc(stamps, tz), stamps.valid & ~stamps.yearless, stamps.offset_min
    for i in np.flatnonzero(~stamps.matched | (stamps.end != ends)).tolist():
        _read_odd(i, values[i], us, valid, offsets)
    return us, valid, offsets


def _zulu(data: bytes, values: Sequence[Any]) -> tuple[Ints, Bools, Ints] | None:
    """Read values that all are ``YYYY-MM-DDThh:mm:ss[.fraction]Z`` of one length, joined; None if not."""
    n = len(values)
    width, rest = divmod(len(data) + 1, n) if n else (0, 0)
    if rest or not 21 <= width <= 32 or width == 22:
        return None
    table = np.frombuffer(data + b"\n", dtype=np.uint8).reshape(n, width).T
    table = np.ascontiguousarray(table)
    digits = [i for i in range(width - 2) if i not in (4, 7, 10, 13, 16, 19)]
    marks = [(4, 45), (7, 45), (10, 84), (13, 58), (16, 58), (width - 2, 90), (width - 1, 10)]
    if width > 21:
        marks.append((19, 46))
    if not all((table[at] == byte).all() for at, byte in marks):
        return None
    if ((table[digits] - np.uint8(48)) > 9).any():
        return None

    def number(first: int, last: int) -> Ints:
        total = np.zeros(n, np.int64)
        for at in range(first, last):
            total = total * 10 + table[at]
        total -= 48 * ((10 ** (last - first) - 1) // 9)
        return total

    year, month, day = number(0, 4), number(5, 7), number(8, 10)
    hour, minute, second = number(11, 13), number(14, 16), number(17, 19)
    valid = (month >= 1) & (month <= 12) & _is_date(year, month, day)
    valid &= (hour < 24) & (minute < 60) & (second <= 60)
    us = (_days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second) * US_PER_S
    places = max(0, min(6, width - 22))
    us += number(20, 20 + places) * 10 ** (6 - places)
    return us, valid, np.zeros(n, np.int64)


def _number_text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value if isinstance(value, str) else ""
    return repr(value)


def _read_odd(i: int, value: object, us: Ints, valid: Bools, offsets: Ints) -> None:
    """Read one value that `scan` does not know: numbers of other lengths, other ISO forms."""
    valid[i] = False
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value.strip())
        except ValueError:
            try:
                value = float(value)
            except ValueError:
                return
        else:
            zone = moment.utcoffset()
            offsets[i] = NO_ZONE if zone is None else int(zone.total_seconds()) // 60
            aware = moment if zone is not None else moment.replace(tzinfo=UTC)
            us[i], valid[i] = _epoch_us(aware), True
            return
    found = from_epoch(value)
    if found is not None:
        us[i], valid[i], offsets[i] = found, True, 0


def _epoch_us(moment: datetime) -> int:
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * US_PER_S + delta.microseconds


def from_epoch(value: object) -> int | None:
    """Return microseconds of an epoch number in s, ms, µs or ns, told by its magnitude; None if it is none.

    Accepted are times from 2001 to 2065: below, numbers are counters and durations.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    for per_s in (1, 1_000, 1_000_000, 1_000_000_000):
        if 1e9 * per_s <= value < 3e9 * per_s:
            if isinstance(value, int):
                return value * US_PER_S // per_s
            return round(value * (US_PER_S / per_s))
    return None
