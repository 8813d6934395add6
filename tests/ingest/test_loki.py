"""Loki's push: lines are read as the format that they are, under the labels of their stream."""

from __future__ import annotations

from typing import Any

import cramjam
import msgspec
import pytest

from fm_anomaly.errors import DecodeError
from fm_anomaly.ingest import loki
from fm_anomaly.ingest.batches import Batch, Part
from fm_anomaly.ingest.loki_messages import push_request
from tests.ingest.wire import T_NS, T_US, records_of

RECEIVED_US = T_US + 9_000_000


def json_body(*streams: tuple[dict[str, str], list[list[Any]]]) -> bytes:
    return msgspec.json.encode({"streams": [{"stream": labels, "values": values} for labels, values in streams]})


def protobuf_body(labels: str, *entries: tuple[int, bytes, dict[str, str]]) -> bytes:
    request = push_request()()
    stream = request.streams.add(labels=labels)
    for ns, line, metadata in entries:
        entry = stream.entries.add(line=line)
        entry.timestamp.seconds, entry.timestamp.nanos = divmod(ns, 10**9)
        for name, value in metadata.items():
            entry.structuredMetadata.add(name=name, value=value)
    return bytes(cramjam.snappy.compress_raw(request.SerializeToString()))


def read(body: bytes, media: str = loki.JSON) -> list[dict[str, Any]]:
    return records_of(loki.decode(body, media, RECEIVED_US))


def test_protobuf_and_json_say_the_same() -> None:
    """Labels, nanoseconds, lines and structured metadata, in both encodings."""
    values = [[str(T_NS), "no prices", {"level": "error"}], [str(T_NS + 1_500_000), "ok", {}]]
    from_json = loki.decode(json_body(({"app": "shop"}, values)), loki.JSON, 0)
    body = protobuf_body('{app="shop"}', *((int(ns), line.encode(), metadata) for ns, line, metadata in values))
    from_protobuf = loki.decode(body, loki.PROTOBUF, 0)
    records = records_of(from_json)
    assert [(r["ts_us"], r["service"], r["severity"], r["body"]) for r in records] == [
        (T_US, "shop", 17, "no prices"),
        (T_US + 1_500, "shop", 0, "ok"),
    ]
    assert [{**r, "raw": ""} for r in records_of(from_protobuf)] == [{**r, "raw": ""} for r in records]


def test_a_line_is_read_as_its_own_format() -> None:
    """JSON, text with a header, tracebacks over several entries: what stands in the line, then what the labels say."""
    lines = [
        '{"event":"no prices","level":"error","logger":"shop.cart","timestamp":"2026-03-02T10:00:01Z"}',
        "2026-03-02 12:00:00,000 - cart - WARNING - slow",
        "Traceback (most recent call last):",
        '  File "/app/shop/cart.py", line 7, in total',
        "KeyError: 'x'",
    ]
    values = [[str(T_NS), line] for line in lines]
    structlog, text = read(json_body(({"job": "shop", "level": "info"}, values)))
    assert (structlog["body"], structlog["severity"], structlog["ts_us"]) == ("no prices", 17, T_US + 1_000_000)
    assert (text["body"], text["severity"], text["ts_us"]) == ("slow", 13, T_US)  # names no zone: Loki's time
    assert (text["exc_type"], text["exc_frame"]) == ("KeyError", "shop/cart.py:7 in total")
    assert {structlog["service"], text["service"]} == {"shop"}


def test_tracebacks_of_streams_that_interleave_are_kept_apart() -> None:
    """Each set of labels is a writer of its own, over requests too."""
    parts = []
    steps = ("Traceback (most recent call last):", '  File "/app/{0}.py", line 1, in f', "ValueError: {0}")
    for step in steps:
        body = json_body(*(({"app": name}, [[str(T_NS), step.format(name)]]) for name in ("a", "b")))
        parts += loki.decode(body, loki.JSON, 0).parts
    whole = Batch("loki", (Part("loki", "loki", b"".join(p.data for p in parts), 6),))
    assert [(r["service"], r["exc_message"]) for r in records_of(whole)] == [("a", "a"), ("b", "b")]


