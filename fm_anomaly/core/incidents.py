"""Incidents: alerts of one matter, joined for a reason that is told, under one headline.

Pure functions over alerts. Must not know of detectors, of the book that keeps the alerts, or the clock.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from fm_anomaly.core.alerts import Alert, AlertSeverity, AlertState, Evidence
from fm_anomaly.core.anomalies import KIND_WORTH, AnomalyKind
from fm_anomaly.core.frames import US_PER_S, StreamKey
from fm_anomaly.core.markers import Marker, marker_before
from fm_anomaly.core.reasons import duration

_WORD = re.compile(r"[A-Za-z][A-Za-z_]{3,}")
_COMMON = frozenset(
    [
        "error",
        "errors",
        "failed",
        "failure",
        "fail",
        "exception",
        "could",
        "with",
        "from",
        "after",
        "while",
        "when",
        "cannot",
        "unable",
        "request",
        "response",
        "operation",
        "service",
        "returned",
        "retry",
        "retrying",
        "attempt",
        "call",
        "calling",
        "message",
        "status",
        "code",
        "http",
        "this",
        "that",
        "your",
        "have",
        "not",
        "for",
        "was",
        "were",
        "warning",
        "info",
        "none",
        "null",
        "true",
        "false",
        "timeout",
        "timed",
        "upstream",
        "connect",
        "connection",
        "refused",
        "traceback",
        "line",
        "file",
        "records",
        "more",
        "fewer",
        "slow",
        "job",
        "task",
        "user",
        "session",
        "case",
        "unexpected",
        "internal",
        "server",
    ]
)
"""Words of any trouble: they join nothing."""


@dataclass(frozen=True, slots=True)
class IncidentParams:
    """When alerts are of one matter."""

    near_s: int = 300
    """Alerts of one service whose spans lie within so long of each other are of one matter."""
    chain_s: int = 1800
    """… unless one starts later than this after the newest start of the others."""
    cascade_s: int = 180
    """Errors, silences and slowness that start in several services within so long are a cascade."""
    evidence_s: int = 900
    """Alerts of several services that share an exception, a template or a rare word may start so far apart; one of the
    same service with the same template may start so long after the end of the others: it is back."""
    max_services: int = 8
    """Beyond so many services, only shared evidence joins."""


@dataclass(frozen=True, slots=True)
class Incident:
    """Alerts of one matter."""

    incident_id: str
    severity: AlertSeverity
    services: tuple[str, ...]
    """The one where it began first."""
    kind: AnomalyKind
    title: str
    reason: str
    start_us: int
    end_us: int | None
    """None while an alert of it fires."""
    last_us: int
    """End of the last span found anomalous."""
    alerts: tuple[Alert, ...]
    """The headline first, then by worth."""
    template_ids: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    joined: tuple[str, ...]
    """Why its alerts are of one matter."""


DEFAULTS = IncidentParams()
_WINDOW_US = 900 * US_PER_S
"""Longest window by which an error spike is dated."""


def group(alerts: Sequence[Alert], params: IncidentParams = DEFAULTS, markers: Sequence[Marker] = ()) -> list[Incident]:
    """Return the incidents of these alerts, by start; `markers` shortly before one are told in its reason.

    Those with nothing but alerts cut by the budget or by feedback are left to the digest; what is silenced is shown.
    """
    groups: list[_Group] = []
    for alert in sorted(alerts, key=lambda a: (a.start_us, -KIND_WORTH[a.kind], a.alert_id)):
        joins = [(g, why) for g in groups if (why := _why(g, alert, params)) is not None]
        if not joins:
            groups.append(_Group([alert], [], set(_words(alert))))
            continue
        first, why = joins[0]
        first.add(alert, why)
        for other, _ in joins[1:]:
            first.absorb(other, f"{alert.stream.service} joins both")
            groups = [g for g in groups if g is not other]
    incidents = [_incident(g, markers) for g in groups if any(map(_is_shown, g.alerts))]
    return sorted(incidents, key=lambda i: (i.start_us, i.incident_id))


@dataclass(slots=True)
class _Group:
    alerts: list[Alert]
    joined: list[str]
    words: set[str]

    def add(self, alert: Alert, why: str) -> None:
        self.alerts.append(alert)
        self.words.update(_words(alert))
        if why not in self.joined:
            self.joined.append(why)

    def absorb(self, other: _Group, why: str) -> None:
        self.alerts += other.alerts
        self.words |= other.words
        for reason in (*other.joined, why):
            if reason not in self.joined:
                self.joined.append(reason)


def _why(group_: _Group, alert: Alert, params: IncidentParams) -> str | None:
    """Return why an alert belongs to a group, None if it does not."""
    if group_.alerts[0].stream.tenant != alert.stream.tenant:
        return None
    newest = max(a.start_us for a in group_.alerts)
    near_us, chain_us = params.near_s * US_PER_S, params.chain_s * US_PER_S
    for a in group_.alerts:
        if a.stream == alert.stream and alert.start_us <= a.end_us + near_us and alert.start_us - newest <= chain_us:
            return f"same service {alert.stream.service} at the same time"
        if alert.start_us - newest <= chain_us and _is_back(a, alert, params.evidence_s * US_PER_S):
            return f"{alert.stream.service} has it again"
    first, end = min(a.start_us for a in group_.alerts), max(a.end_us for a in group_.alerts)
    if alert.start_us > max(end + near_us, first + params.cascade_s * US_PER_S):
        return None
    if alert.start_us - newest <= params.evidence_s * US_PER_S and (shared := _shared(group_, alert)):
        return shared
    services = {a.stream.service for a in group_.alerts} | {alert.stream.service}
    is_near = alert.start_us - first <= params.cascade_s * US_PER_S
    if is_near and len(services) <= params.max_services and _is_trouble(alert) and any(map(_is_trouble, group_.alerts)):
        return f"{alert.stream.service} within {params.cascade_s} s"
    return None


def _is_back(earlier: Alert, alert: Alert, within_us: int) -> bool:
    """Whether an alert tells again, soon after its end, of what another of its service told."""
    if earlier.stream != alert.stream or alert.start_us > earlier.end_us + within_us:
        return False
    return bool(set(earlier.template_ids) & set(alert.template_ids))


def _shared(group_: _Group, alert: Alert) -> str | None:
    """Return what evidence an alert shares with a group: an exception, a template, a service's name, a word."""
    for a in group_.alerts:
        if alert.subject and a.subject == alert.subject and a.kind is alert.kind:
            return f"same subject {alert.subject}"
        if set(a.template_ids) & set(alert.template_ids):
            return "same template"
        if a.stream.service != alert.stream.service and _names(alert, a.stream.service):
            return f"{alert.stream.service} speaks of {a.stream.service}"
        if a.stream.service != alert.stream.service and _names(a, alert.stream.service):
            return f"{a.stream.service} speaks of {alert.stream.service}"
    shared = sorted(group_.words & set(_words(alert)))
    return f'same word "{shared[0]}"' if shared else None


