"""The npm packages that send logs: their records arrive with service, severity, exception and time."""

from __future__ import annotations

import pytest

from fm_anomaly.errors import BusyError
from tests.e2e.conftest import Run
from tests.e2e.receiver import Receiver


def test_the_opentelemetry_sdk(receiver: Receiver, node: Run) -> None:
    """OTLP as JSON, gzip; a body that is a map."""
    done = node("otlp.cjs", receiver.url)
    assert done.returncode == 0, done.stderr
    served, failed, slow = receiver.wait_for(3)
    assert {r["service"] for r in (served, failed, slow)} == {"shop-node"}
    assert [r["severity"] for r in (served, failed, slow)] == [9, 17, 13]
    assert [r["body"] for r in (served, failed, slow)] == ["served page 3", "no prices", "slow"]
    assert (failed["exc_type"], failed["exc_frame"]) == ("TypeError", "cart.js:7 in total")
    assert slow["duration_ms"] == 12.0
    assert all(receiver.is_now(r["ts_us"]) for r in (served, failed, slow))


def test_the_opentelemetry_sdk_sends_again_when_told_to(receiver: Receiver, node: Run) -> None:
    """429 with Retry-After: the exporter comes again, and the records are there once."""
    receiver.intake.refusals = [BusyError("later", 1)]
    assert node("otlp.cjs", receiver.url).returncode == 0
    assert len(receiver.wait_for(3)) == 3


def test_pino_loki(receiver: Receiver, node: Run) -> None:
    """Loki as JSON; the line is pino's own JSON."""
    done = node("pino_loki.cjs", receiver.url)
    assert done.returncode == 0, done.stderr
    records = receiver.wait_for(3)
    by_body = {r["body"]: r for r in records}
    assert sorted(by_body) == ["no prices", "served page 3", "slow"]
    assert {r["service"] for r in records} == {"shop-pino"}
    assert [by_body[b]["severity"] for b in ("served page 3", "no prices", "slow")] == [9, 17, 13]
    assert by_body["no prices"]["exc_type"] == "TypeError"
    assert by_body["slow"]["duration_ms"] == 12.0
    assert all(receiver.is_now(r["ts_us"]) for r in records)


@pytest.mark.parametrize("encoding", ["protobuf", "json"])
def test_winston_loki(receiver: Receiver, node: Run, encoding: str) -> None:
    """Loki as protobuf in snappy, and as JSON."""
    done = node("winston_loki.cjs", receiver.url, encoding)
    assert done.returncode == 0, done.stderr
    records = receiver.wait_for(3)
    by_body = {r["body"]: r for r in records}
    assert {"no prices", "served page 3", "slow"} == set(by_body)
    assert {r["service"] for r in records} == {"shop-winston"}
    assert [by_body[b]["severity"] for b in ("served page 3", "no prices", "slow")] == [9, 17, 13]
    assert by_body["no prices"]["exc_type"] == "TypeError"
    assert all(receiver.is_now(r["ts_us"]) for r in records)
