"""Lines to time with: our own sample enlarged, digits and hex letters re-drawn so that no cache cheats.

It knows nothing of fm_anomaly but the sample generator.
"""

from __future__ import annotations

import random
import re
import tempfile
from pathlib import Path

import orjson

from fm_anomaly.evaluation.generator import GeneratorParams, generate
from fm_anomaly.evaluation.rendering import Format

_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_LONG_HEX = re.compile(r"\b[0-9a-f]{16,32}\b")
_DIGITS = re.compile(r"(?<![\d:T.-])\d{2,}(?![\d:-])")
_STAMP = re.compile(rb'"timestamp": ?"([^"]+)"')


def sample_records(seed: int = 11, max_lines: int = 60_000) -> list[dict[str, object]]:
    """Return parsed FaultMaven records of a generated day of several services."""
    with tempfile.TemporaryDirectory() as folder:
        generate(
            GeneratorParams(
                seed=seed, days=1.0, format=Format.FAULTMAVEN, max_lines=max_lines, n_incidents=0, is_merged=True
            ),
            Path(folder),
        )
        lines = [line for path in sorted(Path(folder).glob("*.log")) for line in path.read_bytes().splitlines()]
    records = []
    for line in lines:
        if line.startswith(b"{"):
            records.append(orjson.loads(line))
    return records


def redrawn(text: str, rng: random.Random) -> str:
    """Return `text` with uuids, long hex runs and free-standing numbers drawn again, lengths kept."""
    text = _UUID.sub(lambda m: _hex_like(m.group(), rng), text)
    text = _LONG_HEX.sub(lambda m: _hex_like(m.group(), rng), text)
    return _DIGITS.sub(
        lambda m: str(rng.randint(1, 9)) + "".join(rng.choices("0123456789", k=len(m.group()) - 1)), text
    )


def _hex_like(text: str, rng: random.Random) -> str:
    return "".join(rng.choice("0123456789abcdef") if c != "-" else c for c in text)


LINES_PER_S = 200
"""Event time of the lines: a fleet of five services that writes twelve thousand lines a minute."""


def ndjson_and_text(n_lines: int, seed: int = 7) -> tuple[bytes, bytes]:
    """Return the same `n_lines` records as FaultMaven NDJSON and as plain text `ts level [service] msg`."""
    rng = random.Random(seed)
    records = sample_records()
    as_json: list[bytes] = []
    as_text: list[str] = []
    start_s = 1_772_442_000
    for i in range(n_lines):
        record = dict(records[i % len(records)])
        stamp = _iso(start_s + i / LINES_PER_S)
        record["timestamp"] = stamp
        record["event"] = redrawn(str(record["event"]), rng)
        for key in ("correlation_id", "trace_id", "span_id", "request_id"):
            if key in record:
                record[key] = _hex_like(str(record[key]), rng)
        if "duration_seconds" in record:
            record["duration_seconds"] = round(rng.lognormvariate(-2, 0.5), 4)
        as_json.append(orjson.dumps(record))
        service = record.get("service.name", "app")
        body = str(record["event"]).replace("\n", " ")
        as_text.append(f"{stamp[:10]} {stamp[11:23]} {str(record['level']).upper():7s} [{service}] {body}")
    return b"\n".join(as_json) + b"\n", ("\n".join(as_text) + "\n").encode()


def _iso(seconds: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
