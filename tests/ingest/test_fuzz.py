"""Decoders over hostile input: whatever comes, a `Batch` or a `DecodeError`, and the sums hold."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fm_anomaly.errors import DecodeError
from fm_anomaly.ingest import elasticsearch, loki, otlp, splunk, syslog
from fm_anomaly.ingest.batches import Batch
from tests.ingest.test_loki import protobuf_body as loki_protobuf
from tests.ingest.test_otlp import protobuf_body as otlp_protobuf
from tests.ingest.wire import T_NS, T_US, records_of

LONG = 100_000


def _framed(body: bytes) -> Batch:
    framer = syslog.Framer(max_bytes=1_000)
    cut = len(body) // 2
    messages = [*framer.feed(body[:cut]), *framer.feed(body[cut:]), *framer.flush()]
    return syslog.decode([("192.0.2.7", each) for each in messages], "syslog/tcp", T_US)


DECODERS: dict[str, Callable[[bytes], Batch]] = {
    "otlp-json": lambda body: otlp.decode(body, otlp.JSON, T_US),
    "otlp-protobuf": lambda body: otlp.decode(body, otlp.PROTOBUF, T_US),
    "loki-json": lambda body: loki.decode(body, loki.JSON, T_US),
    "loki-protobuf": lambda body: loki.decode(body, loki.PROTOBUF, T_US, 1 << 20),
    "loki-unsnapped": lambda body: loki.decode(bytes(cramjam.snappy.compress_raw(body)), loki.PROTOBUF, T_US),
    "elasticsearch": lambda body: elasticsearch.decode(body, "logs-shop-default", T_US).batch,
    "splunk-events": lambda body: splunk.decode_events(body, T_US, splunk.Origin("shop")),
    "splunk-raw": lambda body: splunk.decode_raw(body, T_US, splunk.Origin("shop")),
    "syslog": _framed,
}
SEEDS: dict[str, list[bytes]] = {
    "otlp-json": [
        b'{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"a"}}]},"scopeLogs":'
        b'[{"scope":{"name":"s"},"logRecords":[{"timeUnixNano":"1772445600000000000","severityNumber":17,"traceId":'
        b'"5b8efff798038103d269b633813fc60c","body":{"kvlistValue":{"values":[{"key":"k","value":{"arrayValue":'
        b'{"values":[{"intValue":"1"},{"doubleValue":1.5},{"bytesValue":"AQI="}]}}}]}}}]}]}]}'
    ],
    "otlp-protobuf": [otlp_protobuf(time_unix_nano=T_NS, severity_number=17, body="x", attributes={"k": "v"})],
    "loki-json": [
        b'{"streams":[{"stream":{"app":"a"},"values":[["1772445600000000000","x\\ny",{"level":"error"}]]},'
        b'{"labels":"{app=\\"a\\"}","entries":[{"ts":"2026-03-02T10:00:00Z","line":"x"}]}]}'
    ],
    "loki-protobuf": [loki_protobuf('{app="a"}', (T_NS, b"x\ny", {"level": "error"}))],
    "elasticsearch": [
        b'{"create":{"_index":"i","_id":"1"}}\n{"@timestamp":"2026-03-02T10:00:00Z","message":"x\\ny","log.level":'
        b'"error"}\n\n{"delete":{"_id":"1"}}\n{"index":{}}\n{"message":"x","log":{"file":{"path":"/a/b.log"}}}\n'
    ],
    "splunk-events": [
        b'{"time":1772445600.5,"event":"x\\ny","fields":{"app":"a"}}{"event":{"line":{"a":1},"tag":"t"}}'
    ],
    "splunk-raw": [b"ERROR x\nTraceback (most recent call last):\n"],
    "syslog": [
        b'<131>1 2026-03-02T10:00:00Z h a 1 - [x@1 k="v"] said\n'
        b"<13>Mar  2 10:00:00 h a[1]: x#012y\n18 <13>counted frame",
        b"999999999 <13>x",
    ],
}
SEEDS["loki-unsnapped"] = [cramjam.snappy.decompress_raw(SEEDS["loki-protobuf"][0]).read()]
TOKENS = [
    *(b"\x00", b"\xff", b"\n", b"{", b"}", b"[", b"]", b'"', b"\\ud800", b"1e999", b"NaN", b"null", b"-1", b"<13>"),
    *(b"9" * 30, b"[" * 200, b'{"a":' * 100, b'{"event":', b"\xe2\x80\xa8", b"@shipped 1 1 - - ", b"\r\n"),
    b"\\u0000",
]


def hold(name: str, body: bytes, *, is_read: bool) -> None:
    """Decode; what comes of it is read by the core too, if asked for."""
    try:
        batch = DECODERS[name](body)
    except DecodeError as exc:
        assert exc.status in (400, 413, 415)
        assert str(exc)
        return
    assert batch.n_lines == sum(part.data.count(b"\n") for part in batch.parts)
    assert all(part.data.endswith(b"\n") and part.n_lines for part in batch.parts)
    if is_read:
        records_of(batch)


def mutated(seed: bytes, chance: random.Random) -> bytes:
    """Return a seed with some bytes replaced, cut out, doubled or put in."""
    body = bytearray(seed)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(body) + 1)
        end = min(len(body), at + chance.choice((0, 1, 1, 4, 30)))
        body[at:end] = chance.choice(
            (b"", chance.choice(TOKENS), chance.randbytes(chance.randint(0, 4)), body[at:end] * 2)
        )
    return bytes(body)


@pytest.mark.parametrize("name", list(DECODERS))
def test_mutated_requests(name: str) -> None:
    """Requests with a few bytes changed."""
    chance = random.Random(f"{name} 1")
    for n in range(400):
        hold(name, mutated(chance.choice(SEEDS[name]), chance), is_read=n % 20 == 0)


@pytest.mark.long
@pytest.mark.parametrize("name", list(DECODERS))
def test_mutated_requests_at_length(name: str) -> None:
    """A hundred thousand of them, each decoder."""
    chance = random.Random(f"{name} 2")
    for n in range(LONG):
        hold(name, mutated(chance.choice(SEEDS[name]), chance), is_read=n % 200 == 0)


@pytest.mark.parametrize("name", list(DECODERS))
@given(body=st.binary(max_size=200))
def test_any_bytes(name: str, body: bytes) -> None:
    """Bytes that are nothing at all."""
    hold(name, body, is_read=False)


WORDS = [
    *("resourceLogs", "scopeLogs", "logRecords", "resource", "attributes", "key", "value", "body", "stringValue"),
    *("kvlistValue", "arrayValue", "values", "intValue", "streams", "stream", "entries", "labels", "ts", "line"),
    *("create", "index", "message", "event", "time", "fields", "line", "log", "level", "timestamp", "@timestamp"),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=4), inner),
    max_leaves=12,
)


@pytest.mark.parametrize("name", ["otlp-json", "loki-json", "elasticsearch", "splunk-events"])
@given(value=st.dictionaries(st.sampled_from(WORDS), JSON, max_size=4))
def test_any_json(name: str, value: dict[str, Any]) -> None:
    """Objects of any shape under the names that decoders look for."""
    text = json.dumps(value).encode()
    body = b'{"create":{}}\n' + text + b"\n" if name == "elasticsearch" else text
    hold(name, body, is_read=False)


def test_values_that_no_json_can_hold() -> None:
    """Lone surrogates, numbers beyond 64 bits and deep nests are taken, or refused as what they are."""
    for inner in (b'"\\ud800"', b"1" + b"0" * 40, b'"\\u0000"', b"[" * 90 + b"]" * 90, b"[" * 5000 + b"]" * 5000):
        for name, template in (
            ("splunk-events", b'{"event":{"message":"x","level":"error","k":%b}}'),
            ("elasticsearch", b'{"create":{}}\n{"message":"x","level":"error","k":%b}\n'),
        ):
            hold(name, template % inner, is_read=True)
    nest: dict[str, Any] = {"intValue": 1}
    for _ in range(300):
        nest = {"arrayValue": {"values": [nest]}}
    record = {"severityNumber": 9, "body": nest}
    body = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}).encode()
    hold("otlp-json", body, is_read=True)
