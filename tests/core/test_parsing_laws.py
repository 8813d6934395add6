"""The laws of `SourceParser`: cuts never show, snapshots change nothing, every line is accounted for."""

from __future__ import annotations

import random
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from fm_anomaly.core.frames import RECORD_SCHEMA
from fm_anomaly.core.parsing import ParsingParams, SourceParser

PARAMS = ParsingParams(reference_us=1_772_500_000_000_000, max_line_bytes=2_000)

PIECES = (
    b"2026-03-02 10:00:00,123 ERROR [orders] could not reach 10.1.2.3: refused",
    b"2026-03-02T10:00:01.5+02:00 [main] INFO  com.acme.Shop - ready",
    b'{"event": "Operation failed: pay", "event_type": "operation_error", "layer": "core", "operation": "pay",'
    b' "error_type": "TimeoutError", "level": "error", "timestamp": "2026-03-02T10:00:02Z", "logger": "shop"}',
    b'{"level":50,"time":1772445600123,"pid":1,"hostname":"h","msg":"no stock","err":{"type":"E","message":"m"}}',
    b'{"broken": "json',
    b'{"a": NaN}',
    b"Traceback (most recent call last):",
    b'  File "/app/shop/pay.py", line 12, in pay',
    b"    raise TimeoutError('late')",
    b"TimeoutError: late",
    b"java.lang.IllegalStateException: closed",
    b"\tat com.acme.Shop.buy(Shop.java:42)",
    b"Caused by: java.io.IOException: reset",
    b"",
    b"   ",
    b"Mar  2 10:00:03 web1 sshd[42]: error: no route to host",
    b"<13>1 2026-03-02T10:00:04Z host app - - - started",
    b'10.0.0.1 - - [02/Mar/2026:10:00:05 +0000] "GET /api/v1/orders/17 HTTP/1.1" 502 12 "-" "curl"',
    b"level=warn ts=2026-03-02T10:00:06Z msg=slow duration=12ms",
    b"I0302 10:00:07.000001   12 a.go:3] synced",
    b"bare words with no header",
    b"2026-03-02T10:00:08.1Z [error    ] pay failed [shop.pay] order=17 duration_seconds=0.5",
    b'{"log":"2026-03-02 10:00:09 WARN [api] half ","stream":"stdout","time":"2026-03-02T10:00:09Z"}',
    b'{"log":"a line\\n","stream":"stdout","time":"2026-03-02T10:00:10Z"}',
    b"2026-03-02T10:00:11.1Z stderr P first half, ",
    b"2026-03-02T10:00:11.2Z stderr F second half",
    b"api-1  | 2026-03-02 10:00:12 INFO [web] up",
    b"web-2  | Traceback (most recent call last):",
    b"\xff\xfe broken \x80 text",
    b"\x01\x02\x03\x04\x05\x06",
    b"nul \x00 inside",
    b"\x1b[31mERROR\x1b[0m colour",
    b"crlf line\r",
    b"\xef\xbb\xbfbyte order mark",
    b"x" * 5_000,
    b"password=hunter2secret user=a@example.com",
    b"-----BEGIN RSA PRIVATE KEY-----",
    b"MIIEpAIBAAKCAQEA7",
    b"-----END RSA PRIVATE KEY-----",
    b'{"event": "own", "logger": "fm_anomaly.api", "level": "error"}',
    "snowman ☃ and 日本語 2026-03-02".encode(),
)


def _parse(data: bytes, cuts: list[int]) -> tuple[pl.DataFrame, dict[str, object]]:
    parser = SourceParser("app.log", PARAMS)
    edges = [0, *sorted(cuts), len(data)]
    frames = [parser.feed(data[a:b]) for a, b in pairwise(edges)]
    frames.append(parser.flush())
    return pl.concat(frames), parser.counts.snapshot()


def _text(seed: int, n: int) -> bytes:
    rng = random.Random(seed)
    ends = b"" if rng.random() < 0.3 else b"\n"
    return b"\n".join(rng.choice(PIECES) for _ in range(n)) + ends


@pytest.mark.parametrize("seed", range(5))
def test_cuts_of_any_kind_never_show(seed: int) -> None:
    """One line at a time, seven at a time, odd bytes and all at once give the same records and counts."""
    data = _text(seed, 60)
    rng = random.Random(seed)
    ends = [i + 1 for i, byte in enumerate(data) if byte == 10]
    whole = _parse(data, [])
    for cuts in (ends, ends[::7], list(range(0, len(data), 777)), sorted(rng.sample(range(len(data)), 40))):
        frame, counts = _parse(data, cuts)
        assert_frame_equal(frame, whole[0])
        assert counts == whole[1]


@pytest.mark.parametrize("seed", range(1))
def test_a_byte_at_a_time_never_shows(seed: int) -> None:
    """Even a cut after every byte changes nothing."""
    data = _text(100 + seed, 12)
    frame, counts = _parse(data, list(range(1, len(data))))
    whole = _parse(data, [])
    assert_frame_equal(frame, whole[0])
    assert counts == whole[1]


@pytest.mark.parametrize("seed", range(4))
def test_snapshot_and_restore_change_nothing(seed: int) -> None:
    """A parser restored from a snapshot in the middle goes on as the one that never stopped."""
    data = _text(200 + seed, 60)
    at = random.Random(seed).randrange(len(data))
    parser = SourceParser("app.log", PARAMS)
    before = parser.feed(data[:at])
    state = parser.snapshot()
    assert state == parser.snapshot()
    restored = SourceParser.restore(state, PARAMS)
    frame = pl.concat([before, restored.feed(data[at:]), restored.flush()])
    whole, counts = _parse(data, [at])
    assert_frame_equal(frame, whole)
    assert restored.counts.snapshot() == counts


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=120)), max_size=12), st.data())
def test_every_line_is_accounted_for(lines: list[bytes], data: st.DataObject) -> None:
    """Whatever the bytes, the sums hold, the schema holds, cuts don't show, and nothing raises."""
    text = b"\n".join(lines)
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=4))
    frame, counts = _parse(text, cuts)
    whole, whole_counts = _parse(text, [])
    assert_frame_equal(frame, whole)
    assert counts == whole_counts
    assert dict(frame.schema) == RECORD_SCHEMA
    kinds = ("records", "continuations", "blanks", "rejects", "skipped_own")
    assert counts["lines"] == sum(counts[kind] for kind in kinds)  # type: ignore[misc]
    assert counts["records"] == frame.height
    assert frame["event_key"].null_count() == 0


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(PIECES), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6))
def test_mutated_lines_never_crash(line: bytes, edits: list[tuple[int, int]]) -> None:
    """A known line with some bytes changed is still exactly the lines that it has."""
    mutated = bytearray(line)
    for at, byte in edits:
        if mutated:
            mutated[at % len(mutated)] = byte
    _, counts = _parse(bytes(mutated) + b"\n", [])
    assert counts["lines"] == bytes(mutated).lstrip(b"\x00").count(b"\n") + 1


def test_few_lines_are_read_as_many_are() -> None:
    """What is worked out in loops for a few lines is what the columns' engine gives for many."""
    rng = random.Random(3)
    data = b"".join(rng.choice(PIECES) + b"\n" for _ in range(600))
    whole, small = SourceParser("app.log", PARAMS), SourceParser("app.log", PARAMS)
    cuts = range(0, len(data), 6_000)
    frames = [small.feed(data[at : at + 6_000]) for at in cuts]
    many = pl.concat([whole.feed(data), whole.flush()])
    assert many.height > 256
    assert_frame_equal(pl.concat([*frames, small.flush()]), many)