def _is_shown(alert: Alert) -> bool:
    return alert.is_notified or alert.muted_by.startswith("silence:")


def _is_trouble(alert: Alert) -> bool:
    return alert.kind not in (AnomalyKind.NEW_TEMPLATE, AnomalyKind.VOLUME_SPIKE) or bool(alert.subject)


def _said(alert: Alert) -> str:
    return " ".join((alert.text, alert.title, *(e.text for e in alert.evidence)))


def _names(alert: Alert, service: str) -> bool:
    if len(service) <= 2 or service not in (said := _said(alert)):
        return False
    return re.search(rf"(?<![\w-]){re.escape(service)}(?![\w-])", said) is not None


def _words(alert: Alert) -> list[str]:
    """Return the telling words of an alert, lower case."""
    found = {w.lower() for w in _WORD.findall(f"{alert.text} {alert.title}")}
    return sorted(w for w in found if w not in _COMMON and w != alert.stream.service.lower())


def _incident(group_: _Group, markers: Sequence[Marker]) -> Incident:
    alerts = sorted(group_.alerts, key=_by_headline)
    root = _root(group_.alerts)
    at_root = [a for a in alerts if a.stream.service == root]
    head = at_root[0] if KIND_WORTH[at_root[0].kind] >= KIND_WORTH[AnomalyKind.VOLUME_DROP] else alerts[0]
    head = head if _is_shown(head) else next(a for a in alerts if _is_shown(a))
    ordered = [head, *(a for a in alerts if a is not head)]
    services = dict.fromkeys([root, *(a.stream.service for a in sorted(alerts, key=lambda a: a.start_us))])
    is_open = any(a.state is AlertState.FIRING for a in alerts)
    last_us = max(a.end_us for a in alerts)
    others = len(services) - 1
    more = (
        sum(a.kind is AnomalyKind.LATENCY and a is not head for a in alerts) if head.kind is AnomalyKind.LATENCY else 0
    )
    reason = head.reason + (f" · {others} more service{'s' if others > 1 else ''} affected" if others else "")
    start_us = start_of(alerts)
    marker = marker_before(markers, tuple(services), start_us)
    if marker is not None:
        reason += f" · {duration(start_us - marker.at_us)} after {marker.title!r}"
    return Incident(
        incident_id=f"i-{min(group_.alerts, key=lambda a: (a.start_us, a.alert_id)).alert_id}",
        severity=max((a.severity for a in alerts), key=lambda s: s.rank),
        services=tuple(services),
        kind=head.kind,
        title=head.title + (f" and {more} more operation{'s' if more > 1 else ''}" if more else ""),
        reason=reason,
        start_us=start_us,
        end_us=None if is_open else last_us,
        last_us=last_us,
        alerts=tuple(ordered),
        template_ids=tuple(dict.fromkeys(t for a in ordered for t in a.template_ids)),
        evidence=tuple(dict.fromkeys(e for a in ordered for e in a.evidence))[:5],
        joined=tuple(group_.joined),
    )


