"""Laws of the schedule: the next hour lies ahead, in the zone's own time, whatever its clocks do."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fm_anomaly.core.category_schedule import CategoryScheduleParams, next_due_us

ZONES = ("UTC", "Europe/Paris", "America/New_York", "Australia/Lord_Howe")


HOURS = (("03:00",), ("02:30", "14:00"))


@given(st.integers(1_700_000_000, 1_900_000_000), st.sampled_from(ZONES), st.sampled_from(HOURS))
def test_the_next_run_lies_ahead_within_a_day_and_an_hour(now_s: int, zone: str, at: tuple[str, ...]) -> None:
    """Never now or before, never later than a day with a change of the clocks in it."""
    due_us = next_due_us(now_s * 1_000_000, at, zone)
    assert due_us is not None
    assert 0 < due_us - now_s * 1_000_000 <= 25 * 3_600_000_000


def test_the_hour_is_that_of_the_zone() -> None:
    """Three in the morning in Paris, in winter and in summer."""
    for day, hour in (("2026-01-10", 2), ("2026-07-10", 1)):
        now_us = int(datetime.fromisoformat(f"{day}T00:00:00+00:00").timestamp()) * 1_000_000
        due_us = next_due_us(now_us, ("03:00",), "Europe/Paris")
        assert due_us is not None
        assert datetime.fromtimestamp(due_us / 1e6, UTC).hour == hour


def test_no_hours_are_no_runs_and_nonsense_is_refused() -> None:
    """An empty list turns the schedule off; what is no time of day is a setting that cannot be used."""
    assert next_due_us(0, (), "UTC") is None
    for bad in ({"at": ("3 o'clock",)}, {"at": ("24:00",)}, {"since_days": 0}):
        with pytest.raises(ValueError, match="categories"):
            CategoryScheduleParams(**bad)  # type: ignore[arg-type]
