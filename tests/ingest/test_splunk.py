"""Splunk's HTTP Event Collector: concatenated events, raw text, Splunk's codes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fm_anomaly.ingest import splunk
from tests.ingest.wire import T_US, records_of

RECEIVED_US = T_US + 9_000_000
NOTHING = splunk.Origin()


def read(*events: Any, origin: splunk.Origin = NOTHING, between: str = "") -> list[dict[str, Any]]:
    body = between.join(msgspec.json.encode(event).decode() for event in events)
    return records_of(splunk.decode_events(body.encode(), RECEIVED_US, origin))


@pytest.mark.parametrize("between", ["", "\n", " \r\n\t"])
def test_events_stand_one_after_the_other(between: str) -> None:
    """With or without space between them, or in an array."""
    events = [{"time": T_US / 1e6 + n, "event": f"ERROR no prices {n}", "source": "shop"} for n in range(3)]
    records = read(*events, between=between)
    assert [r["ts_us"] for r in records] == [T_US, T_US + 1_000_000, T_US + 2_000_000]
    assert {(r["service"], r["severity"]) for r in records} == {("shop", 17)}
    assert read(events) == records


@pytest.mark.parametrize(
    ("time", "us"),
    [
        (T_US / 1e6 + 0.25, T_US + 250_000),
        (f"{T_US // 10**6}.118", T_US + 118_000),
        (str(T_US // 10**6), T_US),
        (T_US // 1000, T_US),
        (None, RECEIVED_US),
        (17, RECEIVED_US),
    ],
)
def test_times_are_seconds_as_number_or_text(time: Any, us: int) -> None:
    """Milliseconds are told by their size; what is no time of day is the receipt's."""
    assert read({"time": time, "event": "x"})[0]["ts_us"] == us


def test_an_object_is_read_by_its_own_names() -> None:
    """An event may be an object of any logger; fields and metadata fill what it leaves open."""
    (record,) = read(
        {"time": T_US / 1e6, "fields": {"service.name": "shop"}, "event": {"message": "no prices", "level": "error"}}
    )
    assert (record["service"], record["severity"], record["body"]) == ("shop", 17, "no prices")
    assert record["ts_us"] == T_US
    (record,) = read({"event": {"event": "x", "level": "error", "timestamp": "2026-03-02T10:00:00Z"}, "source": "a"})
    assert (record["ts_us"], record["service"], record["format"]) == (T_US, "a", "structlog")


def test_dockers_driver_wraps_the_line() -> None:
    """Its inline and JSON forms; the service is the compose service, else the tag."""
    event = {"line": "ERROR no prices", "source": "stdout", "tag": "f00", "attrs": {"com.docker.compose.service": "a"}}
    assert [(r["service"], r["severity"]) for r in read({"event": event})] == [("a", 17)]
    event = {"line": {"message": "x", "level": "warn"}, "source": "stdout", "tag": "web"}
    assert [(r["service"], r["severity"]) for r in read({"event": event})] == [("web", 13)]


@pytest.mark.parametrize(
    ("origin", "service"),
    [
        (splunk.Origin("/var/log/shop.log"), "shop"),
        (splunk.Origin(r"C:\logs\shop.log"), "shop"),
        (splunk.Origin("http:shop"), "shop"),
        (splunk.Origin("", "shop"), "shop"),
        (splunk.Origin("", "_json"), None),
    ],
)
def test_metadata_names_the_service(origin: splunk.Origin, service: str | None) -> None:
    """A source that is a name, the file of one that is a path, else the sourcetype."""
    assert read({"event": "x"}, origin=origin)[0]["service"] == service


def test_raw_text_is_lines() -> None:
    """Lines of one sender join; the query names the service."""
    text = b'Traceback (most recent call last):\n  File "/a.py", line 1, in f\nKeyError: 1\nINFO on\r\n'
    records = records_of(splunk.decode_raw(text, RECEIVED_US, splunk.Origin("shop")))
    assert [(r["n_lines"], r["service"], r["ts_us"]) for r in records] == [
        (3, "shop", RECEIVED_US),
        (1, "shop", RECEIVED_US),
    ]


@pytest.mark.parametrize(
    ("body", "code", "at"),
    [
        (b"", 5, 0),
        (b" \n", 5, 0),
        (b'{"event":"a"}{"event":', 6, 1),
        (b"text", 6, 0),
        (b"7", 6, 0),
        (b'{"event":"a"}{"time":1}', 12, 1),
        (b'{"event":""}', 13, 0),
        (b'{"event":"a","time":"soon"}', 6, 0),
    ],
)
def test_codes_are_splunks(body: bytes, code: int, at: int) -> None:
    """Each says the first event that cannot be read; nothing is taken."""
    with pytest.raises(splunk.EventError) as refused:
        splunk.decode_events(body, RECEIVED_US, NOTHING)
    assert (refused.value.code, refused.value.at, refused.value.status) == (code, at, 400)
