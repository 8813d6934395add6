"""Laws of live sources: cuts never show in times either, several sources are one batch, thousands are cheap to tick."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fm_anomaly.core.frames import US_PER_S
from fm_anomaly.core.pipeline import Pipeline
from fm_anomaly.core.sources import Arrived, Source, SourceName
from fm_anomaly.core.state import Snapshot
from fm_anomaly.testing import as_bytes, outage_log

NAME = SourceName("http", "app")
NOW_US = 1_772_445_600 * US_PER_S  # 2026-03-02 10:00:00 UTC
LATER_US = NOW_US + 3 * 3600 * US_PER_S
LINES = (
    "2026-03-02 09:59:58 INFO [cart] added item 1",
    "bare words without a time",
    "Traceback (most recent call last):",
    '  File "/srv/a.py", line 1, in f',
    "ValueError: no",
    '{"timestamp": "2026-03-02T09:59:59Z", "level": "info", "event": "served"}',
    '{"level": "info", "event": "timeless"}',
    "",
    "2026-03-02 23:00:00 INFO [cart] from the future",
)


def taken(pieces: list[tuple[list[str], int]], cuts: list[int]) -> list[tuple[Any, ...]]:
    """Return (line, time, clock) of the records of one source that receives the pieces in calls cut at `cuts`."""
    source = Source(NAME, Pipeline().params.parsing, 0)
    frames = []
    edges = sorted({0, *(c for c in cuts if c <= len(pieces)), len(pieces)})
    for a, b in pairwise(edges):
        frames.append(source.receive([("".join(f"{x}\n" for x in part).encode(), us) for part, us in pieces[a:b]]))
        source = Source.restore(source.snapshot(), Pipeline().params.parsing)
    frames.append(source.flush())
    return [row for frame in frames for row in frame.select("line", "ts_us", "clock_us").iter_rows()]


@settings(max_examples=60)
@given(data=st.data())
def test_times_do_not_depend_on_the_cut(data: st.DataObject) -> None:
    """However pieces are put into calls, with a snapshot between any two, every record has the same time."""
    lines = data.draw(st.lists(st.lists(st.sampled_from(LINES), min_size=1, max_size=4), min_size=1, max_size=8))
    pieces = [(part, NOW_US + at * 7 * US_PER_S) for at, part in enumerate(lines)]
    cuts = data.draw(st.lists(st.integers(1, len(pieces)), max_size=4))
    assert taken(pieces, cuts) == taken(pieces, [])


def test_a_record_without_a_time_keeps_its_distance_from_those_that_tell_one() -> None:
    """It lies as long after the record before it as their receipts lie apart; with none before, it is its receipt."""
    rows = taken([([LINES[1]], NOW_US), ([LINES[0]], NOW_US + US_PER_S), ([LINES[6]], NOW_US + 9 * US_PER_S)], [1, 2])
    assert [us for _, us, _ in rows] == [NOW_US, NOW_US - 2 * US_PER_S, NOW_US + 6 * US_PER_S]


def test_a_record_of_the_future_takes_the_time_of_its_receipt() -> None:
    """One sender whose clock runs ahead moves no clock: the times of others stay in time."""
    rows = taken([([LINES[8]] * 5, NOW_US), ([LINES[0]], NOW_US + US_PER_S)], [1])
    assert {us for _, us, _ in rows[:5]} == {NOW_US}
    assert rows[5][1] == NOW_US - 2 * US_PER_S


def events_of(pipeline: Pipeline, calls: list[list[Arrived]]) -> list[Any]:
    events = []
    for call in calls:
        events += pipeline.receive(call)
    return [(e.action, e.alert.alert_id, e.tick_us, e.reason) for e in events + pipeline.flush()]


@pytest.mark.parametrize("size", [1, 37, 400])
def test_received_or_observed_is_the_same(size: int) -> None:
    """Law 8: a log that is received in pieces gives the alerts of one that is observed whole, byte by byte."""
    lines = outage_log()
    parts = [as_bytes(lines[at : at + size]) for at in range(0, len(lines), size)]
    if size == 1:
        parts = [*parts[:300], b"".join(parts[300:])]
    arrived = [Arrived(NAME, part, LATER_US) for part in parts]
    whole = Pipeline()
    wanted = [(e.action, e.alert.alert_id, e.tick_us, e.reason) for e in whole.observe(NAME, as_bytes(lines))]
    wanted += [(e.action, e.alert.alert_id, e.tick_us, e.reason) for e in whole.flush()]
    assert wanted
    assert events_of(Pipeline(), [[each] for each in arrived]) == wanted
    assert events_of(Pipeline(), [arrived]) == wanted


def test_sources_of_one_call_are_taken_by_their_clocks() -> None:
    """Two sources that cover one hour each, received together, give no late record; so does a restored pipeline."""
    lines = outage_log(60)
    cart, mail = (as_bytes([x for x in lines if f"[{name}]" in x]) for name in ("cart", "mail"))
    pipeline = Pipeline.restore(Snapshot.from_bytes(Pipeline().snapshot().to_bytes()))
    names = SourceName("a", "app"), SourceName("b", "app")
    pipeline.receive([Arrived(name, part, LATER_US) for name, part in zip(names, (cart, mail), strict=True)])
    pipeline.flush()
    assert pipeline.n_late == 0
    assert pipeline.counts().is_balanced


def test_a_tick_over_thousands_of_sources_is_one_batch() -> None:
    """3,000 sources with an open record each are ended by one tick, at far less than a batch each would cost."""
    pipeline = Pipeline()
    line = as_bytes([LINES[0]])
    began = time.process_time()
    pipeline.receive([Arrived(SourceName(f"host{n}", "app"), line * 3, NOW_US) for n in range(300)])
    each_s = (time.process_time() - began) / 300
    for n in range(300, 3_000):
        pipeline.source(SourceName(f"host{n}", "app"))
    began = time.process_time()
    pipeline.advance(NOW_US + US_PER_S)
    pipeline.advance(NOW_US + 2 * US_PER_S)
    assert time.process_time() - began < 3_000 * each_s
    assert pipeline.counts().records == 900
