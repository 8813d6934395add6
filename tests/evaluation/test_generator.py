"""Laws of the sample generator: repeatable, true to its truth, and harmless where it claims to be."""

from __future__ import annotations

import ast
import hashlib
import os
import re
import statistics
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

import fm_anomaly.evaluation.generator as generator_module
from fm_anomaly.evaluation.generator import GeneratorParams, generate
from fm_anomaly.evaluation.rendering import Format
from fm_anomaly.evaluation.truth import ASKED_FOR, DRAWN, FaultKind, PlantedIncident, Truth, seconds

PLAIN = re.compile(r"^(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)\S* +([A-Z]+) +\[([\w-]+)\] (.*)$")
SMALL = GeneratorParams(seed=3, days=0.2, n_services=2, n_incidents=1, max_lines=4000)
Record = tuple[float, str, str, str]


def digest(folder: Path) -> str:
    parts = [p.name.encode() + p.read_bytes() for p in sorted(folder.iterdir())]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def records(folder: Path, truth: Truth) -> list[Record]:
    """Read a plain sample back: (seconds, level, service, message) of each record."""
    out = []
    for f in truth.files:
        for line in (folder / f.name).read_text(encoding="utf-8").splitlines():
            if m := PLAIN.match(line):
                at = datetime.fromisoformat(m[1]).replace(tzinfo=UTC).timestamp()
                out.append((at, m[2], m[3], m[4]))
    return out


@pytest.mark.parametrize("fmt", list(Format))
def test_equal_params_give_equal_bytes(tmp_path: Path, fmt: Format) -> None:
    """The same parameters write the same bytes, in every format."""
    params = GeneratorParams(seed=8, days=0.2, format=fmt, n_services=2, max_lines=3000)
    generate(params, tmp_path / "a")
    generate(params, tmp_path / "b")
    assert digest(tmp_path / "a") == digest(tmp_path / "b")


def test_bytes_do_not_depend_on_the_hash_seed(tmp_path: Path) -> None:
    """Two processes with different PYTHONHASHSEED write the same bytes."""
    code = (
        "import sys; from pathlib import Path;"
        "from fm_anomaly.evaluation.generator import GeneratorParams, generate;"
        "generate(GeneratorParams(seed=3, days=0.2, n_services=2, n_incidents=1, max_lines=4000), Path(sys.argv[1]))"
    )
    for seed in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        subprocess.run([sys.executable, "-c", code, str(tmp_path / seed)], check=True, env=env)
    generate(SMALL, tmp_path / "here")
    assert len({digest(tmp_path / name) for name in ("1", "2", "here")}) == 1


def test_seeds_differ(tmp_path: Path) -> None:
    """Another seed gives other services, words or formats."""
    looks = set()
    for seed in range(8):
        truth = generate(GeneratorParams(seed=seed, days=0.1, max_lines=1500), tmp_path / str(seed))
        looks.add((truth.vocabulary, truth.format, truth.services))
    assert len(looks) == 8
    assert len({vocabulary for vocabulary, _, _ in looks}) == 3


def test_the_generator_shares_no_code_with_what_it_tests() -> None:
    """None of the generator's modules imports core, ingest or anything above them."""
    own = (
        "authors",
        "ci_logs",
        "failures",
        "faults",
        "flows",
        "generator",
        "noise",
        "outage",
        "phrases",
        "prose",
        "rendering",
        "structured",
        "system",
    )
    folder = Path(generator_module.__file__).parent
    for name in (*own, "truth", "vocabulary"):
        for node in ast.walk(ast.parse((folder / f"{name}.py").read_text(encoding="utf-8"))):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules += [a.name for a in node.names] if isinstance(node, ast.Import) else []
            ours = [m for m in modules if m.startswith("fm_anomaly")]
            assert all(m.startswith("fm_anomaly.evaluation") for m in ours), (name, ours)


def test_a_sample_without_incidents_has_none(tmp_path: Path) -> None:
    """`n_incidents=0` plants nothing, and still has its chronic error."""
    truth = generate(GeneratorParams(seed=5, days=0.3, n_incidents=0, max_lines=4000), tmp_path)
    assert truth.incidents == ()
    assert truth.known[0].rate_per_min > 0


