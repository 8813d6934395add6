"""Notices: what a receiver may hear of one change of an alert, as a value and as the plain payload kept in the outbox.

A payload outlives the release that wrote it, so it has a schema of its own. Texts are log text: redacted, cut to a
length, and not made safe for any surface; each receiver does that. It must not know receivers, tables or the clock.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from fm_anomaly.core.alert_values import AlertAction, AlertEvent, AlertSeverity, AlertState, Evidence
from fm_anomaly.core.category_labels import CategoryLabel
from fm_anomaly.core.display import clip
from fm_anomaly.core.incidents import Incident

SCHEMA = "fm-anomaly/notice/1"

_TITLE_CHARS = 300
_REASON_CHARS = 1_000
_LINE_CHARS = 500
_MAX_IDS = 100


class Novelty(StrEnum):
    """Why a notice is worth a person's attention."""

    NEW = "new"
    """The first time, as far as is known."""
    REGRESSED = "regressed"
    """It was over and is back."""
    ESCALATING = "escalating"
    """It fires already and has become more severe."""
    ONGOING = "ongoing"
    """It goes on, or has ended: nothing new."""


FIRES_AGAIN = "fires again"
"""`AlertEvent.reason` of an alert that was resolved a short while ago."""


@dataclass(frozen=True, slots=True)
class NoticedIncident:
    """The incident of a notice, as it was then."""

    incident_id: str
    title: str
    reason: str
    severity: AlertSeverity
    kind: str
    services: tuple[str, ...]
    start_us: int
    end_us: int | None
    alert_ids: tuple[str, ...]
    """At most 100, the headline first."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One change of one alert."""

    action: AlertAction
    novelty: Novelty
    why: str
    """`AlertEvent.reason`: "new", "severity medium → high", "quiet for 300 s" …"""
    at_us: int
    """Event time of the change."""
    tenant: str
    alert_id: str
    fingerprint: str
    service: str
    kind: str
    subject: str
    severity: AlertSeverity
    state: AlertState
    title: str
    reason: str
    start_us: int
    end_us: int
    """End of the last span found anomalous."""
    observed: float | None
    expected_low: float | None
    expected_high: float | None
    unit: str
    n_events: int
    template_ids: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    incident: NoticedIncident | None = None
    label: CategoryLabel | None = None
    """Group and category of the alert's error, as far as a model says so."""

    @property
    def is_firing(self) -> bool:
        """Whether the alert fires after this change."""
        return self.state is AlertState.FIRING

    @property
    def headline(self) -> str:
        """Service and title, the service once: many titles begin with it."""
        is_named = f"{self.title} ".startswith((f"{self.service} ", f"{self.service}: "))
        return self.title if is_named else f"{self.service}: {self.title}"

    @property
    def group(self) -> str:
        """Id of the matter that this belongs to: the incident's, or the alert's own."""
        return self.incident.incident_id if self.incident is not None else self.alert_id


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """A notice with the id under which it is kept: the same change has the same id in every replay."""

    id: str
    notice: Notice
    payload: Mapping[str, Any] = field(default_factory=dict)


def notices(
    events: Sequence[AlertEvent],
    incidents: Sequence[Incident] = (),
    labels: Mapping[str, CategoryLabel] = MappingProxyType({}),
) -> list[NoticeRow]:
    """Return what receivers may hear of `events`, in their order; `incidents` are those that the alerts are in.

    `labels` are the alerts' groups and categories, by alert.

    An alert that fires again shortly after its resolution was told is told too, though it costs no budget: else
    receivers would believe that it is over.
    """
    by_alert = {alert.alert_id: incident for incident in incidents for alert in incident.alerts}
    rows = []
    for event in events:
        if not (event.notify or (event.alert.is_notified and event.reason == FIRES_AGAIN)):
            continue
        notice = _notice(event, by_alert.get(event.alert.alert_id), labels.get(event.alert.alert_id))
        rows.append(NoticeRow(notice_id(event), notice, to_payload(notice)))
    return rows


def as_it_stands(notice: Notice, title: str, reason: str, evidence: Sequence[Evidence]) -> Notice:
    """Return a notice that says of its alert what is known by now; who it is about and how severe it is stay."""
    lines = tuple(map(_clipped, evidence))
    return replace(notice, title=clip(title, _TITLE_CHARS), reason=clip(reason, _REASON_CHARS), evidence=lines)


def notice_id(event: AlertEvent) -> str:
    """Return the id of what is told of an event: 16 hexadecimal digits over alert, action, time and reason."""
    parts = (event.alert.alert_id, event.action.value, str(event.tick_us), event.reason)
    return hashlib.blake2b("\x1f".join(parts).encode("utf-8", "replace"), digest_size=8).hexdigest()


