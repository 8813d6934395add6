"""Laws of typed times: a time of day is that of the log's day, in the log's zone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from fm_anomaly.cli.spans import bounds_us, typed_time
from fm_anomaly.cli.wording import Clockface
from fm_anomaly.errors import UsageError


def us(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1_000_000)


@pytest.mark.parametrize(
    ("text", "zone", "instant"),
    [
        ("2026-03-02T12:30:03", "UTC", "2026-03-02T12:30:03Z"),
        ("2026-03-02 12:30", "Europe/Paris", "2026-03-02T11:30:00Z"),
        ("2026-07-02 12:30", "Europe/Paris", "2026-07-02T10:30:00Z"),
        ("2026-03-02T12:30:03+05:30", "UTC", "2026-03-02T07:00:03Z"),
        ("1772454603", "UTC", "2026-03-02T12:30:03Z"),
    ],
)
def test_an_instant_is_itself(text: str, zone: str, instant: str) -> None:
    """ISO 8601 with and without zone, and epoch seconds."""
    assert typed_time(text, zone).at_or_after(0) == us(instant)


@pytest.mark.parametrize(
    ("first", "zone", "expected"),
    [
        ("2026-03-02T10:00:00Z", "UTC", "2026-03-02T12:30:00Z"),
        ("2026-03-02T13:00:00Z", "UTC", "2026-03-02T12:30:00Z"),
        ("2026-03-02T00:00:00.300Z", "UTC", "2026-03-02T12:30:00Z"),
        ("2026-03-02T00:40:00Z", "UTC", "2026-03-02T12:30:00Z"),
        ("2026-03-02T23:00:00Z", "UTC", "2026-03-02T12:30:00Z"),
        ("2026-03-29T00:30:00Z", "Europe/Paris", "2026-03-29T10:30:00Z"),
        ("2026-03-02T10:00:00Z", "Europe/Paris", "2026-03-02T11:30:00Z"),
    ],
)
def test_a_time_of_day_is_one_of_the_logs_first_day(first: str, zone: str, expected: str) -> None:
    """Also over midnight and where the clocks change; a little before the first record is no other day."""
    assert typed_time("12:30", zone).near(us(first)) == us(expected)


def test_a_night_is_one_span() -> None:
    """A log from evening to morning has its small hours on the next day."""
    assert typed_time("01:00", "UTC").near(us("2026-03-02T20:00:00Z")) == us("2026-03-03T01:00:00Z")


def test_until_comes_after_since() -> None:
    """A span over midnight is one span."""
    since, until = bounds_us((typed_time("23:00", "UTC"), typed_time("01:00", "UTC")), us("2026-03-02T10:00:00Z"))
    assert (since, until) == (us("2026-03-02T23:00:00Z"), us("2026-03-03T01:00:00Z"))


@pytest.mark.parametrize("text", ["", "noon", "25:00", "12:61", "2026-13-01"])
def test_what_is_no_time_is_refused(text: str) -> None:
    """With the way to write it."""
    with pytest.raises(UsageError, match="write 12:30:03"):
        typed_time(text, "UTC")


@pytest.mark.parametrize("zone", ["UTC", "Europe/Paris", "America/St_Johns"])
@pytest.mark.parametrize("last", ["2026-03-02T18:00:00Z", "2026-03-09T10:00:00Z"])
def test_what_is_shown_can_be_typed(zone: str, last: str) -> None:
    """The time in a `see` line leads back to the instant, whatever the zone."""
    first, at = "2026-03-02T10:00:00Z", "2026-03-02T17:15:30Z"
    face = Clockface.of(zone, first, last)
    assert typed_time(face.typed(at), zone).near(us(first)) == us(at)
    assert datetime.fromtimestamp(us(at) / 1e6, UTC).isoformat() == at.replace("Z", "+00:00")
