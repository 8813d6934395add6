"""`evaluate hdfs`: unusual sessions in raw lines, judged online and without labels, beside simple baselines.

The folder holds the lines in time order (``*.log``, also compressed) and, where figures are wanted, ``labels.csv``
(session id, whether it is anomalous). Lines go the product's way: parsing, templates, session ids, `SequenceDetector`.
The one thing that only an evaluation knows is which line of a session is its last: there the session ends and gets its
score, from what was read before. Sessions that end in the first 5 % of the lines are warm-up and count in no figure.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fm_anomaly.core.detectors import SequenceDetector, SequenceParams
from fm_anomaly.core.parsing import ParsingParams
from fm_anomaly.core.session_ids import ids_in
from fm_anomaly.core.sessions import Session, SessionParams, Sessions
from fm_anomaly.core.sources import Source, SourceName
from fm_anomaly.core.template_values import MergeAt
from fm_anomaly.core.templates import TemplateStore
from fm_anomaly.errors import SourceError
from fm_anomaly.evaluation.session_rivals import RIVALS
from fm_anomaly.ingest.compression import decompressed

HEAD = ("block", "score", "decision")
WARM_UP_SHARE = 0.05
_CHUNK_BYTES = 8 << 20
_TRUE = frozenset({"true", "1", "anomaly", "yes"})
_N_BOOTSTRAP = 200
_DECIDED = SequenceParams().limit


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines that name a session, in the order in which they were read; arrays of one length."""

    n: int
    """Lines in all."""
    line: NDArray[np.int64]
    session: NDArray[np.int64]
    step: NDArray[np.int64]
    ts_us: NDArray[np.int64]
    names: list[str]
    """Session ids by code."""
    merges: list[tuple[int, MergeAt]]
    """Merges of templates, with the place of the line that brought them."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What was said of one session when its last line had been read."""

    name: str
    last_line: int
    decades: float
    score: float
    decision: bool


@dataclass(frozen=True, slots=True)
class Figures:
    """How well scores and decisions match the labels."""

    name: str
    average_precision: float
    f1: float
    precision: float
    recall: float
    ap_low: float = 0.0
    ap_high: float = 0.0
    f1_low: float = 0.0
    f1_high: float = 0.0


@dataclass(frozen=True, slots=True)
class HdfsReport:
    """The run over one folder."""

    n_lines: int
    n_sessions: int
    n_anomalous: int
    """Labelled sessions after the warm-up, and how many of them are anomalous."""
    n_templates: int
    figures: Figures | None
    """None where the folder has no labels."""
    baselines: tuple[Figures, ...]
    judged: tuple[Judged, ...]
    """All sessions by their last line, those of the warm-up included."""

    @property
    def rows(self) -> list[tuple[str, str, int]]:
        """Id, score in [0, 1] and decision (0 or 1) of every session, by their last lines."""
        return [(j.name, f"{j.score:.6f}", int(j.decision)) for j in self.judged]


def run(folder: Path) -> HdfsReport:
    """Judge all sessions of the lines in `folder`; raises SourceError where it holds no lines."""
    store = TemplateStore()
    lines = read_lines(folder, store)
    judged = judge(lines)
    labels = read_labels(folder)
    some = [j for j in judged if j.last_line >= WARM_UP_SHARE * lines.n and j.name in labels]
    truth = np.array([labels[j.name] for j in some], dtype=np.bool_)
    figures, baselines = None, []
    if truth.any():
        decided = np.array([j.decision for j in some])
        figures = _figures("fm-anomaly", np.array([j.decades for j in some]), decided, truth)
        names = {j.name: i for i, j in enumerate(some)}
        for name, rival in RIVALS.items():
            baselines.append(_rival(name, rival, lines, names, truth))
    n_templates = len(set(lines.step.tolist()))
    return HdfsReport(lines.n, len(some), int(truth.sum()), n_templates, figures, tuple(baselines), tuple(judged))


