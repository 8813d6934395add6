"""Reads time fields of JSON: strings of any layout, epoch numbers by their magnitude.

Knows values, not formats.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from fm_anomaly.core.calendar import Bools, Ints, is_date, quick_days
from fm_anomaly.core.frames import US_PER_S
from fm_anomaly.core.timestamps import PAD, scan
from fm_anomaly.core.zones import NO_ZONE, to_utc


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
    valid = (month >= 1) & (month <= 12) & is_date(year, month, day)
    valid &= (hour < 24) & (minute < 60) & (second <= 60)
    us = (quick_days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second) * US_PER_S
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
