"""The laws of design.md, over whole pipelines and generated logs."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fm_anomaly.core.pipeline import Pipeline, PipelineParams
from fm_anomaly.core.scan_report import scan_report
from fm_anomaly.core.sources import SourceName
from fm_anomaly.core.state import Snapshot
from fm_anomaly.evaluation.generator import GeneratorParams, generate
from fm_anomaly.evaluation.rendering import Format
from fm_anomaly.evaluation.truth import FaultKind
from fm_anomaly.scanning import TextSource, scan

NAME = SourceName("app.log", "app")
FORMATS = (Format.FAULTMAVEN, Format.CONSOLE, Format.PLAIN, Format.LOGFMT, Format.PYTHON)


@cache
def sample(fmt: Format, seed: int = 3) -> bytes:
    """Return a merged day of several services with incidents, some thousand lines."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        generate(
            GeneratorParams(
                seed=seed,
                days=0.4,
                format=fmt,
                max_lines=6_000,
                is_merged=True,
                kinds=(FaultKind.OUTAGE, FaultKind.BURST),
            ),
            Path(folder),
        )
        return b"".join(path.read_bytes() for path in sorted(Path(folder).glob("*.log")))


def report_of(pipeline: Pipeline) -> dict[str, Any]:
    """Return the report without what a clock told."""
    report = scan_report(pipeline, ["app.log"], 1.0)
    return json.loads(json.dumps(report, sort_keys=True))


def run(pieces: Iterable[bytes], *, restore_at: int | None = None, observe_stats: bool = False) -> dict[str, Any]:
    """Feed the pieces; snapshot and restore after piece number `restore_at`, or look at everything after each."""
    pipeline = Pipeline()
    events: list[Any] = []
    for number, piece in enumerate(pieces):
        events += pipeline.observe(NAME, piece)
        if number == restore_at:
            pipeline = Pipeline.restore(Snapshot.from_bytes(pipeline.snapshot().to_bytes()))
        if observe_stats:
            scan_report(pipeline, ["app.log"], 1.0)
            pipeline.snapshot()
            pipeline.counts()
    events += pipeline.flush()
    report = report_of(pipeline)
    report["events"] = [(e.action.value, e.alert.alert_id, e.tick_us, e.reason) for e in events]
    return report


@cache
def undisturbed(fmt: Format) -> dict[str, Any]:
    """Return what the sample gives when nothing interrupts it."""
    return run(at_random(sample(fmt), 5))


def by_bytes(data: bytes, size: int) -> list[bytes]:
    """Cut the data every `size` bytes, lines or not."""
    return [data[at : at + size] for at in range(0, len(data), size)]


def by_lines(data: bytes, n: int) -> list[bytes]:
    """Cut the data every `n` lines."""
    lines = data.splitlines(keepends=True)
    return [b"".join(lines[at : at + n]) for at in range(0, len(lines), n)]


def at_random(data: bytes, seed: int) -> list[bytes]:
    """Cut the data at places drawn by `seed`."""
    rng = random.Random(seed)
    places = sorted(rng.sample(range(1, len(data)), 40))
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


@pytest.mark.parametrize("fmt", FORMATS)
def test_cuts_never_show(fmt: Format) -> None:
    """Law 3: one piece, odd bytes, a hundred lines or random places give one report, alert events included."""
    data = sample(fmt)
    whole = run([data])
    assert whole["incidents"], "the sample must hold an incident, or the law says little"
    for pieces in (by_bytes(data, 77_777), by_lines(data, 150), at_random(data, 1)):
        assert run(pieces) == whole


def test_line_by_line_is_the_same() -> None:
    """Law 3: the smallest cut there is."""
    data = b"".join(sample(Format.PLAIN).splitlines(keepends=True)[:800])
    assert run(by_lines(data, 1)) == run([data])


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("at", [0, 17, 38])
def test_a_snapshot_changes_nothing(fmt: Format, at: int) -> None:
    """Law 1: snapshot and restore between any two pieces; what follows is as if nothing had happened."""
    assert run(at_random(sample(fmt), 5), restore_at=at) == undisturbed(fmt)


def test_looking_changes_nothing() -> None:
    """Law 2: reports, counts and snapshots after every piece change no answer."""
    pieces = at_random(sample(Format.FAULTMAVEN), 6)
    assert run(pieces, observe_stats=True) == run(pieces)


_CHILD = """
import hashlib, json, sys
from pathlib import Path
from fm_anomaly.evaluation.rendering import Format
from fm_anomaly.evaluation.truth import FaultKind
from fm_anomaly.scanning import TextSource, scan
report = scan([TextSource("app.log", Path(sys.argv[1]).read_bytes())]).to_dict()
report["source"] = None
print(hashlib.sha256(json.dumps(report, sort_keys=True).encode()).hexdigest())
"""