def start_of(alerts: Sequence[Alert]) -> int:
    """Return when the matter began, µs: by what is known to the record before what a window of minutes suggests.

    A rise of the error share is dated by its window; a new error of the same service by its first record. One slow
    operation alone may be chance, so among several it is the second that dates a latency incident.
    """
    news: dict[StreamKey, int] = {}
    for alert in alerts:
        if alert.kind is AnomalyKind.NEW_ERROR:
            news[alert.stream] = min(alert.start_us, news.get(alert.stream, alert.start_us))
    starts = sorted(
        alert.start_us if alert.kind is not AnomalyKind.ERROR_SPIKE else max(alert.start_us, _dated(alert, news))
        for alert in alerts
    )
    is_slow = all(alert.kind is AnomalyKind.LATENCY for alert in alerts)
    return starts[1] if is_slow and len(starts) > 2 else starts[0]


def _dated(alert: Alert, news: dict[StreamKey, int]) -> int:
    """Return the start of the new error that an error spike of the same service shows, its own where there is none."""
    first_us = news.get(alert.stream, alert.start_us)
    return first_us if first_us - alert.start_us <= _WINDOW_US else alert.start_us


def _by_headline(alert: Alert) -> tuple[int, int, int, int, str]:
    worth = KIND_WORTH[alert.kind] * 2 - (alert.kind is AnomalyKind.ERROR_SPIKE and bool(alert.subject))
    return (-worth, -alert.severity.rank, -alert.n_events, alert.start_us, alert.alert_id)


def _root(alerts: Sequence[Alert]) -> str:
    """Return the service where it began: earliest trouble; within a minute, the one the others speak of."""
    trouble = [a for a in alerts if _is_trouble(a)] or list(alerts)
    first = min(a.start_us for a in trouble)
    early = [a for a in trouble if a.start_us - first <= 60 * US_PER_S]
    candidates = dict.fromkeys(a.stream.service for a in sorted(early, key=lambda a: (a.start_us, a.alert_id)))
    if len(candidates) == 1:
        return next(iter(candidates))

    def standing(service: str) -> int:
        return -sum(_names(a, service) for a in alerts if a.stream.service != service)

    return min(candidates, key=standing)
