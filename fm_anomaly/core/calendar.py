"""Dates of the Gregorian calendar, a column at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]

_DAYS = np.array([0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], dtype=np.int64)


def is_date(year: Ints, month: Ints, day: Ints) -> Bools:
    """Return which (year, month, day) are days of the Gregorian calendar; arrays of one length."""
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


def quick_days(year: Ints, month: Ints, day: Ints) -> Ints:
    """Return `days_from_civil`; where all are of one month, it is worked out once."""
    if len(year) and (year == year[0]).all() and (month == month[0]).all():
        return days_from_civil(year[:1], month[:1], np.zeros(1, np.int64)) + day
    return days_from_civil(year, month, day)