def read_lines(folder: Path, store: TemplateStore) -> Lines:
    """Return the lines of a folder as the product reads them."""
    files = sorted(path for path in folder.iterdir() if ".log" in path.suffixes)
    if not files:
        raise SourceError(f"no *.log file in {folder}: give the folder of the data set")
    codes: dict[str, int] = {}
    parts: list[tuple[NDArray[np.int64], ...]] = []
    merges: list[tuple[int, MergeAt]] = []
    n = n_rows = 0
    for file in files:
        source = Source(SourceName(file.name, folder.name), ParsingParams(), 0)
        for frame in _frames(file, source):
            step = store.assign(np.zeros(frame.height, np.int32), frame["body"], frame["event_key"]).astype(np.int64)
            ids = ids_in(frame["body"])
            row = np.flatnonzero(ids.is_not_null().to_numpy())
            merges += [(n_rows + int(np.searchsorted(row, merge.row)), merge) for merge in store.merge_log]
            store.merge_log.clear()
            session = [codes.setdefault(name, len(codes)) for name in ids.gather(row).to_list()]
            parts.append((n + row, np.array(session, dtype=np.int64), step[row], frame["ts_us"].to_numpy()[row]))
            n, n_rows = n + frame.height, n_rows + row.size
    if not codes:
        raise SourceError(f"no line in {folder} names a session")
    line, sessions, steps, ts_us = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Lines(n, line, sessions, steps, ts_us, list(codes), merges)


def _frames(file: Path, source: Source) -> Iterator[Any]:
    def broken(warning: str) -> None:
        raise SourceError(f"{file}: {warning}")

    with file.open("rb") as stream:
        for data in decompressed(iter(lambda: stream.read(_CHUNK_BYTES), b""), broken):
            frame = source.feed(data)
            if frame.height:
                yield frame
    frame = source.flush()
    if frame.height:
        yield frame


def judge(lines: Lines) -> list[Judged]:
    """Return what is said of each session when its last line has been read, in that order."""
    detector = SequenceDetector()
    sessions = Sessions(SessionParams(max_open=max(len(lines.names), 1)))
    last = np.full(len(lines.names), -1, dtype=np.int64)
    last[lines.session] = np.arange(lines.session.size)
    out: list[Judged] = []
    merges = iter([*lines.merges, (1 << 62, None)])
    merge_row, merge = next(merges)
    rows = zip(lines.line.tolist(), lines.session.tolist(), lines.step.tolist(), lines.ts_us.tolist(), strict=True)
    for row, (line, code, step, ts_us) in enumerate(rows):
        while merge is not None and merge_row <= row:
            sessions.merge(merge.index, merge.into)
            detector.merge(merge.index, merge.into)
            merge_row, merge = next(merges)
        _take(detector, sessions, lines.names[code], step, ts_us)
        if last[code] == row:
            out.append(_end(detector, sessions, lines.names[code], line))
    return out


def _take(detector: SequenceDetector, sessions: Sessions, name: str, step: int, ts_us: int) -> None:
    taken = sessions.add(name, step, ts_us)
    if taken is None:
        return
    session, count = taken
    if session.is_overlong:
        detector.forget(session)
    else:
        detector.note(session.kind, step, count, is_first=session.n == 1)


def _end(detector: SequenceDetector, sessions: Sessions, name: str, line: int) -> Judged:
    session: Session | None = sessions.end(name)
    if session is None:
        return Judged(name, line, 0.0, 0.0, False)
    score = detector.score_one(0, session, is_noted=True).score
    detector.learn_one(0, session, is_noted=True)
    return Judged(name, line, score.raw, score.value, score.raw >= _DECIDED)


def read_labels(folder: Path) -> dict[str, bool]:
    """Return the label of each session from ``labels.csv`` (id first, label second), {} where there is none."""
    file = folder / "labels.csv"
    if not file.is_file():
        return {}
    with file.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    return {row[0]: row[1].strip().lower() in _TRUE for row in rows[1:] if len(row) >= 2}


