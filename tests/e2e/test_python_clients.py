"""The Python packages that send logs: their records arrive with service, severity, exception and time."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import elasticsearch
import pytest
from elasticsearch import helpers

from fm_anomaly.errors import BusyError
from tests.e2e.conftest import CLIENTS
from tests.e2e.receiver import Receiver


def run(script: str, *arguments: str) -> None:
    call = [sys.executable, "-W", "ignore", str(CLIENTS / script), *arguments]
    done = subprocess.run(call, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr


def check(receiver: Receiver, service: str | None) -> dict[str, dict[str, Any]]:
    """The three records that each client sends, whatever it calls things."""
    records = receiver.wait_for(3)
    by_body = {r["body"]: r for r in records}
    assert sorted(by_body) == ["no prices", "served page 3", "slow"]
    assert {r["service"] for r in records} == {service}
    assert [by_body[b]["severity"] for b in ("served page 3", "no prices", "slow")] == [9, 17, 13]
    assert by_body["no prices"]["exc_type"] == "KeyError"
    assert all(receiver.is_now(r["ts_us"]) for r in records)
    return by_body


def test_the_opentelemetry_sdk(receiver: Receiver) -> None:
    """OTLP as protobuf, gzip; the exception and other attributes by the semantic conventions."""
    run("otlp.py", receiver.url)
    records = check(receiver, "shop-python")
    assert records["no prices"]["exc_frame"].endswith("in total")
    assert records["slow"]["duration_ms"] == 12.0


def test_the_opentelemetry_sdk_sends_again_when_told_to(receiver: Receiver) -> None:
    """429, then taken: the records are there once."""
    receiver.intake.refusals = [BusyError("later", 1)]
    run("otlp.py", receiver.url)
    check(receiver, "shop-python")


@pytest.mark.parametrize("version", ["0", "1"])
def test_python_logging_loki(receiver: Receiver, version: str) -> None:
    """Both of its versions; the level and the logger are labels, the traceback is in the line."""
    run("loki.py", receiver.url, version)
    check(receiver, "shop-loki")


def test_splunk_handler(receiver: Receiver) -> None:
    """Events one after the other without a content type; the level is in the text."""
    receiver.intake.refusals = [BusyError("later", 1)]
    run("splunk.py", str(receiver.port))
    check(receiver, "cart")


def actions() -> list[dict[str, Any]]:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    fields = {"@timestamp": now, "service": {"name": "shop-es"}, "_op_type": "create", "_index": "logs-shop-default"}
    failed = {"message": "no prices", "log.level": "error", "error": {"type": "KeyError", "message": "991"}}
    return [
        fields | {"message": "served page 3", "log.level": "info"},
        fields | failed,
        fields | {"message": "slow", "log": {"level": "warn"}},
    ]


def client(receiver: Receiver, **options: Any) -> elasticsearch.Elasticsearch:
    return elasticsearch.Elasticsearch(receiver.url, http_compress=True, **options)


def test_elasticsearch_bulk(receiver: Receiver) -> None:
    """The client finds the product that it wants, and each item's result."""
    with client(receiver) as es:
        assert es.info()["version"]["number"]
        assert helpers.bulk(es, actions()) == (3, [])
    check(receiver, "shop-es")


def test_elasticsearch_is_told_of_each_item_that_is_not_taken(receiver: Receiver) -> None:
    """The others are taken."""
    with client(receiver) as es:
        mixed = [*actions(), {"_op_type": "delete", "_index": "a", "_id": "1"}]
        n, errors = helpers.bulk(es, mixed, raise_on_error=False)
    assert (n, [error["delete"]["status"] for error in errors]) == (3, [400])
    check(receiver, "shop-es")


def test_elasticsearch_sends_again_when_told_to(receiver: Receiver) -> None:
    """429 is tried again by the client itself; the records are there once."""
    receiver.intake.refusals = [BusyError("later", 1)]
    with client(receiver, retry_on_status=(429,), max_retries=2) as es:
        assert helpers.bulk(es, actions())[0] == 3
    check(receiver, "shop-es")
