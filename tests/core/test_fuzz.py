"""Hostile input: no crash, and the accounting sums hold.

`make test` runs a few hundred inputs, `make long` a hundred thousand.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fm_anomaly.core.pipeline import Pipeline
from fm_anomaly.core.scan_report import scan_report
from fm_anomaly.core.sources import SourceName

NAME = SourceName("fuzz.log", "fuzz")

# fmt: off
SEEDS = (
    b'{"event": "Request completed: GET /api/v1/cases -> 200 in 0.1s", "level": "info", '
    b'"timestamp": "2026-03-02T09:14:07.118204Z"}\n',
    b'{"event_type": "operation_error", "error_type": "TimeoutError", "duration_seconds": 9.1, "layer": "core", '
    b'"operation": "generate", "event": "Operation failed: generate", "level": "error", '
    b'"timestamp": "2026-03-02T09:21:41.22Z", '
    b'"exception": "Traceback (most recent call last):\\n  File \\"/app/x.py\\", line 1, in f\\nTimeoutError: late"}\n',
    b"2026-03-02 10:00:01,204 ERROR [api] could not connect to redis at 10.0.0.4:6379: Connection refused\n"
    b"Traceback (most recent call last):\n  File \"/app/infra/redis.py\", line 88, in get\n    raise X\n"
    b"redis.ConnectionError: no\n",
    b"\x1b[2m2026-03-02T09:46:11.204410Z\x1b[0m [warning  ] Operation completed: kb_search [svc] "
    b"duration_seconds=0.912 layer=service\n",
    b'10.42.0.9 - - [02/Mar/2026:10:00:00 +0000] "GET /health HTTP/1.1" 502 17 "-" "curl/8" 0.120\n',
    b'<165>1 2026-03-02T10:00:00.003Z host app 1234 ID47 [x@1 a="b"] started\n'
    b"<34>Oct 11 22:14:15 host su: 'su root' failed\n",
    b'time=2026-03-02T10:00:00Z level=warn svc=cart msg="took 512ms \\"quoted\\"" password=hunter2 user=a@b.example\n',
    b'INFO:     10.42.0.9:51544 - "GET /health HTTP/1.1" 200 OK\nI0302 10:00:00.000000    7 main.go:12] ready\n',
    b'Exception in thread "main" java.lang.IllegalStateException: no\n\tat a.B.c(B.java:3)\n'
    b"Caused by: java.io.IOException: x\n\t... 2 more\n",
    b'{"log":"panic: nil\\n","stream":"stderr","time":"2026-03-02T10:00:00.1Z"}\n'
    b"2026-03-02T10:00:00.2Z stdout P part\n",
)
TOKENS = (
    b"\x00", b"\xff\xfe", b"\r\n", b"\r", b"\n\n", b"{", b"}", b'"', b"\\", b"\\u0040", b"\\ud800", b"9" * 40,
    b"-1e999", b"NaN", b"[" * 300, b"\xe2\x80\xae", b"\x1b[31m", b"[/red]", b"=cmd()", b"<redacted:",
    b"-----BEGIN RSA PRIVATE KEY-----", b"T99:99:99Z", b"0001-01-01T00:00:00Z", b"9999-12-31T23:59:59Z", b" " * 500,
    b"\t", b"Traceback (most recent call last):", b"a" * 9_000, b"@" * 50,
)
# fmt: on


def mutated(rng: random.Random) -> bytes:
    """Return some seeds, joined and broken at random places."""
    data = bytearray(b"".join(rng.choices(SEEDS, k=rng.randint(1, 4))))
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(4):
            case 0:
                data[at:at] = rng.choice(TOKENS)
            case 1:
                del data[at : at + rng.randint(1, 30)]
            case 2:
                data[at : at + 1] = bytes([rng.randrange(256)])
            case _:
                data[at:at] = data[: rng.randint(0, 200)]
    return bytes(data)


def check(pipeline: Pipeline, data: bytes, cut: int) -> None:
    """Feed the data in two pieces and hold the sums."""
    pipeline.observe(NAME, data[:cut])
    pipeline.observe(NAME, data[cut:])
    counts = pipeline.counts()
    assert counts.is_balanced
    assert pipeline.n_counted + pipeline.n_late <= counts.records


def check_end(pipeline: Pipeline) -> None:
    """End the input and hold all sums."""
    pipeline.flush()
    counts = pipeline.counts()
    assert counts.is_balanced
    assert pipeline.n_counted + pipeline.n_late == counts.records
    report = scan_report(pipeline, [NAME.name], 1.0)
    assert sum(template["count"] for template in report["templates"]) == counts.records


def run(n_inputs: int, seed: int, n_a_pipeline: int = 100, n_a_call: int = 5) -> None:
    """Feed mutated logs, some into each pipeline, a few a call."""
    rng = random.Random(seed)
    for _ in range(n_inputs // n_a_pipeline):
        pipeline = Pipeline()
        for _ in range(n_a_pipeline // n_a_call):
            data = b"".join(mutated(rng) for _ in range(n_a_call))
            check(pipeline, data, rng.randrange(len(data) + 1))
        check_end(pipeline)


def test_mutated_logs() -> None:
    """A few hundred mutated logs."""
    run(300, seed=1)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10))
def test_a_hundred_thousand_mutated_logs(seed: int) -> None:
    """Ten thousand for each of ten seeds."""
    run(10_000, seed=100 + seed)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=80), st.sampled_from(SEEDS + TOKENS)), max_size=8))
def test_any_bytes(pieces: list[bytes]) -> None:
    """Hypothesis' bytes between our own."""
    pipeline = Pipeline()
    data = b"".join(pieces)
    check(pipeline, data, len(data) // 2)
    check_end(pipeline)