def _rival(
    name: str, rival: Callable[[Sequence[Sequence[int]]], list[float]], lines: Lines, names: dict[str, int], truth: Any
) -> Figures:
    """Return the figures of a baseline, given the threshold that serves it best."""
    order, sequences = _sequences(lines)
    scores = np.zeros(len(names))
    for code, score in zip(order, rival(sequences), strict=True):
        place = names.get(lines.names[code])
        if place is not None:
            scores[place] = score
    return _figures(name, scores, scores >= _best_threshold(scores, truth), truth)


def _sequences(lines: Lines) -> tuple[list[int], list[list[int]]]:
    """Return the sessions in the order of their last lines, and the steps of each."""
    steps: list[list[int]] = [[] for _ in lines.names]
    last = np.zeros(len(lines.names), dtype=np.int64)
    for row, (code, step) in enumerate(zip(lines.session.tolist(), lines.step.tolist(), strict=True)):
        steps[code].append(step)
        last[code] = row
    order = np.argsort(last, kind="stable").tolist()
    return order, [steps[code] for code in order]


def average_precision(scores: NDArray[Any], truth: NDArray[np.bool_]) -> float:
    """Return the average precision; equal scores are taken together.

    >>> average_precision(np.array([3.0, 2.0, 1.0]), np.array([True, False, True]))
    0.8333333333333333
    """
    precision, recall = _curve(scores, truth)[:2]
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def _curve(scores: NDArray[Any], truth: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return precision and recall of each threshold, from the highest on, and the thresholds."""
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.diff(scores[order], append=-np.inf))
    hits = np.cumsum(truth[order])[ends]
    return hits / (ends + 1), hits / max(int(truth.sum()), 1), scores[order][ends]


def _best_threshold(scores: NDArray[Any], truth: NDArray[np.bool_]) -> float:
    precision, recall, thresholds = _curve(scores, truth)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return float(thresholds[int(np.argmax(f1))])


def _f1(decided: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    return 2 * int((decided & truth).sum()) / max(int(decided.sum()) + int(truth.sum()), 1)


def _figures(name: str, scores: NDArray[Any], decided: NDArray[np.bool_], truth: NDArray[np.bool_]) -> Figures:
    hits = int((decided & truth).sum())
    rng = Random(0)
    drawn = []
    for _ in range(_N_BOOTSTRAP):
        some = np.array(rng.choices(range(len(truth)), k=len(truth)))
        if truth[some].any():
            drawn.append((average_precision(scores[some], truth[some]), _f1(decided[some], truth[some])))
    low, high = np.percentile(np.array(drawn), (2.5, 97.5), axis=0)
    return Figures(
        name,
        average_precision(scores, truth),
        _f1(decided, truth),
        hits / max(int(decided.sum()), 1),
        hits / max(int(truth.sum()), 1),
        float(low[0]),
        float(high[0]),
        float(low[1]),
        float(high[1]),
    )


def to_dict(report: HdfsReport) -> dict[str, Any]:
    """Return the report as plain values for `--json`, single sessions left out."""
    figures = asdict(report)
    del figures["judged"]
    return {"schema": "fm-anomaly/evaluate-hdfs/1", **figures}


def render(report: HdfsReport) -> str:
    """Return the report as a table for the terminal."""
    head = f"{report.n_lines:,} lines, {len(report.judged):,} sessions, {report.n_templates} templates"
    if report.figures is None:
        return f"{head}; no labels.csv, so no figures"
    f = report.figures
    rows = [
        f"{head}; {report.n_sessions:,} labelled after the warm-up, {report.n_anomalous} anomalous",
        "",
        "                              AP     F1  precision  recall",
        _row(f),
        f"{'  95 % of 200 bootstraps':<26} {f.ap_low:.3f}–{f.ap_high:.3f}, F1 {f.f1_low:.3f}–{f.f1_high:.3f}",
        "",
        "baselines, online too, their F1 at the threshold that serves them best",
        *(_row(b) for b in report.baselines),
    ]
    return "\n".join(rows)


def _row(f: Figures) -> str:
    return f"{f.name:<26}  {f.average_precision:.3f}  {f.f1:.3f}      {f.precision:.3f}   {f.recall:.3f}"


__all__: Sequence[str] = ("HEAD", "HdfsReport", "average_precision", "render", "run", "to_dict")
