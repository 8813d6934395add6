"""Alerts: the stateful notice of one fingerprint, from firing to resolved, each change told once.

`AlertBook` takes anomalies in order and keeps open and recent alerts and the digest, all bounded. What a
page costs is rationed by a token bucket in event time; what it cuts goes to the digest. Must not know of
detectors, receivers or the wall clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any

from fm_anomaly.core.alert_severity import severity_of
from fm_anomaly.core.alert_values import (
    Alert,
    AlertAction,
    AlertEvent,
    AlertParams,
    AlertSeverity,
    AlertState,
    DigestEntry,
    Evidence,
    alert_of,
    alert_state,
    digest_entry,
    digest_state,
)
from fm_anomaly.core.anomalies import KIND_WORTH, Anomaly, AnomalyKind
from fm_anomaly.core.feedback import FeedbackRules, Judged
from fm_anomaly.core.frames import US_PER_S, StreamKey
from fm_anomaly.core.silences import Silences

__all__ = [
    "DEFAULTS",
    "Alert",
    "AlertAction",
    "AlertBook",
    "AlertEvent",
    "AlertParams",
    "AlertSeverity",
    "AlertState",
    "DigestEntry",
    "Evidence",
    "fingerprint_of",
    "merged",
    "no_evidence",
    "severity_of",
    "update_reason",
]
_DAY_US = 86_400 * US_PER_S


def no_evidence(anomaly: Anomaly) -> tuple[Evidence, ...]:
    """Return no lines: the lookup of tests and of detection alone."""
    return ()


DEFAULTS = AlertParams()
_NEVER_CUT = frozenset({AnomalyKind.NEW_ERROR})


@dataclass(slots=True)
class _Tokens:
    """Token bucket of one stream in event time."""

    left: float
    at_us: int
    free_until_us: int = 0


@dataclass(slots=True)
class AlertBook:
    """Open and recent alerts, and the digest."""

    params: AlertParams = field(default_factory=AlertParams)
    evidence: Callable[[Anomaly], tuple[Evidence, ...]] = no_evidence
    n_cut: int = 0
    """Alerts that the budget kept from being told."""
    n_beyond: int = 0
    """Anomalies not followed because too many alerts were open."""
    silences: Silences = field(default_factory=Silences)
    feedback: FeedbackRules = field(default_factory=FeedbackRules)
    _open: dict[str, Alert] = field(default_factory=dict)
    _recent: dict[str, Alert] = field(default_factory=dict)
    """Resolved alerts by id, oldest first."""
    _last: dict[str, str] = field(default_factory=dict)
    """Fingerprint → id of its newest resolved alert."""
    _digest: dict[str, DigestEntry] = field(default_factory=dict)
    _tokens: dict[StreamKey, _Tokens] = field(default_factory=dict)
    _tick_us: int = 0

    def apply(self, anomalies: Sequence[Anomaly], tick_us: int) -> list[AlertEvent]:
        """Take the anomalies decided at one tick (in their order); return what changed.

        Resolves first what has been quiet up to each anomaly's own tick.
        """
        events = []
        for anomaly in anomalies:
            events += self.tick(anomaly.tick_us)
            events += self._apply_one(anomaly)
        return events + self.tick(tick_us)

    def tick(self, now_us: int) -> list[AlertEvent]:
        """Resolve what has been quiet at event time ``now_us``; time never runs backwards."""
        if now_us <= self._tick_us:
            return []
        self._tick_us = now_us
        keep_us = self.params.keep_firing_s * US_PER_S
        quiet = [a for a in self._open.values() if a.kind is not AnomalyKind.SILENCE and now_us - a.end_us > keep_us]
        quiet.sort(key=lambda a: (a.end_us, a.alert_id))
        why = f"quiet for {self.params.keep_firing_s} s"
        events = [self._resolve(alert, alert.end_us + keep_us, why) for alert in quiet]
        return events + (self.remute(now_us, "the silence is over") if self.silences.expire(now_us) else [])

    @property
    def open(self) -> list[Alert]:
        """Alerts that fire, by start and id."""
        return sorted(self._open.values(), key=_by_start)

    @property
    def alerts(self) -> list[Alert]:
        """Open and recent alerts, by start and id."""
        return sorted([*self._open.values(), *self._recent.values()], key=_by_start)

    @property
    def digest(self) -> list[DigestEntry]:
        """What is worth a line but not a page: by kind's worth, count, start."""
        cut = [_entry(a) for a in self.alerts if not a.is_notified]
        return sorted([*self._digest.values(), *cut], key=_by_worth)

    def next_us(self) -> int | None:
        """Return the event time at which an open alert would be resolved or told again, None if none would."""
        ends = [a.end_us for a in self._open.values() if a.kind is not AnomalyKind.SILENCE]
        due = [min(ends) + self.params.keep_firing_s * US_PER_S + 1] if ends else []
        over_us = self.silences.next_us()
        if over_us is not None and any(a.muted_by for a in self._open.values()):
            due.append(over_us)
        return min(due, default=None)

    def get(self, alert_id: str) -> Alert | None:
        """Return an open or recent alert."""
        fingerprint = alert_id.rpartition("-")[0]
        alert = self._open.get(fingerprint)
        return alert if alert is not None and alert.alert_id == alert_id else self._recent.get(alert_id)

    def resolve_by_hand(
        self, alert_ids: Sequence[str], now_us: int, actor: str, why: str = "resolved by"
    ) -> list[AlertEvent]:
        """Resolve those that fire; one that goes on fires again and is told."""
        found = [alert for alert in map(self.get, alert_ids) if alert is not None]
        firing = [alert for alert in found if alert.state is AlertState.FIRING]
        return [self._resolve(alert, max(now_us, alert.updated_us), f"{why} {actor}") for alert in firing]

    def judge_by(self, rules: FeedbackRules, now_us: int, why: str) -> list[AlertEvent]:
        """Take other rules of feedback; return what they change of the alerts that fire."""
        self.feedback = rules
        return self.remute(now_us, why)

    def remute(self, now_us: int, why: str) -> list[AlertEvent]:
        """Judge the alerts that fire by the silences and feedback of now; return those muted, or told again."""
        events = []
        for alert in self.open:
            muted_by = self._muted_by(alert)
            if bool(muted_by) == bool(alert.muted_by):
                self._open[alert.fingerprint] = replace(alert, muted_by=muted_by)
                continue
            is_told = not muted_by
            new = replace(
                alert,
                muted_by=muted_by,
                is_notified=alert.is_notified or is_told,
                updated_us=max(now_us, alert.updated_us),
            )
            self._open[alert.fingerprint] = new
            events.append(AlertEvent(AlertAction.UPDATE, new, new.updated_us, is_told, why))
        return events

    def _muted_by(self, alert: Alert) -> str:
        silence = self.silences.mute(alert)
        if silence:
            return f"silence:{silence}"
        word = self.feedback.mute(Judged.of(alert))
        return f"feedback:{word}" if word else ""

    def snapshot(self) -> dict[str, Any]:
        """Return the state."""
        return {
            "tick": self._tick_us,
            "silences": self.silences.snapshot(),
            "feedback": self.feedback.snapshot(),
            "counts": [self.n_cut, self.n_beyond],
            "open": [alert_state(a) for a in self._open.values()],
            "recent": [alert_state(a) for a in self._recent.values()],
            "last": [[k, v] for k, v in self._last.items()],
            "digest": [digest_state(k, e) for k, e in self._digest.items()],
            "tokens": [[k.tenant, k.service, t.left, t.at_us, t.free_until_us] for k, t in self._tokens.items()],
        }

    @classmethod
    def restore(
        cls,
        state: dict[str, Any],
        params: AlertParams = DEFAULTS,
        evidence: Callable[[Anomaly], tuple[Evidence, ...]] = no_evidence,
    ) -> AlertBook:
        """Return the book whose `snapshot` this is."""
        self = cls(params, evidence)
        self._tick_us = state["tick"]
        self.silences = Silences.restore(state["silences"])
        self.feedback = FeedbackRules.restore(state["feedback"])
        self.n_cut, self.n_beyond = state["counts"]
        for item in state["open"]:
            alert = alert_of(item)
            self._open[alert.fingerprint] = alert
        for item in state["recent"]:
            alert = alert_of(item)
            self._recent[alert.alert_id] = alert
        self._last = dict(state["last"])
        for key, *entry in state["digest"]:
            self._digest[key] = digest_entry(entry)
        for tenant, service, left, at_us, free_us in state["tokens"]:
            self._tokens[StreamKey(tenant, service)] = _Tokens(left, at_us, free_us)
        return self

    def _apply_one(self, anomaly: Anomaly) -> list[AlertEvent]:
        fingerprint = fingerprint_of(anomaly)
        alert = self._open.get(fingerprint)
        if anomaly.is_digest:
            if alert is None:
                self._note(fingerprint, anomaly)
            return []
        if anomaly.is_over:
            return [self._end(alert, anomaly)] if alert is not None else []
        if alert is not None:
            return self._update(alert, anomaly, anomaly.tick_us)
        self._digest.pop(fingerprint, None)
        last = self._recent.get(self._last.get(fingerprint, ""))
        if last is not None and anomaly.start_us - last.end_us <= self.params.reopen_s * US_PER_S:
            del self._recent[last.alert_id]
            self._open[fingerprint] = replace(last, state=AlertState.FIRING)
            return self._update(self._open[fingerprint], anomaly, anomaly.tick_us, reopened=True)
        return self._fire(fingerprint, anomaly) if len(self._open) < self.params.max_open else self._drop()

    def _fire(self, fingerprint: str, anomaly: Anomaly) -> list[AlertEvent]:
        severity = severity_of(anomaly)
        alert = Alert(
            alert_id=f"{fingerprint}-{anomaly.start_us // US_PER_S}",
            fingerprint=fingerprint,
            state=AlertState.FIRING,
            severity=severity,
            kind=anomaly.kind,
            stream=anomaly.stream,
            subject=anomaly.subject,
            start_us=anomaly.start_us,
            end_us=anomaly.end_us,
            updated_us=anomaly.tick_us,
            title=anomaly.title,
            reason=anomaly.reason,
            observed=anomaly.observed,
            expected_low=anomaly.expected_low,
            expected_high=anomaly.expected_high,
            unit=anomaly.unit,
            score=anomaly.score.raw,
            strength=anomaly.strength,
            n_events=_n_events(anomaly),
            n_anomalies=1,
            templates=anomaly.templates,
            template_ids=anomaly.template_ids,
            text=anomaly.text,
            evidence=_together((), self.evidence(anomaly), self.params.max_evidence),
            is_notified=False,
            n_early=anomaly.n_records if anomaly.is_early else 0,
        )
        muted_by = self._muted_by(alert)
        alert = replace(alert, muted_by=muted_by, is_notified=not muted_by and self._may_notify(anomaly, severity))
        self._open[fingerprint] = alert
        return [AlertEvent(AlertAction.FIRE, alert, anomaly.tick_us, alert.is_notified, "new")]

    def _update(self, alert: Alert, anomaly: Anomaly, tick_us: int, *, reopened: bool = False) -> list[AlertEvent]:
        new = merged(alert, anomaly)
        if len(new.evidence) < self.params.max_evidence and new.n_anomalies <= 4:
            new = replace(new, evidence=_together(new.evidence, self.evidence(anomaly), self.params.max_evidence))
        why = "fires again" if reopened else update_reason(alert, new)
        notify = new.is_notified and new.severity.rank > alert.severity.rank
        muted_by = self._muted_by(new)
        if muted_by:
            new = replace(new, muted_by=muted_by, is_notified=new.is_notified and not reopened)
            notify = False
        elif alert.muted_by:
            new = replace(new, muted_by="", is_notified=True)
            why, notify = f"worse than when it was muted{f': {why}' if why else ''}", True
        self._open[alert.fingerprint] = new
        if why is None:
            return []
        return [AlertEvent(AlertAction.UPDATE, new, tick_us, notify, why)]

    def _end(self, alert: Alert, anomaly: Anomaly) -> AlertEvent:
        ended = replace(alert, end_us=max(anomaly.end_us, alert.end_us), reason=anomaly.reason)
        return self._resolve(ended, anomaly.tick_us, "records again")

    def _resolve(self, alert: Alert, tick_us: int, why: str) -> AlertEvent:
        resolved = replace(alert, state=AlertState.RESOLVED, updated_us=max(tick_us, alert.updated_us))
        self._open.pop(alert.fingerprint, None)
        self._recent[alert.alert_id] = resolved
        self._last[alert.fingerprint] = alert.alert_id
        while len(self._recent) > self.params.max_recent:
            oldest = self._recent.pop(next(iter(self._recent)))
            if self._last.get(oldest.fingerprint) == oldest.alert_id:
                del self._last[oldest.fingerprint]
        return AlertEvent(AlertAction.RESOLVE, resolved, tick_us, resolved.is_notified, why)

    def _drop(self) -> list[AlertEvent]:
        self.n_beyond += 1
        return []

    def _note(self, fingerprint: str, anomaly: Anomaly) -> None:
        self._digest[fingerprint] = _entry_of(anomaly)
        if len(self._digest) > self.params.max_digest:
            last = max(self._digest, key=lambda k: _by_worth(self._digest[k]))
            del self._digest[last]

    def _may_notify(self, anomaly: Anomaly, severity: AlertSeverity) -> bool:
        """Take a token of the stream's budget; critical, new, joined and once real ones need none."""
        now = anomaly.tick_us
        tokens = self._tokens.setdefault(anomaly.stream, _Tokens(self.params.budget, now))
        refill = max(now - tokens.at_us, 0) / _DAY_US * self.params.budget
        tokens.left = min(tokens.left + refill, self.params.budget)
        tokens.at_us = max(now, tokens.at_us)
        is_free = anomaly.kind in _NEVER_CUT or severity is AlertSeverity.CRITICAL or now <= tokens.free_until_us
        is_free = is_free or self.feedback.is_real(fingerprint_of(anomaly))
        if not is_free and tokens.left < 1.0:
            self.n_cut += 1
            return False
        if now > tokens.free_until_us:
            tokens.left = max(tokens.left - 1.0, 0.0)
            tokens.free_until_us = now + self.params.join_s * US_PER_S
        return True


