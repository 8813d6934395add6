"""Early scoring: an open bucket fires as it fills, once, and however its rows are cut."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fm_anomaly.core.alert_values import AlertAction, AlertEvent
from fm_anomaly.core.anomalies import AnomalyKind
from fm_anomaly.core.detectors.early import NEVER
from fm_anomaly.core.early import EarlyWatch
from fm_anomaly.core.frames import US_PER_S
from fm_anomaly.core.pipeline import Pipeline
from fm_anomaly.core.sources import SourceName
from fm_anomaly.core.state import Snapshot

NAME = SourceName("app.log", "app")
START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
BURST_S = 65 * 60 + 33
Lines = list[tuple[float, str, str]]


def lines(per_min: float, seconds: tuple[float, float], level: str, text: str, seed: int) -> Lines:
    """Return (second, level, message), Poisson at a rate."""
    chance, at, out = random.Random(seed), seconds[0], []
    while (at := at + chance.expovariate(per_min / 60)) < seconds[1]:
        out.append((at, level, text.replace("#", str(chance.randrange(10_000)))))
    return out


def log_of(*parts: Lines) -> bytes:
    """Return the log of these lines in order of time."""
    told = []
    for at, level, text in sorted(each for part in parts for each in part):
        stamp = (START + timedelta(seconds=at)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        told.append(f"{stamp} {level} [api] {text}\n")
    return "".join(told).encode()


def usual(per_min: float = 60, since_s: float = 0) -> Lines:
    """Return a stationary stream of 66 minutes, or of their end."""
    return lines(per_min, (since_s, 66 * 60), "INFO", "request # served in 12 ms", 1)


def fed(log: bytes, n_lines: int, *, restore: bool = False) -> list[AlertEvent]:
    """Return the events of a log that comes so many lines at a time, without its end."""
    pipeline, events, parts = Pipeline(), [], log.splitlines(keepends=True)
    for at in range(0, len(parts), n_lines):
        events += pipeline.observe(NAME, b"".join(parts[at : at + n_lines]))
        if restore and at // n_lines % 7 == 0:
            pipeline = Pipeline.restore(Snapshot.from_bytes(pipeline.snapshot().to_bytes()))
    return events


def second_of(event: AlertEvent) -> float:
    """Return the event time of an event, seconds from the log's start."""
    return event.tick_us / US_PER_S - START.timestamp()


@pytest.mark.parametrize("per_min", [12, 60, 600])
def test_a_tenfold_burst_fires_within_ten_seconds(per_min: int) -> None:
    """Law 7 without waiting for the minute: ten times the records fire within 11 s of the burst's first record."""
    gap_s = 60 / (10 * per_min)
    burst = [(BURST_S + i * gap_s, "INFO", "request 7 served in 12 ms") for i in range(int(15 / gap_s))]
    events = fed(log_of(usual(per_min), burst), 1_000)
    fired = [e for e in events if e.action is AlertAction.FIRE]
    assert [e.alert.kind for e in fired] == [AnomalyKind.VOLUME_SPIKE]
    assert second_of(fired[0]) - BURST_S <= 11
    assert "in 10s, expected" in fired[0].alert.reason


def test_a_new_error_fires_with_its_eighth_record() -> None:
    """Nine records of an error never seen are told at the next second, with the lines that say it."""
    error = [(BURST_S + i / 10, "ERROR", f"cannot reach billing at shard {i}") for i in range(9)]
    fired = [e for e in fed(log_of(usual(), error), 1_000) if e.action is AlertAction.FIRE]
    assert [e.alert.kind for e in fired] == [AnomalyKind.NEW_ERROR]
    assert 0 < second_of(fired[0]) - BURST_S <= 2
    assert "cannot reach billing" in fired[0].alert.evidence[0].text
    assert fired[0].alert.n_events in (8, 9)


def test_the_close_counts_the_early_records_once() -> None:
    """What an open bucket held is in the bucket's own count too: the alert counts each record once."""
    error = [(BURST_S + i / 10, "ERROR", f"cannot reach billing at shard {i}") for i in range(40)]
    pipeline = Pipeline()
    pipeline.observe(NAME, log_of(usual(), error, lines(60, (66 * 60, 70 * 60), "INFO", "request # served", 5)))
    assert {a.n_events for a in pipeline.book.alerts} == {40}


def test_a_stationary_stream_fires_nothing_early() -> None:
    """Six hours of a stream of one record a second raise nothing."""
    assert fed(log_of(lines(60, (0, 6 * 3600), "INFO", "request # served in 12 ms", 9)), 5_000) == []


def plain(events: list[AlertEvent]) -> list[Any]:
    """Return events as text that shows every field."""
    return [json.dumps([e.action, e.tick_us, e.notify, e.reason, repr(e.alert)]) for e in events]


