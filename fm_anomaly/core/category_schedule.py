"""When categories are fitted: hours of the day in a zone, and the next of them after a moment.

Settings and arithmetic of time given from outside; it reads no clock.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_HOUR = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_US = 1_000_000


@dataclass(frozen=True, slots=True)
class CategoryScheduleParams:
    """The service's runs of `categorize`.

    at: times of day, "03:00", in the zone of `parsing.tz`; none for no runs. since_days: errors looked at, up to the
    latest. min_count: an error like no other, seen less often, stays uncategorized.
    """

    at: tuple[str, ...] = ("03:00",)
    since_days: int = 7
    min_count: int = 1

    def __post_init__(self) -> None:
        """Refuse what is no time of day. Raises ValueError."""
        for each in self.at:
            if not _HOUR.fullmatch(each):
                raise ValueError(f"categories.at has {each!r}: write a time of day such as 03:00, or at = [] for none")
        if self.since_days < 1 or self.min_count < 1:
            raise ValueError("categories.since_days and categories.min_count are 1 or more")


def next_due_us(after_us: int, at: tuple[str, ...], tz: str) -> int | None:
    """Return the first of the times of day later than a moment (µs, UTC); None where there are none.

    >>> at = next_due_us(1_772_442_847_000_000, ("03:00", "15:30"), "UTC")
    >>> datetime.fromtimestamp(at / 1e6, UTC).isoformat()
    '2026-03-02T15:30:00+00:00'
    """
    zone = ZoneInfo(tz)
    now = datetime.fromtimestamp(after_us / _US, UTC).astimezone(zone)
    found = []
    for each in at:
        hour, minute = (int(part) for part in each.split(":"))
        for days in (0, 1, 2):
            # in local time, so that a change of the clocks moves no run; one that the clocks leave out comes after it
            local = (now + timedelta(days=days)).replace(hour=hour, minute=minute, second=0, microsecond=0, fold=0)
            moment_us = int(local.timestamp()) * _US
            if moment_us > after_us:
                found.append(moment_us)
    return min(found, default=None)
