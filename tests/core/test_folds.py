"""Laws of the hour that a change of clocks repeats: a source that writes through it is not silent, and not late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from fm_anomaly.core.parsing import ParsingParams, SourceParser

BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2025, 10, 25, 22, 0, tzinfo=UTC)  # midnight in Berlin; clocks go back from 3 to 2 o'clock at 1 UTC


def night(step_s: int) -> tuple[bytes, list[datetime]]:
    """Return a log of local times without zones from midnight on, and the true times of its lines."""
    times = [START + timedelta(seconds=s) for s in range(0, 6 * 3600, step_s)]
    lines = [f"{at.astimezone(BERLIN):%Y-%m-%d %H:%M:%S} INFO [api] request served in 12 ms\n" for at in times]
    return "".join(lines).encode(), times


def parsed(data: bytes, cuts: list[int], tz: str = "Europe/Berlin") -> list[datetime]:
    parser = SourceParser("api.log", ParsingParams(tz=tz))
    frames = []
    for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True):
        frames.append(parser.feed(data[a:b]))
        parser = SourceParser.restore(parser.snapshot(), ParsingParams(tz=tz))
    frames.append(parser.flush())
    us = pl.concat(frames)["ts_us"].to_list()
    return [datetime.fromtimestamp(at / 1e6, UTC) for at in us]


@pytest.mark.parametrize("step_s", [20, 300, 1500])
def test_the_repeated_hour_goes_on(step_s: int) -> None:
    """Each line of the night stands at its true time, the repeated hour's too, and however the bytes are cut."""
    data, times = night(step_s)
    assert parsed(data, []) == times
    assert parsed(data, [len(data) // 3, len(data) // 3 + 1, len(data) // 2, 2 * len(data) // 3]) == times


def test_lines_a_little_out_of_order_stay_where_they_are() -> None:
    """A line that is written some seconds late, at either end of the repeated hour, is no hour off."""
    data, times = night(10)
    lines = data.splitlines(keepends=True)
    for i in range(0, len(lines) - 3, 3):
        lines[i], lines[i + 2] = lines[i + 2], lines[i]
        times[i], times[i + 2] = times[i + 2], times[i]
    assert parsed(b"".join(lines), []) == times


def test_a_source_that_begins_in_the_hour_is_read_as_before() -> None:
    """With nothing before it, and in a zone without changes, a time is read as the earlier one."""
    line = b"2025-10-26 02:30:00 INFO [api] request served\n"
    assert parsed(line, []) == [datetime(2025, 10, 26, 0, 30, tzinfo=UTC)]
    assert parsed(line, [], tz="UTC") == [datetime(2025, 10, 26, 2, 30, tzinfo=UTC)]
    assert parsed(line.replace(b"00 INFO", b"00+01:00 INFO"), []) == [datetime(2025, 10, 26, 1, 30, tzinfo=UTC)]
