"""Quality of the explaining lines of `diff`, on labelled pairs of build logs in the layout of labri-progress/cidiff.

A folder a build holds pass.log, fail.log and groundtruth, whose lines "E 34-45" and "C 33" mark the error lines and
their context (1-based; a lone CR ends a line too). The figure is line F1 a build, averaged over builds; beside it stand
baselines and a bootstrap interval. This module knows how truth is stored and scored, not how lines are found.
"""

from __future__ import annotations

import difflib
import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from fm_anomaly.core.diff_sources import diff_texts
from fm_anomaly.errors import SourceError

_FILES = ("pass.log", "fail.log", "groundtruth")
_RESAMPLES = 10_000
_ERROR_WORDS = re.compile(r"error|exception|fail|fatal", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Build:
    """One labelled pair of logs; `errors` and `context` are 1-based line numbers of `failing`."""

    name: str
    passing: bytes
    failing: bytes
    errors: frozenset[int]
    context: frozenset[int]


@dataclass(frozen=True, slots=True)
class LineScore:
    """Agreement of flagged lines with the truth."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class BuildResult:
    """One build's figures. `context_recall` is the share of context lines flagged, None where there are none."""

    name: str
    n_lines: int
    n_errors: int
    n_flagged: int
    score: LineScore
    f1_with_context: float
    context_recall: float | None
    baselines: dict[str, float]
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class CidiffReport:
    """All builds, and the macro-average with its 95 % bootstrap interval over builds."""

    builds: tuple[BuildResult, ...]
    f1: float
    f1_low: float
    f1_high: float
    precision: float
    recall: float
    f1_with_context: float
    context_recall: float | None
    baselines: dict[str, float]


def run(data: Path) -> CidiffReport:
    """Return the report over every build in `data`: a folder, or a tar archive, in the public layout.

    Raises `SourceError` where there is no build.
    """
    results = tuple(_evaluated(build) for build in builds_in(data))
    if not results:
        raise SourceError(f"{data}: no folder with {', '.join(_FILES)}; give the folder of the cidiff corpus")
    return _report(results)


def builds_in(data: Path) -> Iterator[Build]:
    """Yield the builds of a folder (searched to any depth) or archive, by name."""
    archives = [data] if data.is_file() else sorted(data.glob("*.tar*"))
    folders = sorted({path.parent for path in data.rglob("groundtruth")}) if data.is_dir() else []
    for folder in folders:
        yield _build(folder.name, _reader_of(folder))
    for archive in [] if folders else archives:
        yield from _builds_of_archive(archive)


def render(report: CidiffReport) -> str:
    """Return the report as plain text, worst build first."""
    lines = [f"{'build':30}{'lines':>7}{'error':>7}{'flagged':>9}{'P':>7}{'R':>7}{'F1':>7}"]
    lines += [
        f"{b.name[:29]:30}{b.n_lines:>7}{b.n_errors:>7}{b.n_flagged:>9}"
        f"{b.score.precision:>7.3f}{b.score.recall:>7.3f}{b.score.f1:>7.3f}"
        for b in sorted(report.builds, key=lambda b: (b.score.f1, b.name))
    ]
    interval = f"95 % {report.f1_low:.3f} to {report.f1_high:.3f}, bootstrap over {len(report.builds)} builds"
    lines += ["", f"line F1, macro-average      {report.f1:.3f}  ({interval})"]
    lines += [f"precision, recall           {report.precision:.3f}, {report.recall:.3f}"]
    lines += [f"baseline {name:19}{f1:.3f}" for name, f1 in report.baselines.items()]
    if report.context_recall is not None:
        lines += [f"F1 with context as error    {report.f1_with_context:.3f}"]
        lines += [f"context lines flagged       {report.context_recall:.3f}"]
    lines += [f"seconds, slowest build      {max(b.elapsed_s for b in report.builds):.2f}"]
    return "\n".join(lines)


def to_dict(report: CidiffReport) -> dict[str, Any]:
    """Return the report as JSON's types."""
    return asdict(report)


def line_score(flagged: frozenset[int], truth: frozenset[int]) -> LineScore:
    """Return precision, recall and F1 of line numbers; nothing flagged where nothing is true scores 1.

    >>> line_score(frozenset({1, 2}), frozenset({2, 3})).f1
    0.5
    """
    hits = len(flagged & truth)
    if not flagged and not truth:
        return LineScore(1.0, 1.0, 1.0)
    return LineScore(
        hits / len(flagged) if flagged else 0.0,
        hits / len(truth) if truth else 0.0,
        2 * hits / (len(flagged) + len(truth)),
    )


def _reader_of(folder: Path) -> Callable[[str], bytes]:
    return lambda name: (folder / name).read_bytes()


def _builds_of_archive(archive: Path) -> Iterator[Build]:
    try:
        with tarfile.open(archive) as tar:
            members = {Path(m.name): m for m in tar.getmembers() if m.isfile()}
            for folder in sorted({path.parent for path in members if path.name == "groundtruth"}):

                def read(name: str, folder: Path = folder) -> bytes:
                    stored = tar.extractfile(members[folder / name])
                    return stored.read() if stored else b""

                yield _build(folder.name, read)
    except (tarfile.TarError, KeyError) as exc:
        raise SourceError(f"{archive}: cannot be read as an archive of the corpus ({exc})") from exc


def _build(name: str, read: Callable[[str], bytes]) -> Build:
    passing, failing, truth = (read(file) for file in _FILES)
    marked: dict[str, set[int]] = {"E": set(), "C": set()}
    for kind, first, last in re.findall(r"^([EC]) (\d+)(?:-(\d+))?\s*$", truth.decode(), re.MULTILINE):
        marked[kind].update(range(int(first), int(last or first) + 1))
    return Build(name, passing, failing, frozenset(marked["E"]), frozenset(marked["C"] - marked["E"]))


def _evaluated(build: Build) -> BuildResult:
    started = perf_counter()
    flagged = frozenset(diff_texts(build.passing, build.failing).lines)
    elapsed_s = perf_counter() - started
    before, after = _lines(build.passing), _lines(build.failing)
    return BuildResult(
        name=build.name,
        n_lines=len(after),
        n_errors=len(build.errors),
        n_flagged=len(flagged),
        score=line_score(flagged, build.errors),
        f1_with_context=line_score(flagged, build.errors | build.context).f1,
        context_recall=len(flagged & build.context) / len(build.context) if build.context else None,
        baselines={name: line_score(find(before, after), build.errors).f1 for name, find in _BASELINES.items()},
        elapsed_s=elapsed_s,
    )


def _report(results: tuple[BuildResult, ...]) -> CidiffReport:
    f1 = np.array([r.score.f1 for r in results])
    draws = np.random.default_rng(0).integers(0, len(f1), (_RESAMPLES, len(f1)))
    low, high = np.quantile(f1[draws].mean(axis=1), (0.025, 0.975))
    context = [r.context_recall for r in results if r.context_recall is not None]
    return CidiffReport(
        builds=results,
        f1=float(f1.mean()),
        f1_low=float(low),
        f1_high=float(high),
        precision=float(np.mean([r.score.precision for r in results])),
        recall=float(np.mean([r.score.recall for r in results])),
        f1_with_context=float(np.mean([r.f1_with_context for r in results])),
        context_recall=float(np.mean(context)) if context else None,
        baselines={n: float(np.mean([r.baselines[n] for r in results])) for n in results[0].baselines},
    )


def _lines(log: bytes) -> list[str]:
    return re.split(r"\r\n|\r|\n", log.decode("utf-8", "replace"))


def _added_by_diff(before: list[str], after: list[str]) -> frozenset[int]:
    matcher = difflib.SequenceMatcher(None, before, after)
    spans = [(j1, j2) for tag, _, _, j1, j2 in matcher.get_opcodes() if tag in ("insert", "replace")]
    return frozenset(j + 1 for j1, j2 in spans for j in range(j1, j2) if after[j].strip())


def _absent_without_digits(before: list[str], after: list[str]) -> frozenset[int]:
    known = {re.sub(r"\d+", "0", line.strip()) for line in before}
    return frozenset(
        i for i, line in enumerate(after, 1) if line.strip() and re.sub(r"\d+", "0", line.strip()) not in known
    )


def _speaking_of_errors(before: list[str], after: list[str]) -> frozenset[int]:
    return frozenset(i for i, line in enumerate(after, 1) if _ERROR_WORDS.search(line))


_BASELINES: dict[str, Callable[[list[str], list[str]], frozenset[int]]] = {
    "diff, added lines": _added_by_diff,
    "absent, no digits": _absent_without_digits,
    "grep error words": _speaking_of_errors,
}
