"""What was planted in a sample, and how an answer of `scan` is matched against it.

Reads and writes `truth.json` (schema ``fm-anomaly/truth/1``) and scores the dict of ``scan --json`` (see
docs/contracts.md). It knows nothing of how samples are made or how incidents are found.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

SCHEMA = "fm-anomaly/truth/1"

EARLY_S = 120
"""A found incident may start this many seconds before the planted one: a bucket or two of blur."""

LATE_S = 300
"""… and this many seconds after its end: rates are judged when their bucket closes."""


class FaultKind(StrEnum):
    """What can be planted."""

    OUTAGE = "outage"
    NEW_ERROR = "new_error"
    LATENCY = "latency"
    SILENCE = "silence"
    VOLUME_DROP = "volume_drop"
    BURST = "burst"
    CASCADE = "cascade"
    MISSED_JOB = "missed_job"
    SILENT_WORKER = "silent_worker"
    SLOW_LATENCY = "slow_latency"


ASKED_FOR = (FaultKind.MISSED_JOB, FaultKind.SILENT_WORKER, FaultKind.SLOW_LATENCY)
"""Kinds that are planted only where they are named: samples that do not name them stay the bytes that they are."""
DRAWN = tuple(kind for kind in FaultKind if kind not in ASKED_FOR)


@dataclass(frozen=True, slots=True)
class PlantedIncident:
    """One planted incident.

    `start` and `end` are ISO 8601 with ``Z``, half-open. `services` are all that show it, `root` first among equals
    where one is to blame. `n_lines` counts the lines written because of it (continuation lines included; 0 for a
    silence and a drop), `n_errors` the records among them at ERROR, `n_tracebacks` those that carry a traceback.
    """

    number: int
    kind: str
    start: str
    end: str
    root: str
    services: tuple[str, ...]
    description: str
    n_lines: int
    n_errors: int
    n_tracebacks: int


@dataclass(frozen=True, slots=True)
class KnownError:
    """A chronic error of the sample: belongs under ``known`` of a scan, never under its incidents."""

    service: str
    message: str
    rate_per_min: float


@dataclass(frozen=True, slots=True)
class SampleFile:
    """One log file of a sample; `service` is "" where several services share it."""

    name: str
    service: str
    n_lines: int


@dataclass(frozen=True, slots=True)
class Truth:
    """Everything that is true of one sample.

    `events` are harmless happenings of note (deploys, cron jobs): ``{"kind", "service", "at"}``.
    """

    seed: int
    vocabulary: str
    format: str
    start: str
    end: str
    services: tuple[str, ...]
    files: tuple[SampleFile, ...]
    incidents: tuple[PlantedIncident, ...]
    known: tuple[KnownError, ...]
    events: tuple[Mapping[str, str], ...] = ()

    @property
    def days(self) -> float:
        """Length of the sample in days."""
        return (seconds(self.end) - seconds(self.start)) / 86_400

    @property
    def n_lines(self) -> int:
        """Lines of all files together."""
        return sum(f.n_lines for f in self.files)

    def to_json(self) -> str:
        """Return `truth.json`: sorted nowhere, indented, newline at the end, the same bytes for the same truth."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Truth:
        """Read what `to_json` wrote.

        Raises
        ------
        ValueError
            If the schema is another one.
        """
        raw: dict[str, Any] = json.loads(text)
        if raw.pop("schema", None) != SCHEMA:
            raise ValueError(f"not a truth file of schema {SCHEMA}")
        raw["services"] = tuple(raw["services"])
        raw["files"] = tuple(SampleFile(**f) for f in raw["files"])
        raw["known"] = tuple(KnownError(**k) for k in raw["known"])
        raw["events"] = tuple(raw["events"])
        raw["incidents"] = tuple(PlantedIncident(**{**p, "services": tuple(p["services"])}) for p in raw["incidents"])
        return cls(**raw)

    @classmethod
    def load(cls, path: Path) -> Truth:
        """Read a `truth.json`."""
        return cls.from_json(path.read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Found:
    """A planted incident, the scan's incidents that show it (by position in the scan), earliest first.

    `is_root_named` tells whether the root is among the services of one of them, `delay_s` how long after the planted
    start the earliest one starts (negative: before it).
    """

    planted: PlantedIncident
    positions: tuple[int, ...]
    is_root_named: bool
    delay_s: float


@dataclass(frozen=True, slots=True)
class Match:
    """A scan beside its truth. Every incident of the scan is in `found` or in `false`, once.

    `split` counts the incidents beyond the first of a planted one: not false, but more cards than matters.
    """

    found: tuple[Found, ...]
    missed: tuple[PlantedIncident, ...]
    false: tuple[Mapping[str, Any], ...]
    split: int
    days: float
    n_alerts: int = field(default=0)

    @property
    def alerts_per_matter(self) -> float:
        """Incidents of the scan for each planted one that was found; 1.0 is best, 0.0 when none was found."""
        return (len(self.found) + self.split) / len(self.found) if self.found else 0.0


def seconds(iso: str) -> float:
    """Return an ISO 8601 time as seconds since the epoch; a time without a zone is taken as UTC.

    >>> seconds("1970-01-01T00:01:00.500000Z")
    60.5
    """
    at = datetime.fromisoformat(iso)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def iso_from_us(us: int) -> str:
    """Return microseconds since the epoch as ISO 8601 with ``Z``.

    >>> iso_from_us(60_500_000)
    '1970-01-01T00:01:00.500000Z'
    """
    s, frac = divmod(us, 1_000_000)
    return f"{datetime.fromtimestamp(s, UTC).isoformat()[:19]}.{frac:06d}Z"


def score(scan: Mapping[str, Any], truth: Truth) -> Match:
    """Match the incidents of a scan against what was planted.

    An incident shows a planted one when it starts within [start - `EARLY_S`, end + `LATE_S`] and shares a service with
    it; where two planted ones would do, the one that starts nearest is taken. What shows none is false.
    """
    incidents: Sequence[Mapping[str, Any]] = scan["incidents"]
    shown: dict[int, list[int]] = {}
    false: list[Mapping[str, Any]] = []
    for position, incident in enumerate(incidents):
        planted = _planted_for(incident, truth.incidents)
        if planted is None:
            false.append(incident)
        else:
            shown.setdefault(planted.number, []).append(position)
    found = tuple(_found(p, shown[p.number], incidents) for p in truth.incidents if p.number in shown)
    return Match(
        found=found,
        missed=tuple(p for p in truth.incidents if p.number not in shown),
        false=tuple(false),
        split=sum(len(f.positions) - 1 for f in found),
        days=truth.days,
        n_alerts=len(incidents),
    )


def _planted_for(incident: Mapping[str, Any], planted: Sequence[PlantedIncident]) -> PlantedIncident | None:
    at, services = seconds(incident["start"]), incident["services"]
    near = [
        p
        for p in planted
        if seconds(p.start) - EARLY_S <= at <= seconds(p.end) + LATE_S and any(s in p.services for s in services)
    ]
    return min(near, key=lambda p: abs(seconds(p.start) - at), default=None)


def _found(planted: PlantedIncident, positions: list[int], incidents: Sequence[Mapping[str, Any]]) -> Found:
    starts = [seconds(incidents[i]["start"]) for i in positions]
    return Found(
        planted,
        tuple(i for _, i in sorted(zip(starts, positions, strict=True))),
        any(planted.root in incidents[i]["services"] for i in positions),
        min(starts) - seconds(planted.start),
    )
