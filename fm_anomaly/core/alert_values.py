"""The values of alerts: what an alert, its changes, its evidence and the digest are, and their plain state.

Values only. It must not know when an alert fires, what it costs or how severe it is.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from fm_anomaly.core.anomalies import AnomalyKind
from fm_anomaly.core.frames import StreamKey


class AlertSeverity(StrEnum):
    """How much an alert asks of a person."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for low to 3 for critical."""
        return _RANKS[self]


_RANKS = {severity: i for i, severity in enumerate(AlertSeverity)}


class AlertState(StrEnum):
    """State of an alert."""

    FIRING = "firing"
    RESOLVED = "resolved"


class AlertAction(StrEnum):
    """What happened to an alert."""

    FIRE = "fire"
    UPDATE = "update"
    RESOLVE = "resolve"


@dataclass(frozen=True, slots=True)
class AlertParams:
    """Settings of alerts."""

    keep_firing_s: int = 300
    """An alert without a further anomaly for so long is resolved."""
    reopen_s: int = 1800
    """A fingerprint that fires again within so long of its resolution is the same alert, not told anew."""
    budget: float = 5.0
    """Notifications a service and day; critical alerts and new errors are never cut."""
    join_s: int = 600
    """An alert so soon after another of its service is of the same matter and costs no budget."""
    max_evidence: int = 3
    max_recent: int = 1_000
    """Resolved alerts kept."""
    max_open: int = 5_000
    max_digest: int = 200


@dataclass(frozen=True, slots=True)
class Evidence:
    """One redacted line."""

    source: str
    line: int
    ts_us: int | None
    service: str
    text: str


@dataclass(frozen=True, slots=True)
class Alert:
    """The stateful notice of one fingerprint: (tenant, service, kind, subject)."""

    alert_id: str
    """Fingerprint and start, so that a replay sends the same id."""
    fingerprint: str
    state: AlertState
    severity: AlertSeverity
    kind: AnomalyKind
    stream: StreamKey
    subject: str
    start_us: int
    end_us: int
    """End of the last span found anomalous."""
    updated_us: int
    title: str
    reason: str
    """The sentence of the strongest anomaly so far."""
    observed: float
    expected_low: float
    expected_high: float
    unit: str
    score: float
    """Largest `Score.raw` so far."""
    strength: float
    """`Anomaly.strength` of the one whose sentence stands."""
    n_events: int
    """Records of the subject while it fired."""
    n_anomalies: int
    templates: tuple[int, ...]
    template_ids: tuple[str, ...]
    text: str
    evidence: tuple[Evidence, ...] = ()
    is_notified: bool = True
    """False: cut by the budget or muted when it fired, to be read in the digest."""
    muted_by: str = ""
    """"silence:" or "feedback:" and the id of what keeps it from being told now."""
    n_early: int = 0
    """Those of `n_events` that an open bucket held: its close counts them again."""

    @property
    def labels(self) -> dict[str, str]:
        """Key-values that identify the alert."""
        return {
            "tenant": self.stream.tenant,
            "service": self.stream.service,
            "kind": self.kind.value,
            "subject": self.subject,
        }


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """One change of an alert, told once."""

    action: AlertAction
    alert: Alert
    tick_us: int
    notify: bool
    """Whether a receiver should hear of it."""
    reason: str
    """Why this event: "new", "severity medium → high", "quiet for 5m" …"""


@dataclass(frozen=True, slots=True)
class DigestEntry:
    """A finding worth a line but not a page."""

    kind: AnomalyKind
    stream: StreamKey
    subject: str
    title: str
    reason: str
    start_us: int
    count: int
    template_ids: tuple[str, ...] = ()


def digest_state(key: str, e: DigestEntry) -> list[Any]:
    """Return an entry of the digest as plain values."""
    plain = [e.subject, e.title, e.reason, e.start_us, e.count, list(e.template_ids)]
    return [key, e.kind.value, e.stream.tenant, e.stream.service, *plain]


def digest_entry(state: list[Any]) -> DigestEntry:
    """Return the entry that `digest_state` gave."""
    kind, tenant, service, subject, title, reason, start_us, count, ids = state
    key = StreamKey(tenant, service)
    return DigestEntry(AnomalyKind(kind), key, subject, title, reason, start_us, count, tuple(ids))


def alert_state(alert: Alert) -> list[Any]:
    """Return an alert as plain values, in the order of its fields."""
    values: list[Any] = []
    for f in fields(Alert):
        value = getattr(alert, f.name)
        if isinstance(value, StreamKey):
            value = [value.tenant, value.service]
        elif f.name == "evidence":
            value = [[e.source, e.line, e.ts_us, e.service, e.text] for e in value]
        elif isinstance(value, tuple):
            value = list(value)
        elif isinstance(value, StrEnum):
            value = value.value
        values.append(value)
    return values


def alert_of(values: list[Any]) -> Alert:
    """Return the alert that `alert_state` gave."""
    named = dict(zip((f.name for f in fields(Alert)), values, strict=True))
    named["state"] = AlertState(named["state"])
    named["severity"] = AlertSeverity(named["severity"])
    named["kind"] = AnomalyKind(named["kind"])
    named["stream"] = StreamKey(*named["stream"])
    named["evidence"] = tuple(Evidence(*e) for e in named["evidence"])
    named["templates"] = tuple(named["templates"])
    named["template_ids"] = tuple(named["template_ids"])
    return Alert(**named)