def test_two_processes_agree(tmp_path: Path) -> None:
    """Law 3: other hash seeds and other numbers of threads give the same bytes."""
    path = tmp_path / "app.log"
    path.write_bytes(sample(Format.FAULTMAVEN))
    digests = set()
    for hash_seed, threads in (("0", "1"), ("4711", "2")):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "POLARS_MAX_THREADS": threads}
        done = subprocess.run(
            [sys.executable, "-c", _CHILD, str(path)], capture_output=True, text=True, check=True, env=environment
        )
        digests.add(done.stdout)
    assert len(digests) == 1


def test_records_out_of_order_within_the_lateness_keep_the_alerts() -> None:
    """Law 4: shuffled within some seconds, kinds, services and start buckets of alerts stay, and so do the counts."""
    lines = sample(Format.PLAIN).splitlines(keepends=True)
    stamped = [line for line in lines if line[:2] == b"20"]
    rng = random.Random(9)
    within_s = PipelineParams().windows.lateness_s - 2

    def arrives(line: bytes) -> float:
        return datetime.fromisoformat(line[:19].decode()).timestamp() + rng.uniform(0, within_s)

    shuffled = [line for _, line in sorted(((arrives(line), line) for line in stamped), key=lambda pair: pair[0])]
    assert shuffled != stamped
    one, other = run([b"".join(stamped)]), run([b"".join(shuffled)])
    for name in ("lines", "records", "counted", "late"):
        assert one["intake"][name] == other["intake"][name]

    def kinds(report: dict[str, Any]) -> set[tuple[str, str, str]]:
        return {(a["kind"], a["service"], a["start"][:16]) for i in report["incidents"] for a in i["alerts"]}

    assert kinds(one) == kinds(other)


@pytest.mark.parametrize("fmt", FORMATS)
def test_counts_add_up(fmt: Format) -> None:
    """Law 6: lines, records and template counts."""
    data = sample(fmt)
    report = scan([TextSource("app.log", data)]).to_dict()
    intake = report["intake"]
    parts = ("records", "continuations", "blanks", "rejects", "skipped_own")
    assert intake["lines"] == sum(intake[part] for part in parts) == data.count(b"\n")
    assert intake["records"] == intake["counted"] + intake["late"]
    assert sum(template["count"] for template in report["templates"]) == intake["records"]
    assert sum(service["records"] for service in report["services"]) == intake["records"]


def garbage(n_lines: int, seed: int) -> bytes:
    """Return lines that never repeat, in messages and in service names."""
    rng = random.Random(seed)
    letters = "abcdefghijklmnopqrstuvwxyz"
    lines = []
    for i in range(n_lines):
        words = " ".join("".join(rng.choices(letters, k=rng.randint(3, 9))) for _ in range(rng.randint(3, 9)))
        service = "".join(rng.choices(letters, k=8))
        lines.append(f"2026-03-02 10:{i // 600 % 60:02d}:{i // 10 % 60:02d},000 INFO [{service}] {words}")
    return ("\n".join(lines) + "\n").encode()


def test_garbage_stays_bounded_and_raises_one_warning() -> None:
    """Law 5: never-repeating words and names: bounded streams and templates, a warning and no page."""
    params = PipelineParams(max_streams=50)
    pipeline = Pipeline(params)
    for piece in by_bytes(garbage(30_000, 1), 1 << 20):
        pipeline.observe(NAME, piece)
    pipeline.flush()
    report = scan_report(pipeline, ["app.log"], 1.0)
    assert len(report["services"]) <= params.max_streams + 1
    assert len(pipeline.templates.templates) <= params.templates.max_templates
    assert len(pipeline.snapshot().to_bytes()) < 40_000_000
    assert report["incidents"] == []
    assert 1 <= len(report["intake"]["health"]) <= params.max_streams


def test_two_workers_keyed_by_stream_give_the_alerts_of_one() -> None:
    """Law 8: each of two pipelines takes the lines of half of the services and is told the same time at the end."""
    lines = [line for line in sample(Format.FAULTMAVEN).splitlines(keepends=True) if line.startswith(b"{")]
    service_by_line = {line: json.loads(line)["service.name"] for line in lines}
    names = sorted(set(service_by_line.values()))
    end_us = max(_time_us(line) for line in lines) + 120_000_000

    def events(services: set[str]) -> list[tuple[Any, ...]]:
        pipeline = Pipeline()
        data = b"".join(line for line in lines if service_by_line[line] in services)
        found = [event for piece in by_lines(data, 700) for event in pipeline.observe(NAME, piece)]
        found += pipeline.advance(end_us) + pipeline.flush()
        return sorted((e.tick_us, e.alert.stream, e.action.value, e.alert.alert_id, e.reason) for e in found)

    whole = events(set(names))
    assert whole, "the sample must make an alert, or the law says little"
    assert sorted(events(set(names[::2])) + events(set(names[1::2]))) == whole


def _time_us(line: bytes) -> int:
    return int(datetime.fromisoformat(json.loads(line)["timestamp"]).timestamp() * 1e6)
