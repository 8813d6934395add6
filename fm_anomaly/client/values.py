"""What the API answers, as small frozen values: times are aware datetimes, unknown fields are left out.

Values only; it must not know HTTP. A later service may tell more than stands here, and nothing breaks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Evidence:
    """One redacted line of a log. Its text is whatever a program wrote: never trust it."""

    text: str
    source: str = ""
    line: int | None = None
    timestamp: datetime | None = None
    service: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened to an alert or incident."""

    action: str
    at: datetime
    severity: str = ""
    reason: str = ""
    actor: str = ""
    event_no: int = 0
    alert_id: str | None = None
    incident_id: str | None = None


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert. `history` is told only of one that was asked for by its id."""

    alert_id: str
    incident_id: str | None
    kind: str
    service: str
    severity: str
    state: str
    title: str
    reason: str
    start: datetime
    end: datetime | None
    observed: float | None
    expected_low: float | None
    expected_high: float | None
    unit: str
    subject: str
    template_ids: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    evidence: tuple[Evidence, ...] = ()
    n_events: int = 0
    is_notified: bool = True
    muted_by: str = ""
    acked_by: str = ""
    acked: datetime | None = None
    verdict: str = ""
    group: dict[str, str] | None = None
    category: dict[str, str] | None = None
    history: tuple[Step, ...] = ()

    @property
    def is_firing(self) -> bool:
        """Whether it fires."""
        return self.state == "firing"


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident. `alerts` are told only of one that was asked for by its id."""

    incident_id: str
    kind: str
    severity: str
    state: str
    title: str
    reason: str
    services: tuple[str, ...]
    start: datetime
    end: datetime | None
    what: tuple[str, ...] = ()
    alert_ids: tuple[str, ...] = ()
    template_ids: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    joined: tuple[str, ...] = ()
    acked_by: str = ""
    acked: datetime | None = None
    group: dict[str, str] | None = None
    category: dict[str, str] | None = None
    alerts: tuple[Alert, ...] = ()

    @property
    def is_firing(self) -> bool:
        """Whether an alert of it fires."""
        return self.state == "firing"


@dataclass(frozen=True, slots=True)
class Service:
    """A service whose logs come in, and how far it has been learned."""

    service: str
    records: int
    errors: int
    templates: int
    learned_s: int
    is_learning: bool
    health: str


@dataclass(frozen=True, slots=True)
class Silence:
    """What people do not want to hear of for a while."""

    silence_id: str
    matchers: dict[str, str]
    owner: str
    reason: str
    start: datetime
    until: datetime
    until_worse: bool
    is_active: bool


@dataclass(frozen=True, slots=True)
class Effect:
    """What a change did."""

    command_id: str
    """Id of the silence, feedback or marker that it made."""
    effect: str
    """In words: "14 of the last 20 alerts of this kind would be gone" …"""
    numbers: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LineError:
    """A line that could not be read and was set aside."""

    line: int
    """Its place in what was given to `send_logs`, from 1 on."""
    reason: str


@dataclass(frozen=True, slots=True)
class SentLogs:
    """What became of the lines given to `send_logs`; all are durable."""

    accepted: int = 0
    rejected: int = 0
    duplicates: int = 0
    """Requests that the service had already, by their batch id."""
    requests: int = 0
    errors: tuple[LineError, ...] = ()
    """The first of the lines that were set aside."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event of the stream."""

    id: str
    """Give it as `after` to go on behind it."""
    type: str
    data: Any
    """Read as JSON where it is."""
