"""The sentences say what was seen: numbers, spans and titles as people write them."""

from __future__ import annotations

import pytest

from fm_anomaly.core.anomalies import AnomalyKind, Finding, Reading, Score
from fm_anomaly.core.features import ExceptionCount, TemplateCount
from fm_anomaly.core.reasons import Context, error_title, words

MINUTE = 60_000_000
CONTEXT = Context("api", 150 * MINUTE, MINUTE, n_records=115, n_errors=46, share_before=0.0)
REDIS = "could not connect to redis at <ip>: Connection refused"


def _finding(kind: AnomalyKind, reading: Reading, **changes: object) -> Finding:
    return Finding(kind, str(changes.pop("subject", "")), reading, True, 0, 46, **changes)  # type: ignore[arg-type]


def test_a_new_error_says_how_long_it_was_never_seen() -> None:
    """History, rate and the rise of the error share stand in one sentence."""
    template = TemplateCount(1, "t1", REDIS, 46, 46, 0)
    name = "redis.exceptions.ConnectionError"
    exception = ExceptionCount(f"{name} at a.py:8 in get", name, "a.py:8 in get", None, 46, 0, 1)
    reading = Reading(Score(0.9, 90.0), 1, 46.0, 0.0, 0.0, 1, 0)
    said = words(_finding(AnomalyKind.NEW_ERROR, reading, template=template, exception=exception), CONTEXT)
    assert said.title == "redis: connection refused"
    assert said.reason == "never seen in the 2h30m before · 46/min, expected 0 · error share of api 0 % → 40 %"


def test_a_drop_says_to_which_part() -> None:
    """Observed, expected range and the part that is left."""
    reading = Reading(Score(0.9, 20.0), -1, 121.0, 420.0, 780.0, 5, 900.0, 600.0)
    said = words(_finding(AnomalyKind.VOLUME_DROP, reading), CONTEXT)
    assert said.reason == "121 records in 5m, expected 420–780 · down to 20 % · learned over 2h30m"


def test_a_silence_says_what_is_missing() -> None:
    """The gap, what should have come, and the rate."""
    reading = Reading(Score(0.9, 20.0), -1, 0.0, 60.0, 60.0, 5, 900.0, 60.0)
    said = words(_finding(AnomalyKind.SILENCE, reading), CONTEXT)
    assert said.reason == "no record for 5m, about 60 expected at 12/min · learned over 2h30m"


@pytest.mark.parametrize(
    ("exc_type", "message", "text", "title"),
    [
        ("redis.exceptions.ConnectionError", None, REDIS, "redis: connection refused"),
        ("java.lang.IllegalStateException", "pool is closed", "x", "IllegalStateException: pool is closed"),
        (None, None, "job <num> failed: <*>", "job failed"),
        (None, None, "<num> <*>", "error"),
        ("KeyError", "", "", "KeyError"),
        (None, None, "x" * 500, "x" * 59 + "…"),
        (
            "kafka.errors.NoBrokersAvailable",
            "no brokers available at kafka-0:9092, dropping shipment event 5301",
            "x",
            "kafka: no brokers available, dropping shipment event",
        ),
        (None, None, "kafka: no brokers at kafka-<num>:<num>, event <id> lost", "kafka: no brokers, event lost"),
        (
            "TimeoutError",
            "upstream llm-gateway timed out after 30s",
            "x",
            "TimeoutError: upstream llm-gateway timed out",
        ),
        ("TimeoutError", "gave up after 3 attempts (order=17)", "x", "TimeoutError: gave up"),
        ("shop.Upstream", "pay returned 503 for order 17", "x", "shop: pay returned 503 for order"),
        ("shop.Upstream", "gateway answered 502 for snapshot 8812", "x", "shop: gateway answered 502 for snapshot"),
        ("shop.Upstream", "HTTP 404", "x", "shop: HTTP 404"),
        ("ValueError", "17", "job <num> (attempt <num>) failed", "ValueError: job (attempt) failed"),
        (None, None, "bucket s3 is gone", "bucket s3 is gone"),
        (None, None, "could not connect to redis at <ip>: refused", "could not connect to redis: refused"),
    ],
)
def test_titles_are_short_and_human(exc_type: str | None, message: str | None, text: str, title: str) -> None:
    """A title has no masks, and is cut to its length."""
    assert error_title(exc_type, message, text) == title


def test_strays_before_a_new_error_are_told() -> None:
    """An error of which single records came before its run is not said to have never been seen."""
    finding = Finding(
        AnomalyKind.NEW_ERROR, "t", Reading(Score(0.9, 9.0), 1, 5.0, 0.0, 0.0, 12, 0), True, 0, 5, stray_us=10 * MINUTE
    )
    said = words(finding, Context("api", 60 * MINUTE, MINUTE, 10, 5, 0.0)).reason
    assert said.startswith("first seen 10m earlier, never in the 50m before that")