def test_lines_of_the_truth_are_the_lines_of_the_files(tmp_path: Path) -> None:
    """`n_lines` of each file counts its newlines; the truth on disk reads back as the truth returned."""
    truth = generate(SMALL, tmp_path)
    for f in truth.files:
        assert (tmp_path / f.name).read_bytes().count(b"\n") == f.n_lines
    assert Truth.load(tmp_path / "truth.json") == truth


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Truth, list[Record]]:
    """A plain sample of a day with every kind of incident, read back."""
    folder = tmp_path_factory.mktemp("plain")
    kinds = DRAWN
    params = GeneratorParams(
        seed=12, days=1.0, vocabulary="shop", format="plain", kinds=kinds, rates=(40.0, 25.0, 15.0), is_merged=True
    )
    truth = generate(params, folder)
    assert {p.kind for p in truth.incidents} == set(kinds), "choose another seed: a kind did not fit"
    return truth, records(folder, truth)


def planted(truth: Truth, kind: FaultKind) -> tuple[PlantedIncident, float, float]:
    found = next(p for p in truth.incidents if p.kind == kind)
    return found, seconds(found.start), seconds(found.end)


def per_min(rows: list[Record], service: str, start: float, end: float) -> float:
    return sum(start <= at < end and s == service for at, _, s, _ in rows) * 60 / (end - start)


def test_a_silent_service_writes_nothing(plain: tuple[Truth, list[Record]]) -> None:
    """Within a silence no record of its service stands; before it, they come at their rate."""
    truth, rows = plain
    incident, start, end = planted(truth, FaultKind.SILENCE)
    assert per_min(rows, incident.root, start + 2, end) == 0
    assert per_min(rows, incident.root, start - 3600, start) > 2


def test_a_volume_drop_is_deep(plain: tuple[Truth, list[Record]]) -> None:
    """Within a drop the service writes less than half of what it wrote the hour before."""
    truth, rows = plain
    incident, start, end = planted(truth, FaultKind.VOLUME_DROP)
    assert per_min(rows, incident.root, start, end) < 0.5 * per_min(rows, incident.root, start - 3600, start)


def test_a_burst_is_high_and_of_a_known_message(plain: tuple[Truth, list[Record]]) -> None:
    """Within a burst the service writes at least three times as much as the hour before."""
    truth, rows = plain
    incident, start, end = planted(truth, FaultKind.BURST)
    assert per_min(rows, incident.root, start, end) > 3 * per_min(rows, incident.root, start - 3600, start)


@pytest.mark.parametrize("kind", [FaultKind.OUTAGE, FaultKind.NEW_ERROR, FaultKind.CASCADE])
def test_errors_of_an_incident_stand_within_it(plain: tuple[Truth, list[Record]], kind: FaultKind) -> None:
    """The span of an incident holds the errors and tracebacks that the truth counts, and there are enough of them."""
    truth, rows = plain
    incident, start, end = planted(truth, kind)
    errors = [(at, s) for at, level, s, _ in rows if level == "ERROR" and s in incident.services]
    inside = sum(start <= at < end + 30 for at, _ in errors)
    assert inside >= incident.n_errors >= 15
    assert 0 < incident.n_tracebacks <= incident.n_errors


def test_latency_climbs(plain: tuple[Truth, list[Record]]) -> None:
    """In the second half of a latency incident the median duration is at least twice that of the hour before."""
    truth, rows = plain
    incident, start, end = planted(truth, FaultKind.LATENCY)
    took = re.compile(r"(?:took |in |\d{3} |duration_ms=)(\d+)(?:\.\d+)? ?(?:ms)?$")

    def median(a: float, b: float) -> float:
        rows_in = [m[0] for at, _, s, text in rows if s == incident.root and a <= at < b if (m := took.findall(text))]
        return statistics.median([float(v) for v in rows_in])

    assert median((start + end) / 2, end) > 2 * median(start - 3600, start)


