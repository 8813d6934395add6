"""How severe an alert is: one rule for each kind of anomaly, by its size and its share of the service's traffic.

It must not know of books, budgets or receivers.
"""

from __future__ import annotations

from collections.abc import Callable

from fm_anomaly.core.alert_values import AlertSeverity
from fm_anomaly.core.anomalies import Anomaly, AnomalyKind
from fm_anomaly.core.frames import US_PER_S


def severity_of(anomaly: Anomaly) -> AlertSeverity:
    """Return the severity by kind, size and share of the service's traffic: the rules are the functions below."""
    return AlertSeverity(_SEVERITY[anomaly.kind](anomaly))


def _new_error_severity(a: Anomaly) -> str:
    per_minute = a.n_records / max((a.tick_us - a.start_us) / (60 * US_PER_S), 1.0) if a.is_onset else a.observed
    if a.share >= 0.1 or per_minute >= 20:
        return "high"
    return "medium"


def _error_severity(a: Anomaly) -> str:
    if not a.subject and a.share >= 0.8 and a.n_records >= 100:
        return "critical"
    return "high" if a.share >= 0.2 else "medium"


def _drop_severity(a: Anomaly) -> str:
    return "high" if a.observed <= 0.2 * (a.expected_low + a.expected_high) / 2 else "medium"


def _silence_severity(a: Anomaly) -> str:
    return "high" if a.expected_high >= 12 and a.unit == "records" else "medium"


def _spike_severity(a: Anomaly) -> str:
    return "medium" if a.observed >= 10 * max(a.expected_high, 1.0) or a.share >= 0.5 else "low"


def _latency_severity(a: Anomaly) -> str:
    return "high" if a.unit == "ms" and a.observed >= 4 * (a.expected_low * a.expected_high) ** 0.5 else "medium"


def _sequence_severity(a: Anomaly) -> str:
    return "high" if a.share >= 0.5 and a.n_records >= 50 else "medium"


_SEVERITY: dict[AnomalyKind, Callable[[Anomaly], str]] = {
    AnomalyKind.NEW_ERROR: _new_error_severity,
    AnomalyKind.ERROR_SPIKE: _error_severity,
    AnomalyKind.SILENCE: _silence_severity,
    AnomalyKind.VOLUME_DROP: _drop_severity,
    AnomalyKind.VOLUME_SPIKE: _spike_severity,
    AnomalyKind.LATENCY: _latency_severity,
    AnomalyKind.SEQUENCE: _sequence_severity,
    AnomalyKind.NEW_TEMPLATE: lambda a: "low",
}
