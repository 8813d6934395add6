"""Sessions in the Pipeline: many unusual in one way are one finding, and no input makes the state grow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random

import pytest

from fm_anomaly.core.alerts import AlertEvent
from fm_anomaly.core.anomalies import AnomalyKind
from fm_anomaly.core.detection import Detection
from fm_anomaly.core.frames import StreamKey
from fm_anomaly.core.pipeline import Pipeline
from fm_anomaly.core.sequence_series import Budget, SequenceSeries, SequenceSeriesParams
from fm_anomaly.core.sequences import Sequences
from fm_anomaly.core.sessions import SessionParams
from fm_anomaly.core.sources import SourceName
from fm_anomaly.core.state import Snapshot

NAME = SourceName("orders.log", "orders")
ORDER = ("order received", "payment authorized", "stock reserved", "shipment created", "order completed")
REPORT = ("report requested", "query ran", "report rendered")


def changed(steps: tuple[str, ...], how: str) -> tuple[str, ...]:
    """Return the steps of an order that went wrong in one way."""
    return {
        "missing": (*steps[:3], *steps[4:]),
        "extra": (*steps[:2], "payment declined", *steps[2:]),
        "more": (*steps[:3], steps[2], steps[2], *steps[3:]),
        "order": (steps[0], steps[2], steps[1], *steps[3:]),
        "new": (*steps, "loyalty points granted"),
        "": steps,
    }[how]


def sessions(minutes: int, how: str = "", at_min: int = 1 << 30, seed: int = 1) -> Iterator[tuple[float, str, str]]:
    """Yield (second, id, step) of a shop whose orders go wrong from one minute on."""
    rng = Random(seed)
    rows, now = [], 0.0
    while (now := now + rng.expovariate(1 / 3)) < minutes * 60:
        steps = REPORT if rng.random() < 0.3 else ORDER
        if steps is ORDER and rng.random() < 0.02:
            steps = changed(ORDER, "extra")
        elif steps is ORDER and now >= at_min * 60 and rng.random() < 0.9:
            steps = changed(ORDER, how)
        key = f"{rng.getrandbits(128):032x}"
        rows += [(now + 0.05 * i, key, step) for i, step in enumerate(steps)]
    yield from sorted(rows)


def as_json(rows: Iterator[tuple[float, str, str]]) -> bytes:
    """Return the rows as JSON lines with a correlation id."""
    lines = []
    for s, key, step in rows:
        at = f"2026-03-02T{int(s) // 3600:02d}:{int(s) // 60 % 60:02d}:{s % 60:09.6f}Z"
        record = {"timestamp": at, "level": "info", "event": step, "correlation_id": key, "service.name": "orders"}
        lines.append(json.dumps(record))
    return ("\n".join(lines) + "\n").encode()


def as_text(rows: Iterator[tuple[float, str, str]]) -> bytes:
    """Return the rows as plain lines that name the id in their message."""
    return "".join(
        f"2026-03-02 {int(s) // 3600:02d}:{int(s) // 60 % 60:02d}:{s % 60:06.3f} INFO [orders] {step} for {key}\n"
        for s, key, step in rows
    ).encode()


def alerts(data: bytes, size: int = 1 << 20) -> list[AlertEvent]:
    """Return what a pipeline tells of some lines, cut into pieces."""
    pipeline = Pipeline()
    events = []
    for i in range(0, len(data), size):
        events += pipeline.observe(NAME, data[i : i + size])
    return events + pipeline.flush()


@pytest.mark.parametrize("how", ["missing", "extra", "more", "order"])
def test_many_sessions_unusual_in_one_way_are_told_once(how: str) -> None:
    """One alert of kind `sequence`, from where it began, with a true sentence."""
    events = [e for e in alerts(as_json(sessions(100, how, 90))) if e.alert.kind is AnomalyKind.SEQUENCE]
    assert [e.action.value for e in events].count("fire") == 1
    alert = events[0].alert
    assert alert.subject.startswith(how)
    assert 90 * 60 <= alert.start_us / 1e6 % 86_400 <= 91 * 60
    assert " sessions that begin with “order received” in 1m, in " in alert.reason
    if how != "extra":
        assert ", in 0 of " in alert.reason
    assert alert.unit == "sessions"


def test_ids_in_messages_serve_as_well() -> None:
    """Plain lines that name an id are sessions too."""
    [alert] = {e.alert.subject for e in alerts(as_text(sessions(100, "missing", 90))) if e.alert.kind == "sequence"}
    assert alert.startswith("missing")


@pytest.mark.parametrize(("how", "at_min"), [("", 0), ("new", 90)])
def test_usual_sessions_and_new_steps_are_quiet(how: str, at_min: int) -> None:
    """Neither an ordinary morning nor a deploy that makes all sessions say one thing more is unusual."""
    assert [e.alert.title for e in alerts(as_json(sessions(150, how, at_min))) if e.alert.kind == "sequence"] == []


def test_a_stream_without_ids_has_no_sessions() -> None:
    """Nothing is kept, and after 20,000 records its messages are not even searched."""
    pipeline = Pipeline()
    for i in range(21):
        lines = "".join(f"2026-03-02 10:{i:02d}:{j // 20:02d} INFO [api] tick {j}\n" for j in range(1_000))
        pipeline.observe(NAME, lines.encode())
    pipeline.observe(NAME, b"2026-03-02 10:30:00 INFO [api] tick 1\n" * 10)
    assert pipeline.detection.sequences.by_stream == {}
    assert pipeline.detection.sequences.is_off(StreamKey("default", "api"), from_text=True)
    assert not pipeline.detection.sequences.is_off(StreamKey("default", "api"), from_text=False)


@pytest.mark.parametrize("size", [997, 40_000])
def test_cuts_do_not_show(size: int) -> None:
    """However the lines are cut, events and state are the same."""
    data = as_json(sessions(40, "missing", 30))
    whole, cut = Pipeline(), Pipeline()
    events = whole.observe(NAME, data)
    for i in range(0, len(data), size):
        cut.observe(NAME, data[i : i + size])
    assert cut.detection.sequences.snapshot() == whole.detection.sequences.snapshot()
    assert alerts(data, size) == events + whole.flush()


def test_a_snapshot_at_any_point_changes_nothing() -> None:
    """A pipeline restored in the middle of sessions, or of an open alert, goes on as if it had never stopped."""
    data = as_json(sessions(100, "missing", 85))
    whole = [repr(e) for e in alerts(data)]
    for share in (0.3, 0.9, 0.97):
        at = int(len(data) * share)
        pipeline = Pipeline()
        events = pipeline.observe(NAME, data[:at])
        pipeline = Pipeline.restore(Snapshot.from_bytes(pipeline.snapshot().to_bytes()))
        events += pipeline.observe(NAME, data[at:]) + pipeline.flush()
        assert [repr(e) for e in events] == whole


def test_ids_that_never_come_again_are_let_be() -> None:
    """A stream whose ids name single records is switched off, and its state with it."""
    sequences = Sequences(SequenceSeriesParams(off_after=500), 10)
    stream = StreamKey("default", "api")
    for minute in range(60):
        keys = [f"{minute}-{i}" for i in range(50)]
        sequences.add(stream, minute, keys, [i % 5 for i in range(50)], [minute * 60_000_000 + i for i in range(50)])
        assert list(sequences.close(minute, (minute + 1) * 60_000_000)) == []
    assert sequences.is_off(stream, from_text=False)
    assert len(repr(sequences.snapshot())) < 1_000


def test_more_sessions_than_are_kept_are_sampled_whole() -> None:
    """Beyond the bound fewer ids are followed, each with all of its records: no false gaps, no growth."""
    params = SequenceSeriesParams(sessions=SessionParams(max_open=200))
    budget = Budget(150)
    series = SequenceSeries(0, params, budget)
    found = []
    for minute in range(120):
        for step in range(4):
            for i in range(300):
                series.add([f"{minute}-{i}"], [step], [minute * 60_000_000 + step * 10_000_000 + i])
        found += series.close(minute, (minute + 1) * 60_000_000)
    assert found == []
    assert series.sampling >= 2
    assert 0 <= budget.left <= 150
    assert series.n_ended > 1_000


def test_sessions_of_many_streams_share_one_bound() -> None:
    """Ids and service names that never repeat keep the whole below its size."""
    detection = Detection()
    for i in range(300):
        key = StreamKey("default", f"s{i}")
        detection.sequences.add(key, 0, [f"{i}-{j}" for j in range(300)], [0] * 300, list(range(300)))
    n_open = sum(len(series.open_sessions) for series in detection.sequences.by_stream.values())
    assert n_open <= SequenceSeriesParams().max_open
