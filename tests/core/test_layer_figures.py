"""Laws of what is counted of layers: each duration once, cuts do not show, bounded, restored whole."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fm_anomaly.core.layer_figures import BOUNDS_S, Cascades, LayerFigures, LayerParams
from fm_anomaly.core.pipeline import Pipeline
from fm_anomaly.core.sources import SourceName


def line(at: int, **fields: Any) -> str:
    """Return one record as FaultMaven writes it."""
    named = {"logger": "shop.core", "level": "info", "timestamp": f"2026-03-02T09:{at // 60:02}:{at % 60:02}.000000Z"}
    return json.dumps({**named, "event": "x", **fields})


def failed(at: int, layer: str, request: str) -> str:
    """Return the record of an operation that failed."""
    return line(
        at,
        event=f"Operation failed: {layer} pay",
        event_type="operation_error",
        layer=layer,
        operation="pay",
        level="error",
        duration_seconds=2.5,
        correlation_id=request,
    )


def summary(at: int, n_errors: int, request: str, *, is_failed: bool) -> str:
    """Return the summary of a request."""
    extra = {"correlation_id": request, "duration_seconds": 2.6, "errors_encountered": n_errors}
    extra["attributes"] = {"method": "POST", "path": "/pay"}  # type: ignore[assignment]
    word = "Failed request summary" if is_failed else "Request summary"
    return line(at, event=f"{word}: 9 operations logged", level="error" if is_failed else "info", extra=extra)


def counted(lines: Sequence[str], n_at_once: int = 1_000, params: LayerParams | None = None) -> LayerFigures:
    """Return what is counted of lines that arrive so many at a time."""
    pipeline, figures = Pipeline(), LayerFigures(params)
    pipeline.on_taken = lambda batch: figures.add(batch, pipeline.streams)
    for start in range(0, len(lines), n_at_once):
        text = "".join(f"{each}\n" for each in lines[start : start + n_at_once])
        pipeline.observe(SourceName("shop", "shop"), text.encode())
    pipeline.flush()
    return figures


STORY = [
    line(1, event="Operation completed: find", event_type="operation_end", layer="core", duration_seconds=0.2),
    failed(2, "infrastructure", "req-000001"),
    failed(3, "core", "req-000001"),
    failed(4, "service", "req-000001"),
    summary(5, 4, "req-000001", is_failed=True),
    failed(6, "core", "req-000002"),
    failed(7, "core", "req-000002"),
    line(8, event="Slow request detected: GET /pay took 9.000s", duration_seconds=9.0, correlation_id="req-000002"),
    line(8, event="Request completed: GET /pay", method="GET", path="/pay", status_code=200, duration_seconds=9.0),
    summary(9, 5, "req-000002", is_failed=False),
]


def test_each_duration_counts_once_in_its_layer() -> None:
    """Operations by their layer, requests as api; a request's summary and its slowness are the same request again."""
    found = {layer: each for (_, layer), each in counted(STORY).durations.items()}
    assert {layer: sum(each.counts) for layer, each in found.items()} == {
        "core": 4,
        "infrastructure": 1,
        "service": 1,
        "api": 1,
    }
    assert found["core"].total_us == 200_000 + 3 * 2_500_000
    assert found["core"].counts[BOUNDS_S.index(0.3)] == 1
    assert found["api"].counts[BOUNDS_S.index(10.0)] == 1


def test_one_error_in_several_layers_is_a_repetition() -> None:
    """E and L of each request: four errors in four layers avoid none of three; five in one layer avoid four of four."""
    assert counted(STORY).cascades == {"shop": Cascades(errors=6, repeated=4, avoidable=3 + 4, avoided=0 + 4)}


@pytest.mark.parametrize("n_at_once", [1, 3])
def test_cuts_do_not_show(n_at_once: int) -> None:
    """The counts are the same however the lines arrive."""
    assert counted(STORY, n_at_once).snapshot() == counted(STORY).snapshot()


@given(st.integers(0, len(STORY)))
def test_a_restored_count_goes_on(cut: int) -> None:
    """What was counted before a snapshot and after it is what is counted without one."""
    before = counted(STORY[:cut])
    assert LayerFigures.restore(before.snapshot()).snapshot() == before.snapshot()


def test_requests_that_are_remembered_are_bounded() -> None:
    """A request that never ends is forgotten; the records still count."""
    lines = [failed(at % 3_000, "core", f"req-{at:06}") for at in range(300)]
    found = counted(lines, params=LayerParams(max_requests=20))
    assert len(found.snapshot()["requests"]) == 20
    assert found.cascades["shop"].errors == 300


def test_watching_changes_nothing() -> None:
    """A pipeline that is watched has the state of one that is not."""
    text = "".join(f"{each}\n" for each in STORY).encode()
    watched, alone = Pipeline(), Pipeline()
    figures = LayerFigures()
    watched.on_taken = lambda batch: figures.add(batch, watched.streams)
    for pipeline in (watched, alone):
        pipeline.observe(SourceName("shop", "shop"), text)
    assert watched.snapshot().to_bytes() == alone.snapshot().to_bytes()