def test_lines_within_a_line_are_one_record() -> None:
    """An entry that holds a whole traceback."""
    text = 'boom\nTraceback (most recent call last):\n  File "/app/a.py", line 1, in f\nValueError: x\n'
    (record,) = read(json_body(({"app": "shop"}, [[str(T_NS), text]])))
    assert (record["body"], record["exc_type"], record["n_lines"]) == ("boom", "ValueError", 4)


def test_the_older_json_is_read_too() -> None:
    """`labels` as a selector and `entries` with RFC 3339, as clients of Loki before 0.4 still write them."""
    entries = [{"ts": "2026-03-02T11:00:00.25+01:00", "line": "no prices"}, {"ts": "soon", "line": "x"}, 7]
    body = msgspec.json.encode({"streams": [{"labels": '{app="shop",level="error"}', "entries": entries}]})
    batch = loki.decode(body, loki.JSON, RECEIVED_US)
    (record,) = records_of(batch)
    assert (record["ts_us"], record["service"], record["severity"]) == (T_US + 250_000, "shop", 17)
    assert [each.at for each in batch.rejected] == [2, 3]


@pytest.mark.parametrize(
    ("labels", "service"),
    [
        ({"service_name": "shop", "app": "x"}, "shop"),
        ({"service_name": "unknown_service", "filename": "/var/log/shop.log"}, "shop"),
        ({"container": "web", "job": "default/web"}, "web"),
        ({"filename": "/var/log/shop.log.1"}, "shop"),
        ({"host": "h"}, None),
    ],
)
def test_labels_name_the_service(labels: dict[str, str], service: str | None) -> None:
    """In the order of Loki's own list; the file is the last resort."""
    assert read(json_body((labels, [[str(T_NS), "x"]])))[0]["service"] == service


def test_own_records_are_skipped() -> None:
    """A stream whose label says that fm_anomaly wrote it."""
    assert read(json_body(({"app": "a", "logger": "fm_anomaly.api"}, [[str(T_NS), "x"]]))) == []


def test_labels_of_protobuf_are_a_selector() -> None:
    """Quoted as in Go, commas and braces in values."""
    body = protobuf_body('{ app="sh\\"op, {x}", env = "p" , }', (T_NS, b"\xff", {}))
    (record,) = read(body, loki.PROTOBUF)
    assert (record["service"], record["body"]) == ('sh"op, {x}', "\ufffd")


def test_entries_that_cannot_be_read_are_told_by_number() -> None:
    """The others are taken."""
    values = [[str(T_NS), "x"], ["soon", "x"], [str(T_NS), {"a": 1}], 7, [str(T_NS), "x", None]]
    batch = loki.decode(json_body(({"app": "a"}, values)), loki.JSON, 0)
    assert (batch.n_lines, [each.at for each in batch.rejected]) == (2, [2, 3, 4])


@pytest.mark.parametrize(
    "body",
    [b"x", b"{}", b'{"streams":[1]}', b'{"streams":[{"stream":{}}]}', b'{"streams":[{"labels":7,"entries":[]}]}'],
)
def test_what_is_no_push_is_refused(body: bytes) -> None:
    """Nothing is taken of a request that cannot be read as a whole."""
    with pytest.raises(DecodeError):
        loki.decode(body, loki.JSON, 0)
    with pytest.raises(DecodeError):
        loki.decode(body, loki.PROTOBUF, 0)


def test_a_bomb_is_refused_by_what_it_says() -> None:
    """A block that would become larger than the limit is 413, one that lies about its size is damaged."""
    bomb = bytes(cramjam.snappy.compress_raw(bytes(1 << 20)))
    with pytest.raises(DecodeError) as refused:
        loki.decode(bomb, loki.PROTOBUF, 0, max_bytes=1 << 19)
    assert refused.value.status == 413
    with pytest.raises(DecodeError, match="shorter than it says"):
        loki.decode(b"\xff\xff\xff\x0f\x00", loki.PROTOBUF, 0)
