"""Timestamps of all layouts, zones, years and epochs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fm_anomaly.core import time_values, timestamps, zones
from fm_anomaly.core.calendar import days_from_civil, is_date

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOMENTS = st.datetimes(min_value=datetime(1972, 1, 1), max_value=datetime(2064, 12, 31))


def us_of(moment: datetime) -> int:
    return (moment.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)


def read(value: Any, tz: str = "UTC") -> int | None:
    us, valid, _ = time_values.from_values([value], tz)
    return int(us[0]) if valid[0] else None


@given(MOMENTS)
def test_each_layout_reads_what_strftime_writes(moment: datetime) -> None:
    """Every common layout gives the moment back, to the resolution that it has."""
    second = us_of(moment.replace(microsecond=0))
    for layout in (
        *("%Y-%m-%d %H:%M:%S", "%Y/%m/%d %H:%M:%S", "%d/%b/%Y:%H:%M:%S +0000", "%a %b %d %H:%M:%S %Y"),
        *("%Y-%m-%d-%H.%M.%S", "%Y%m%dT%H%M%S", "%d %b %Y %H:%M:%S", "%a, %d %b %Y %H:%M:%S GMT"),
        *("%d.%m.%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S UTC", "%Y-%m-%dT%H:%M:%SZ"),
    ):
        assert read(moment.strftime(layout)) == second
    assert read(moment.isoformat(sep=" ", timespec="microseconds")) == us_of(moment)
    assert read(moment.isoformat(timespec="milliseconds").replace(".", ",")) == us_of(moment) // 1000 * 1000


@given(st.lists(MOMENTS, min_size=1, max_size=20), st.integers(0, 9))
def test_a_column_reads_as_its_values_do_alone(moments: list[datetime], digits: int) -> None:
    """One shape for all values is only faster, never different."""
    texts = [
        f"{m:%Y-%m-%dT%H:%M:%S}" + (f".{m.microsecond:06d}000"[: digits + 1] if digits else "") + "Z" for m in moments
    ]
    together = time_values.from_values(texts, "UTC")
    alone = [time_values.from_values([t, "x"], "UTC") for t in texts]
    assert together[0].tolist() == [int(a[0][0]) for a in alone]
    assert together[1].all()


@given(MOMENTS, st.integers(-14 * 60, 14 * 60))
def test_a_stated_zone_is_taken_off(moment: datetime, minutes: int) -> None:
    """``+hh:mm`` and ``+hhmm``, next to the time or after a space."""
    sign, (hours, rest) = "-" if minutes < 0 else "+", divmod(abs(minutes), 60)
    text = moment.strftime("%Y-%m-%d %H:%M:%S")
    expected = us_of(moment.replace(microsecond=0)) - minutes * 60_000_000
    for zone in (f"{sign}{hours:02d}:{rest:02d}", f"{sign}{hours:02d}{rest:02d}", f" {sign}{hours:02d}{rest:02d}"):
        assert read(text + zone, "Europe/Berlin") == expected


@pytest.mark.parametrize("per_s", [1, 1_000, 1_000_000, 1_000_000_000])
def test_the_magnitude_of_an_epoch_tells_its_unit(per_s: int) -> None:
    """Seconds, milliseconds, microseconds and nanoseconds, as numbers or text."""
    value = 1_772_445_600 * per_s
    assert read(value) == read(str(value)) == 1_772_445_600_000_000


@pytest.mark.parametrize(
    "value", [None, "", "soon", 0, 12, -1, True, 1e300, "2026-02-30T00:00:00Z", "2026-01-01 25:00:00", {}]
)
def test_what_is_no_time_is_none(value: Any) -> None:
    """Impossible dates, small numbers and words give no time."""
    assert read(value) is None


def test_local_times_follow_the_zone() -> None:
    """Without a stated zone the assumed one holds, its clock changes included; both are deterministic."""
    assert read("2026-07-01 12:00:00", "Europe/Berlin") == us_of(datetime(2026, 7, 1, 10))
    assert read("2026-01-01 12:00:00", "Europe/Berlin") == us_of(datetime(2026, 1, 1, 11))
    twice = read("2026-10-25 02:30:00", "Europe/Berlin")
    assert twice == us_of(datetime(2026, 10, 25, 0, 30))  # the earlier of the two
    skipped = read("2026-03-29 02:30:00", "Europe/Berlin")
    assert skipped == us_of(datetime(2026, 3, 29, 1, 30))


def test_a_date_without_a_year_is_near_the_reference() -> None:
    """Not more than a day after the reference; 29 February goes to a leap year."""
    reference = us_of(datetime(2026, 1, 2))
    local = np.array([us_of(datetime(1972, *day)) for day in ((12, 31), (1, 2), (1, 4), (2, 29))])
    placed = [EPOCH + timedelta(microseconds=int(us)) for us in zones.place_yearless(local, reference)]
    assert [p.strftime("%Y-%m-%d") for p in placed] == ["2025-12-31", "2026-01-02", "2025-01-04", "2024-02-29"]


@given(st.dates(min_value=datetime(1800, 1, 1).date(), max_value=datetime(2200, 1, 1).date()))
def test_days_are_those_of_the_calendar(day: Any) -> None:
    """The day count agrees with the standard library."""
    parts = [np.array([n]) for n in (day.year, day.month, day.day)]
    assert is_date(*parts).all()
    assert int(days_from_civil(*parts)[0]) == (day - EPOCH.date()).days


def test_no_layout_hides_another() -> None:
    """A stamp of each layout is read by that layout, not by an earlier one that begins alike."""
    samples = {"Y": "2026", "y": "26", "M": "03", "D": "02", "h": "10", "m": "20", "s": "30", "B": "Mar", "W": "Mon"}
    for layout in timestamps.LAYOUTS:
        text = layout
        for code, sample in samples.items():
            run = next((layout[i:] for i in range(len(layout)) if layout[i] == code), "")
            n = len(run) - len(run.lstrip(code))
            text = text.replace(code * n, sample[-n:] if code in "DMhms" else sample) if n else text
        text = text.replace("ffffff", "000001")
        data = text.encode() + b" x"
        stamps = timestamps.scan(np.frombuffer(data + bytes(timestamps.PAD), np.uint8), np.zeros(1, np.int64))
        assert stamps.matched[0], layout
        assert stamps.end[0] == len(text), layout
