"""Requests to a Prometheus Alertmanager, API v2: firing alerts again and again, each ended by its endsAt.

An alert there is its labels: a change of severity is the end of one and the beginning of another. endsAt lies well
beyond the next resend, so that alerts stay while we restart, and end by themselves where we never come back. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fm_anomaly.core.display import terminal
from fm_anomaly.core.notices import Notice
from fm_anomaly.core.outbox_rows import OutboxRow, State
from fm_anomaly.notify.planning import Change, Says
from fm_anomaly.notify.receivers import NotifyParams, Target
from fm_anomaly.notify.requests import Message, Request, iso, json_request, permalink

_PATH = "/api/v2/alerts"
_ALERTS_A_REQUEST = 100
_HELD = frozenset({State.HELD, State.RESENDING})
_LABEL = re.compile(r"[^A-Za-z0-9_]")


@dataclass(frozen=True, slots=True)
class _Posted:
    """One alert's objects in a request, with the rows that they settle."""

    alerts: tuple[dict[str, Any], ...]
    rows: tuple[OutboxRow, ...]
    held: str | None


def messages(
    target: Target, changes: Sequence[Change], told: Mapping[str, OutboxRow], params: NotifyParams, now_us: int
) -> list[Message]:
    """Return the posts that bring an Alertmanager up to date: everything that fires, and what has ended."""
    posted = [_posted(target, each, params, now_us) for each in changes if each.says is not Says.NOTHING]
    return [_message(target, some) for some in _some(posted)]


def labels(target: Target, notice: Notice) -> dict[str, str]:
    """Return the labels of an alert: what groups, routes and silences there go by."""
    named = {_LABEL.sub("_", name): value for name, value in target.receiver.labels.items()}
    named |= {
        "alertname": "fm_anomaly_" + notice.kind,
        "tenant": notice.tenant,
        "service": terminal(notice.service),
        "kind": notice.kind,
        "severity": notice.severity.value,
        "fingerprint": notice.fingerprint,
        "incident": notice.group,
    }
    return {name: value for name, value in named.items() if value}


def alert(
    target: Target, notice: Notice, starts_us: int, ends_us: int, base_url: str, known: Notice | None = None
) -> dict[str, Any]:
    """Return one alert as the API takes it, under the labels of `known` where it is known by others."""
    said = {
        "summary": notice.headline,
        "description": notice.reason,
        "evidence": "\n".join(line.text for line in notice.evidence),
        "incident": "" if notice.incident is None else notice.incident.title,
        "category": "" if notice.label is None else notice.label.category,
        "alert_id": notice.alert_id,
    }
    posted = {
        "labels": labels(target, notice if known is None else known),
        "annotations": {name: terminal(text, keep_layout=True) for name, text in said.items() if text},
        "startsAt": iso(starts_us),
        "endsAt": iso(max(ends_us, starts_us)),
    }
    link = permalink(base_url, notice)
    return posted | {"generatorURL": link} if link else posted


def _posted(target: Target, change: Change, params: NotifyParams, now_us: int) -> _Posted:
    sent = next((row for row in change.rows if row.state in _HELD), None)
    known = None if sent is None else sent.notice
    now = change.notice
    if now.is_firing:
        ends_us = now_us + params.ends_after_s * 1_000_000
        alerts = [alert(target, now, now.start_us, ends_us, params.base_url)]
        if known is not None and labels(target, known) != labels(target, now):
            alerts.insert(0, alert(target, known, known.start_us, now_us, params.base_url))
        held = change.row if change.row in change.rows else change.rows[-1]
        return _Posted(tuple(alerts), change.rows, held.id)
    # under the labels that it is known by; the end lies in the past even where our clocks differ
    ended = alert(target, now, now.start_us, min(now.at_us, now_us), params.base_url, known)
    return _Posted((ended,), change.rows, None)


def _message(target: Target, posted: Sequence[_Posted]) -> Message:
    parts = tuple(_message(target, [each]) for each in posted) if len(posted) > 1 else ()
    return Message(
        _request(target, [each for some in posted for each in some.alerts]),
        tuple(row for some in posted for row in some.rows),
        frozenset(some.held for some in posted if some.held is not None),
        parts,
    )


def _request(target: Target, alerts: list[dict[str, Any]]) -> Request:
    return json_request(target, target.url + _PATH, alerts)


def _some(posted: Sequence[_Posted]) -> Iterator[Sequence[_Posted]]:
    for at in range(0, len(posted), _ALERTS_A_REQUEST):
        yield posted[at : at + _ALERTS_A_REQUEST]