def fingerprint_of(anomaly: Anomaly) -> str:
    """Return the fingerprint of (tenant, service, kind, subject): 16 hexadecimal digits."""
    parts = (anomaly.stream.tenant, anomaly.stream.service, anomaly.kind.value, anomaly.subject)
    return blake2b("\x1f".join(parts).encode(), digest_size=8).hexdigest()


def _n_events(anomaly: Anomaly) -> int:
    """Return its records since it began: a spike over several buckets has more than the one that shows it."""
    if anomaly.kind in (AnomalyKind.VOLUME_SPIKE, AnomalyKind.ERROR_SPIKE):
        return max(anomaly.n_records, round(anomaly.observed))
    return anomaly.n_records


def merged(alert: Alert, anomaly: Anomaly) -> Alert:
    """Return the alert with a further anomaly of its fingerprint: the span grows, the strongest sentence stays."""
    is_stronger = anomaly.strength > alert.strength and anomaly.unit == alert.unit
    severity = max(alert.severity, severity_of(anomaly), key=lambda s: s.rank)
    new = replace(
        alert,
        severity=severity,
        end_us=max(alert.end_us, anomaly.end_us),
        updated_us=anomaly.tick_us,
        n_events=alert.n_events - alert.n_early + anomaly.n_records,
        n_early=anomaly.n_records if anomaly.is_early else 0,
        n_anomalies=alert.n_anomalies + 1,
        score=max(alert.score, anomaly.score.raw),
        template_ids=tuple(dict.fromkeys(alert.template_ids + anomaly.template_ids)),
        templates=tuple(dict.fromkeys(alert.templates + anomaly.templates)),
    )
    if not is_stronger:
        return new
    return replace(
        new,
        reason=anomaly.reason,
        strength=anomaly.strength,
        observed=anomaly.observed,
        expected_low=anomaly.expected_low,
        expected_high=anomaly.expected_high,
    )


