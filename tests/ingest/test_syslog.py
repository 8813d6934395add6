"""Syslog: frames of a stream, headers of both RFCs, and what stands in for them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fm_anomaly.ingest import syslog
from tests.ingest.wire import T_US, records_of

STAMP = "2026-03-02T10:00:00.5Z"


def read(*messages: str | bytes, tz: str = "UTC", received_us: int = T_US + 1_000_000) -> list[dict[str, Any]]:
    raw = [("192.0.2.7", each if isinstance(each, bytes) else each.encode()) for each in messages]
    return records_of(syslog.decode(raw, "syslog/tcp", received_us, tz))


@given(
    messages=st.lists(st.text("<>13 ab\U0001f600", min_size=1, max_size=20).map(lambda s: f"<13>{s}x".encode())),
    counted=st.lists(st.booleans(), min_size=1),
    cuts=st.lists(st.integers(1, 7), min_size=1),
)
def test_frames_do_not_depend_on_cuts(messages: list[bytes], counted: list[bool], cuts: list[int]) -> None:
    """Octet-counted and line-framed messages in one stream come out as they went in, however the stream is cut."""
    data = b""
    for n, each in enumerate(messages):
        data += b"%d %b" % (len(each), each) if counted[n % len(counted)] else each + b"\n"
    framer, found, at = syslog.Framer(), [], 0
    for n in range(len(data) + 1):
        step = cuts[n % len(cuts)]
        found += framer.feed(data[at : at + step])
        at += step
    assert [each.rstrip(b" ") for each in found + framer.flush()] == messages


@pytest.mark.parametrize("framed", [b"5000 <13>%b", b"<13>%b\n"])
@pytest.mark.parametrize("step", [1, 7, 100, 10_000])
def test_a_message_that_is_too_long_is_cut_and_the_next_is_whole(framed: bytes, step: int) -> None:
    """The rest is passed over, never held."""
    data = framed % (b"x" * 4996) + b"<13>next\n"
    framer = syslog.Framer(max_bytes=100)
    found = []
    for at in range(0, len(data), step):
        found += framer.feed(data[at : at + step])
    assert found == [b"<13>" + b"x" * 96, b"<13>next"]
    assert framer.n_truncated == 1


def test_rfc_5424() -> None:
    """Time, severity, application; structured data aside; a byte order mark is no text."""
    (record,) = read(f'<131>1 {STAMP} web1 shop 42 ID7 [a@1 b="c \\] d"][e@2] \ufeffno prices')
    assert (record["ts_us"], record["severity"], record["service"]) == (T_US + 500_000, 17, "shop")
    assert record["body"] == "no prices"
    (record,) = read("<134>1 - - - - - - plain")
    assert (record["ts_us"], record["severity"], record["service"]) == (T_US + 1_000_000, 9, None)
    assert read(f'<134>1 {STAMP} h a - - [a@1 b="c"]')[0]["body"] == '[a@1 b="c"]'


@pytest.mark.parametrize(
    ("header", "service"),
    [
        ("Mar  2 10:00:00 web1 shop[42]: ", "shop"),
        ("Mar  2 10:00:00 web1 shop: ", "shop"),
        ("Mar  2 10:00:00 shop[42]: ", "shop"),
        ("Mar 02 2026 10:00:00 web1 shop: ", "shop"),
        ("2026-03-02T10:00:00+00:00 web1 shop[42]: ", "shop"),
        ("2026-03-02T12:00:00.000000+02:00 web1 /usr/bin/shop[42]: ", "shop"),
        ("Mar  2 10:00:00 ", None),
    ],
)
def test_rfc_3164_and_what_is_sent_in_its_place(header: str, service: str | None) -> None:
    """With and without host, process, year; with ISO time."""
    (record,) = read(f"<11>{header}no prices today")
    assert (record["ts_us"], record["severity"], record["service"]) == (T_US, 17, service)
    assert record["body"] == "no prices today"


def test_a_stamp_without_year_and_zone_is_taken_near_its_receipt() -> None:
    """In the zone that was set; over New Year; what is no time for what has just come gives way to the receipt."""
    assert read("<11>Mar  2 12:00:00 h a: x", tz="Europe/Kyiv")[0]["ts_us"] == T_US
    new_year = datetime(2027, 1, 1, 0, 0, 5, tzinfo=UTC)
    us = int(new_year.timestamp()) * 1_000_000
    said = (new_year - timedelta(seconds=10)).strftime("<11>%b %d %H:%M:%S h a: x")
    assert read(said, received_us=us)[0]["ts_us"] == us - 10_000_000
    for odd in ("Mar  2 11:00:00", "Feb 27 10:00:00", "Feb 30 10:00:00", "Foo 10 10:00:00"):
        assert read(f"<11>{odd} h a: x")[0]["ts_us"] == T_US + 1_000_000


def test_a_message_is_read_as_its_own_format() -> None:
    """JSON inside, a level of its own, a traceback over several messages of one process, rsyslog's escapes."""
    head = "<14>Mar  2 10:00:00 h shop[7]: "
    structlog = '{"event":"no prices","level":"error","timestamp":"2026-03-02T09:59:59Z"}'
    (record,) = read(head + "@cee: " + structlog)
    assert (record["format"], record["service"], record["ts_us"]) == ("structlog", "shop", T_US - 1_000_000)
    (record,) = read(head + structlog)
    assert (record["body"], record["severity"], record["ts_us"]) == ("no prices", 17, T_US - 1_000_000)
    trace = ["Traceback (most recent call last):", '  File "/app/a.py", line 1, in f', "KeyError: 1"]
    other = "<14>Mar  2 10:00:00 h web[8]: on"
    records = read(head + trace[0], other, head + trace[1], head + trace[2])
    assert [(r["service"], r["exc_type"], r["n_lines"]) for r in records] == [("shop", "KeyError", 3), ("web", None, 1)]
    (record,) = read(head + "#012".join(trace))
    assert (record["exc_type"], record["n_lines"]) == ("KeyError", 3)


@pytest.mark.parametrize("message", ["no header", "<999>x", "<>x", "<13", "<13>", "<13>1 ", b"\xff\xfe", b"<13>\x00x"])
def test_any_bytes_are_a_message(message: str | bytes) -> None:
    """What has no header is text, received now."""
    for record in read(message):
        assert record["ts_us"] == T_US + 1_000_000