def to_payload(notice: Notice) -> dict[str, Any]:
    """Return a notice as JSON values, free of NUL and lone surrogates."""
    plain: dict[str, Any] = {"schema": SCHEMA}
    for f in fields(Notice):
        plain[f.name] = _plain(getattr(notice, f.name))
    plain["evidence"] = [_fields(line) for line in notice.evidence]
    plain["incident"] = None if notice.incident is None else _fields(notice.incident)
    plain["label"] = None if notice.label is None else _fields(notice.label)
    return plain


def from_payload(payload: Mapping[str, Any]) -> Notice:
    """Return the notice of a payload; keys that this release does not know are left out.

    Raises ValueError where the payload is of another schema or lacks a key.
    """
    if payload.get("schema") != SCHEMA:
        raise ValueError(f"notice of schema {payload.get('schema')!r}; this release reads {SCHEMA!r}")
    try:
        named = {f.name: payload[f.name] for f in fields(Notice) if f.name != "label"}
        named["action"] = AlertAction(named["action"])
        named["novelty"] = Novelty(named["novelty"])
        named["severity"] = AlertSeverity(named["severity"])
        named["state"] = AlertState(named["state"])
        named["template_ids"] = tuple(named["template_ids"])
        named["evidence"] = tuple(Evidence(**{f.name: e[f.name] for f in fields(Evidence)}) for e in named["evidence"])
        named["incident"] = None if named["incident"] is None else _incident_of(named["incident"])
        # a notice of before there were labels has none
        label = payload.get("label")
        named["label"] = None if label is None else CategoryLabel(*(label[f.name] for f in fields(CategoryLabel)))
    except (KeyError, TypeError) as exc:
        raise ValueError(f"notice does not keep to {SCHEMA!r}: {type(exc).__name__} at {exc}") from exc
    return Notice(**named)


def _notice(event: AlertEvent, incident: Incident | None, label: CategoryLabel | None) -> Notice:
    alert = event.alert
    return Notice(
        action=event.action,
        novelty=_novelty(event),
        why=event.reason,
        at_us=event.tick_us,
        tenant=alert.stream.tenant,
        alert_id=alert.alert_id,
        fingerprint=alert.fingerprint,
        service=alert.stream.service,
        kind=alert.kind.value,
        subject=clip(alert.subject, _TITLE_CHARS),
        severity=alert.severity,
        state=alert.state,
        title=clip(alert.title, _TITLE_CHARS),
        reason=clip(alert.reason, _REASON_CHARS),
        start_us=alert.start_us,
        end_us=alert.end_us,
        observed=alert.observed,
        expected_low=alert.expected_low,
        expected_high=alert.expected_high,
        unit=alert.unit,
        n_events=alert.n_events,
        template_ids=alert.template_ids[:_MAX_IDS],
        evidence=tuple(_clipped(line) for line in alert.evidence),
        incident=None if incident is None else _noticed(incident),
        label=label,
    )


def _novelty(event: AlertEvent) -> Novelty:
    if event.action is AlertAction.FIRE:
        return Novelty.NEW
    if event.action is AlertAction.UPDATE:
        return Novelty.REGRESSED if event.reason == FIRES_AGAIN else Novelty.ESCALATING
    return Novelty.ONGOING


def _noticed(incident: Incident) -> NoticedIncident:
    return NoticedIncident(
        incident_id=incident.incident_id,
        title=clip(incident.title, _TITLE_CHARS),
        reason=clip(incident.reason, _REASON_CHARS),
        severity=incident.severity,
        kind=incident.kind.value,
        services=incident.services[:_MAX_IDS],
        start_us=incident.start_us,
        end_us=incident.end_us,
        alert_ids=tuple(alert.alert_id for alert in incident.alerts[:_MAX_IDS]),
    )


def _clipped(line: Evidence) -> Evidence:
    return Evidence(line.source, line.line, line.ts_us, line.service, clip(line.text, _LINE_CHARS))


def _incident_of(plain: Mapping[str, Any]) -> NoticedIncident:
    named = {f.name: plain[f.name] for f in fields(NoticedIncident)}
    named["severity"] = AlertSeverity(named["severity"])
    named["services"], named["alert_ids"] = tuple(named["services"]), tuple(named["alert_ids"])
    return NoticedIncident(**named)


def _fields(value: Evidence | NoticedIncident | CategoryLabel) -> dict[str, Any]:
    return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}


def _plain(value: Any) -> Any:
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, str):
        # any database takes it: PostgreSQL refuses NUL, UTF-8 lone surrogates
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has no such number
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value
