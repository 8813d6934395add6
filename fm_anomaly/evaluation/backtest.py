"""Backtest: what would have fired on these logs, at several sensitivities, and was it right?

Each sensitivity is a whole scan with its own rate of false alarms, so that early words, budget and incidents are just
those that a running service would have given. This module must not know files, options or how a result is shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from fm_anomaly.core.alerts import AlertAction, AlertEvent
from fm_anomaly.core.frames import US_PER_S
from fm_anomaly.core.pipeline import PipelineParams
from fm_anomaly.evaluation.truth import Match, Truth, iso_from_us, score, seconds
from fm_anomaly.scanning import Readable, scan

SCHEMA = "fm-anomaly/backtest/1"
SENSITIVITIES: tuple[tuple[str, float], ...] = (("low", 0.2), ("as set", 1.0), ("high", 5.0))
"""(name, factor on `false_alarms_per_series_day`)."""

_DAY_US = 86_400 * US_PER_S

Open = Callable[[str], tuple[Sequence[Readable], PipelineParams, int]]
"""Name of a sensitivity → sources to read from their start, settings, and event time of records that tell none (µs)."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A backtest against a truth: counts, and seconds from a planted start to the first alert that shows it."""

    n_planted: int
    n_found: int
    n_false: int
    n_split: int
    delays_s: tuple[float, ...]

    @property
    def recall(self) -> float:
        """Found of planted; 1 where none was planted."""
        return self.n_found / self.n_planted if self.n_planted else 1.0

    @property
    def precision(self) -> float:
        """Incidents that show a planted one, of all; 1 where none was found."""
        n_right = self.n_found + self.n_split
        return n_right / (n_right + self.n_false) if n_right + self.n_false else 1.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one sensitivity would have told."""

    name: str
    false_alarms_per_series_day: float
    first_us: int
    last_us: int
    n_lines: int
    incidents: tuple[Mapping[str, Any], ...]
    alerts: tuple[tuple[str, str, bool], ...]
    """(service, kind, whether it was notified) of every alert, in the order in which they fired."""
    fired_us: Mapping[str, int]
    """Alert id → event time at which it fired, µs."""
    judged: Judged | None = None

    @property
    def days(self) -> float:
        """Length of the logs in days, at least a minute of one."""
        return max(self.last_us - self.first_us, 60 * US_PER_S) / _DAY_US

    @property
    def n_notified(self) -> int:
        """Alerts that a receiver would have heard of."""
        return sum(is_notified for *_, is_notified in self.alerts)

    def by_service_and_kind(self) -> list[tuple[str, str, int, int]]:
        """Return (service, kind, alerts, of them notified), most alerts first."""
        n = Counter((service, kind) for service, kind, _ in self.alerts)
        told = Counter((service, kind) for service, kind, is_notified in self.alerts if is_notified)
        return [(*key, count, told[key]) for key, count in sorted(n.items(), key=lambda i: (-i[1], i[0]))]


def run(
    open_sources: Open, truth: Truth | None = None, sensitivities: Sequence[tuple[str, float]] = SENSITIVITIES
) -> list[Outcome]:
    """Return the outcome of each sensitivity, in their order. Cost: a scan each."""
    return [_run_one(name, factor, open_sources, truth) for name, factor in sensitivities]


def _run_one(name: str, factor: float, open_sources: Open, truth: Truth | None) -> Outcome:
    sources, params, default_us = open_sources(name)
    calibration = params.detection.calibration
    rate = calibration.false_alarms_per_series_day * factor
    calibration = replace(calibration, false_alarms_per_series_day=rate)
    params = replace(params, detection=replace(params.detection, calibration=calibration))
    done = scan(sources, params, default_us=default_us)
    report = done.to_dict()
    fires = [event for event in done.events if event.action is AlertAction.FIRE]
    intake, stats = report["intake"], done.pipeline.stats
    has_time = stats.n > 0
    return Outcome(
        name=name,
        false_alarms_per_series_day=rate,
        first_us=int(stats.first_us[: stats.n].min()) if has_time else 0,
        last_us=int(stats.last_us[: stats.n].max()) if has_time else 0,
        n_lines=intake["lines"],
        incidents=tuple(report["incidents"]),
        alerts=tuple((e.alert.stream.service, e.alert.kind.value, e.notify) for e in fires),
        fired_us={event.alert.alert_id: event.tick_us for event in fires},
        judged=None if truth is None else _judged(score(report, truth), report, fires),
    )


def _judged(match: Match, report: Mapping[str, Any], fires: Sequence[AlertEvent]) -> Judged:
    fired_us = {event.alert.alert_id: event.tick_us for event in fires}
    delays = []
    for found in match.found:
        ids = [alert["alert_id"] for i in found.positions for alert in report["incidents"][i]["alerts"]]
        told = [fired_us[each] for each in ids if each in fired_us]
        if told:
            delays.append(min(told) / US_PER_S - seconds(found.planted.start))
    n_planted = len(match.found) + len(match.missed)
    return Judged(n_planted, len(match.found), len(match.false), match.split, tuple(delays))


def to_dict(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return outcomes as plain values (schema ``fm-anomaly/backtest/1``)."""
    return {"schema": SCHEMA, "sensitivities": [_outcome(each) for each in outcomes]}


def _outcome(outcome: Outcome) -> dict[str, Any]:
    judged = outcome.judged
    return {
        "name": outcome.name,
        "false_alarms_per_series_day": outcome.false_alarms_per_series_day,
        "start": iso_from_us(outcome.first_us),
        "end": iso_from_us(outcome.last_us),
        "lines": outcome.n_lines,
        "alerts": len(outcome.alerts),
        "alerts_per_day": len(outcome.alerts) / outcome.days,
        "notified": outcome.n_notified,
        "notified_per_day": outcome.n_notified / outcome.days,
        "by_service_and_kind": [
            {"service": service, "kind": kind, "alerts": n, "notified": told}
            for service, kind, n, told in outcome.by_service_and_kind()
        ],
        "incidents": [
            {key: incident[key] for key in ("incident_id", "severity", "kind", "services", "title", "start", "end")}
            for incident in outcome.incidents
        ],
        "truth": None
        if judged is None
        else {
            "planted": judged.n_planted,
            "found": judged.n_found,
            "false": judged.n_false,
            "recall": judged.recall,
            "precision": judged.precision,
            "time_to_detect_s": median(judged.delays_s) if judged.delays_s else None,
            "time_to_detect_max_s": max(judged.delays_s) if judged.delays_s else None,
        },
    }