def update_reason(old: Alert, new: Alert) -> str | None:
    """Return why a change of an alert is worth an event, None if it is not."""
    if new.severity is not old.severity:
        return f"severity {old.severity} → {new.severity}"
    if len(new.evidence) > len(old.evidence):
        return "more evidence"
    if new.strength >= 2 * old.strength > 0:
        return "doubled"
    return None


def _together(old: tuple[Evidence, ...], more: tuple[Evidence, ...], limit: int) -> tuple[Evidence, ...]:
    """Return the lines of both, each once, the first ``limit`` of them."""
    by_place = {(e.source, e.line): e for e in reversed(old + more)}
    return tuple(dict.fromkeys(by_place[e.source, e.line] for e in old + more))[:limit]


def _by_start(alert: Alert) -> tuple[int, str]:
    return (alert.start_us, alert.alert_id)


def _by_worth(entry: DigestEntry) -> tuple[int, int, int, StreamKey, str]:
    return (-KIND_WORTH[entry.kind], -entry.count, entry.start_us, entry.stream, entry.subject)


def _entry(a: Alert) -> DigestEntry:
    return DigestEntry(a.kind, a.stream, a.subject, a.title, a.reason, a.start_us, a.n_events, a.template_ids)


def _entry_of(a: Anomaly) -> DigestEntry:
    return DigestEntry(a.kind, a.stream, a.subject, a.title, a.reason, a.start_us, a.n_records, a.template_ids)