def test_chronic_error_is_steady(plain: tuple[Truth, list[Record]]) -> None:
    """The chronic error comes at the rate the truth tells, in the first half as in the second."""
    truth, rows = plain
    known = truth.known[0]
    words = [re.escape(w) for w in re.split(r"\{\w+\}", known.message)]
    message = re.compile(r"[\w-]+".join(words))
    times = [at - seconds(truth.start) for at, _, s, text in rows if s == known.service and message.fullmatch(text)]
    half = 43_200 * known.rate_per_min / 60
    for n in (sum(t < 43_200 for t in times), sum(t >= 43_200 for t in times)):
        assert 0.75 * half < n < 1.25 * half


def test_traffic_is_burstier_than_poisson(plain: tuple[Truth, list[Record]]) -> None:
    """Counts a minute have a variance above their mean, season taken out by comparing neighbours."""
    truth, rows = plain
    counts = Counter(int(at // 60) for at, _, s, _ in rows if s == truth.services[0])
    series = [counts[m] for m in range(min(counts), max(counts) + 1)]
    between = [(a - b) ** 2 / 2 for a, b in pairwise(series)]
    assert statistics.mean(between) > 1.3 * statistics.mean(series)


def test_lines_are_late_by_two_seconds_at_most(plain: tuple[Truth, list[Record]]) -> None:
    """Some records stand behind later ones, none by more than 2 s (and the second of the text's resolution)."""
    _, rows = plain
    newest, worst = 0.0, 0.0
    for at, _, _, _ in rows:
        newest = max(newest, at)
        worst = max(worst, newest - at)
    assert 0 < worst <= 3


def test_there_is_something_to_redact(plain: tuple[Truth, list[Record]]) -> None:
    """E-mail addresses, tokens and passwords stand in some lines, and in few."""
    _, rows = plain
    secret = re.compile(r"@mail\.example|Bearer ey|password=")
    n = sum(bool(secret.search(text)) for _, _, _, text in rows)
    assert 10 < n < len(rows) / 50


@pytest.fixture(scope="module")
def absent(tmp_path_factory: pytest.TempPathFactory) -> tuple[Truth, list[Record]]:
    """A plain sample with the faults that are planted only where they are named."""
    folder = tmp_path_factory.mktemp("absent")
    params = GeneratorParams(
        seed=15, days=1.0, vocabulary="shop", format="plain", kinds=ASKED_FOR, rates=(12.0, 9.0, 6.0), is_merged=True
    )
    truth = generate(params, folder)
    assert {p.kind for p in truth.incidents} == set(ASKED_FOR), "choose another seed: a kind did not fit"
    return truth, records(folder, truth)


def test_a_missed_job_ran_before_and_after(absent: tuple[Truth, list[Record]]) -> None:
    """A job that is missed runs at its beat, but not from the start of the incident to its end."""
    truth, rows = absent
    incident, start, end = planted(truth, FaultKind.MISSED_JOB)
    job = incident.description.split(",")[0]
    runs = [at for at, _, s, text in rows if s == incident.root and text.startswith(f"{job} finished")]
    assert len([at for at in runs if at < start]) >= 25
    assert not [at for at in runs if start + 120 < at < end]
    assert [at for at in runs if end <= at < end + 3700]


def test_a_silent_worker_does_nothing(absent: tuple[Truth, list[Record]]) -> None:
    """A worker that hangs writes next to nothing."""
    truth, rows = absent
    incident, start, end = planted(truth, FaultKind.SILENT_WORKER)
    assert per_min(rows, incident.root, start + 5, end) < 0.5 * per_min(rows, incident.root, start - 3600, start)


def test_kinds_that_are_asked_for_are_not_drawn(tmp_path: Path) -> None:
    """Samples that do not name them have none of the kinds that must be named."""
    truth = generate(GeneratorParams(seed=2, days=0.5, n_incidents=7, max_lines=2000), tmp_path)
    assert not {p.kind for p in truth.incidents} & set(ASKED_FOR)
