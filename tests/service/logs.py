"""Logs for tests of the service: minutes of several services with an outage in them, cut into batches."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from random import Random

from fm_anomaly.ingest.batches import Batch, Part

START = datetime(2026, 3, 2, 10, 0, 0, tzinfo=UTC)


def minute(number: int, seed: int = 1, n_lines: int = 60, outage: range = range(50, 54)) -> bytes:
    """Return one minute of three services as NDJSON; in the minutes of `outage` one of them fails anew."""
    rng = Random(seed * 1_000_003 + number)
    lines = []
    for at in range(n_lines):
        moment = START + timedelta(seconds=number * 60 + at * 60 / n_lines)
        service = ("cart", "mail", "stock")[at % 3]
        line = {
            "timestamp": moment.isoformat().replace("+00:00", "Z"),
            "level": "info",
            "service": service,
            "event": f"{service} handled item {rng.randint(1, 9_999)} in {rng.randint(5, 60)}ms",
        }
        if number in outage and service == "cart":
            line |= {"level": "error", "event": f"price service refused item {rng.randint(1, 9_999)}"}
        lines.append(json.dumps(line))
    return ("\n".join(lines) + "\n").encode()


def batch(data: bytes, source: str = "http/json/app", protocol: str = "http") -> Batch:
    """Return lines as the batch of a decoder."""
    return Batch(protocol, (Part(source, "app", data, data.count(b"\n")),))