@pytest.mark.parametrize("n_lines", [1, 7, 100])
def test_cuts_do_not_show_in_early_alerts(n_lines: int) -> None:
    """Early alerts are byte-equal however the lines come, snapshots between them included."""
    log = log_of(
        usual(20, since_s=15 * 60),
        lines(300, (BURST_S - 400, BURST_S - 380), "INFO", "request # served in 12 ms", 2),
        lines(200, (BURST_S, BURST_S + 20), "ERROR", "cannot reach billing at shard #", 3),
        lines(40, (BURST_S - 900, BURST_S), "ERROR", "stale cache entry #", 4),
    )
    whole = plain(fed(log, 100_000))
    assert len(whole) > 2
    assert plain(fed(log, n_lines, restore=n_lines > 1)) == whole


Rows = st.lists(
    st.tuples(st.integers(0, 2_500_000), st.integers(0, 2), st.booleans(), st.integers(0, 15_000_000)), max_size=60
)


@given(Rows, st.lists(st.integers(1, 9), min_size=1, max_size=20), st.integers(1, 6), st.integers(1, 4))
def test_checks_follow_from_the_rows_alone(
    rows: list[tuple[int, int, bool, int]], cuts: list[int], gate: int, gate_errors: int
) -> None:
    """The ticks of checks, their streams and their windows are the same for any cut of the rows."""
    clock_us = np.cumsum([0, *(step for step, *_ in rows)])[1:] + 1_000 * US_PER_S
    stream = np.array([s for _, s, _, _ in rows], dtype=np.int64)
    is_error = np.array([e for _, _, e, _ in rows], dtype=np.bool_)
    ts_us = clock_us - np.array([behind for *_, behind in rows], dtype=np.int64)

    def checks(sizes: list[int]) -> list[Any]:
        watch, found, at = EarlyWatch(), [], 0
        watch._grow(3)
        watch.closed(0, [0, 1, 2], lambda _: (gate, gate_errors), lambda *_: None)
        for size in [*sizes, len(rows)]:
            some = slice(at, at + size)
            if clock_us[some].size:
                watch.begin(clock_us[some], ts_us[some], stream[some], is_error[some], 3)
                for check in watch.ticks(0, clock_us[some].size, int(clock_us[some][-1])):
                    fast = {code: watch.fast(code, check.row, check.tick_us) for code in check.streams}
                    found.append((check.tick_us, at + check.row, sorted(fast.items())))
                watch.end()
                watch = EarlyWatch.restore(watch.snapshot())
            at += size
        return [found, watch._peak.tolist(), watch._gate.tolist()]

    assert checks(cuts) == checks([])


def test_an_unknown_stream_is_never_looked_at() -> None:
    """Before its first close a stream has no gates."""
    watch = EarlyWatch()
    n = np.full(1_000, 5 * US_PER_S, dtype=np.int64)
    watch.begin(n, n, np.zeros(1_000, dtype=np.int64), np.ones(1_000, dtype=np.bool_), 1)
    assert list(watch.ticks(0, 1_000, NEVER)) == []


def test_a_burst_that_ends_the_input_is_told_at_the_next_tick() -> None:
    """Nothing comes behind the burst, and the clock waits: a second that passes is enough."""
    pipeline = Pipeline()
    error = [(BURST_S + i / 100, "ERROR", f"cannot reach billing at shard {i}") for i in range(9)]
    quiet = [line for line in usual() if line[0] < BURST_S]
    assert pipeline.observe(NAME, log_of(quiet, error)) == []
    fired = pipeline.advance(0)
    assert [e.alert.kind for e in fired if e.action is AlertAction.FIRE] == [AnomalyKind.NEW_ERROR]


@pytest.mark.parametrize("after_s", [3, 12, 21])
@pytest.mark.parametrize("n", [9, 40])
def test_a_second_new_error_need_not_wait_for_the_minute_either(after_s: int, n: int) -> None:
    """A burst that has been told doesn't hide the next one of the same service, however soon and however large."""
    first = [(BURST_S - 20 + i / 20, "ERROR", f"cannot reach billing at shard {i}") for i in range(40)]
    second = [(BURST_S - 20 + after_s + i / 20, "ERROR", f"queue orders refused job {i}") for i in range(n)]
    fired = [e for e in fed(log_of(usual(), first, second), 1_000) if e.action is AlertAction.FIRE]
    (told,) = [e for e in fired if e.alert.evidence and "queue orders" in e.alert.evidence[0].text]
    assert told.alert.kind is AnomalyKind.NEW_ERROR
    assert second_of(told) - second[7][0] <= 3
