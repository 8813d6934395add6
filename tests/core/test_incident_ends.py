"""Laws of how a scanned incident ends: with its last error, not with the minute that held it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from fm_anomaly.core.pipeline import Pipeline
from fm_anomaly.core.scan_report import scan_report
from fm_anomaly.core.sources import SourceName

START = datetime(2026, 3, 2, 10, 0, 0, tzinfo=UTC)


def test_an_outage_ends_with_its_last_error() -> None:
    """Errors from 10:50:10 to 10:52:20 are an incident of that span, though its last minute closes at 10:53."""
    began, over = START + timedelta(minutes=50, seconds=10), START + timedelta(minutes=52, seconds=20)
    lines = []
    for second in range(70 * 60):
        moment = START + timedelta(seconds=second)
        fails = began <= moment <= over
        event = f"price service refused item {second}" if fails else f"handled item {second} in {second % 40}ms"
        line = {"timestamp": moment.isoformat(), "level": "error" if fails else "info", "service": "cart"}
        lines.append(json.dumps(line | {"event": event}))
    pipeline = Pipeline()
    pipeline.observe(SourceName("f", "app"), ("\n".join(lines) + "\n").encode())
    pipeline.flush()
    (incident,) = scan_report(pipeline, ["f"], 1.0)["incidents"]
    assert (incident["start"], incident["end"]) == ("2026-03-02T10:50:10Z", "2026-03-02T10:52:20Z")
