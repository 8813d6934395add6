"""The calls of the API as values: method, path, parameters, body, and how the answer is read.

Pure: the two clients send these, and both say the same. It must not know httpx, retries or threads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import msgspec

from fm_anomaly.client.values import Alert, Effect, Incident, Service, Silence
from fm_anomaly.errors import UsageError

_T = TypeVar("_T")
_JSON = {"Content-Type": "application/json"}
PAGE = 200
"""Rows a page of a list."""
Time = str | datetime
"""ISO 8601 text or a datetime; UTC where it has no zone."""


@dataclass(frozen=True, slots=True)
class Call(Generic[_T]):
    """One request; the answer is read as `answer`, a type that msgspec knows."""

    method: str
    path: str
    answer: Any
    params: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    is_repeatable: bool = False
    """Whether it may be sent again where it is not known if it arrived."""

    def read(self, body: bytes) -> _T:
        """Return the answer. Raises msgspec.ValidationError or DecodeError where it is another."""
        found: _T = msgspec.json.decode(body, type=self.answer)
        return found


def alerts(
    *,
    state: str | None,
    min_severity: str | None,
    service: str | None,
    kind: str | None,
    incident_id: str | None,
    acked: bool | None,
    muted: bool | None,
    since: Time | None,
    until: Time | None,
) -> Call[list[Alert]]:
    """Return the call for a list of alerts."""
    wanted = {
        "state": state,
        "min_severity": min_severity,
        "service": service,
        "kind": kind,
        "incident_id": incident_id,
        "acked": _flag(acked),
        "muted": _flag(muted),
        "since": _time(since),
        "until": _time(until),
    }
    return _list("/api/v1/alerts", list[Alert], wanted)


def incidents(
    *, state: str | None, min_severity: str | None, kind: str | None, since: Time | None, until: Time | None
) -> Call[list[Incident]]:
    """Return the call for a list of incidents."""
    wanted = {"state": state, "min_severity": min_severity, "kind": kind, "since": _time(since), "until": _time(until)}
    return _list("/api/v1/incidents", list[Incident], wanted)


def silences(*, active: bool | None) -> Call[list[Silence]]:
    """Return the call for a list of silences."""
    return _list("/api/v1/silences", list[Silence], {"active": _flag(active)})


def one_alert(alert_id: str) -> Call[Alert]:
    """Return the call for one alert."""
    return Call("GET", f"/api/v1/alerts/{_part(alert_id)}", Alert, is_repeatable=True)


def one_incident(incident_id: str) -> Call[Incident]:
    """Return the call for one incident."""
    return Call("GET", f"/api/v1/incidents/{_part(incident_id)}", Incident, is_repeatable=True)


def services() -> Call[list[Service]]:
    """Return the call for all services."""
    return Call("GET", "/api/v1/services", list[Service], is_repeatable=True)


def intake() -> Call[dict[str, Any]]:
    """Return the call for the accounting."""
    return Call("GET", "/api/v1/intake", dict[str, Any], is_repeatable=True)


def ack(found_id: str) -> Call[Effect]:
    """Return the call that takes on an alert, or an incident, whose id begins with ``i-``."""
    return _change(f"{_of(found_id)}/ack")


def resolve(found_id: str) -> Call[Effect]:
    """Return the call that ends an alert or incident."""
    return _change(f"{_of(found_id)}/resolve")


def comment(found_id: str, text: str) -> Call[Effect]:
    """Return the call that says something of an alert or incident."""
    return _change(f"{_of(found_id)}/comments", {"text": text})


def feedback(alert_id: str, verdict: str, note: str) -> Call[Effect]:
    """Return the call that says whether an alert was expected, noise or real."""
    return _change(f"/api/v1/alerts/{_part(alert_id)}/feedback", {"verdict": verdict, "note": note})


def remove_feedback(feedback_id: str) -> Call[Effect]:
    """Return the call that takes feedback back."""
    return Call("DELETE", f"/api/v1/feedback/{_part(feedback_id)}", Effect)


def silence(
    matchers: Mapping[str, str], reason: str, until: Time | None, for_s: int | None, *, until_worse: bool
) -> Call[Effect]:
    """Return the call that silences alerts."""
    if (until is None) == (for_s is None):
        raise UsageError("a silence needs one of until and for_s: when it ends")
    ends: dict[str, Any] = {"for_s": for_s} if until is None else {"until": _time(until)}
    said = {"matchers": dict(matchers), "reason": reason, "until_worse": until_worse}
    return _change("/api/v1/silences", {**said, **ends})


def end_silence(silence_id: str) -> Call[Effect]:
    """Return the call that ends a silence."""
    return Call("DELETE", f"/api/v1/silences/{_part(silence_id)}", Effect)


def marker(title: str, service: str, at: Time | None) -> Call[Effect]:
    """Return the call that notes a deploy or change."""
    when = {} if at is None else {"at": _time(at)}
    return _change("/api/v1/markers", {"title": title, "service": service, **when})


def following(call: Call[_T], cursor: str) -> Call[_T]:
    """Return the call for the page behind another."""
    return Call(call.method, call.path, call.answer, {**call.params, "cursor": cursor}, is_repeatable=True)


def _list(path: str, answer: Any, wanted: Mapping[str, str | None]) -> Call[Any]:
    params = {name: value for name, value in wanted.items() if value is not None}
    return Call("GET", path, answer, {**params, "limit": str(PAGE)}, is_repeatable=True)


def _change(path: str, said: Mapping[str, Any] | None = None) -> Call[Effect]:
    return Call("POST", path, Effect, content=msgspec.json.encode(said or {}), headers=_JSON)


def _of(found_id: str) -> str:
    kind = "incidents" if found_id.startswith("i-") else "alerts"
    return f"/api/v1/{kind}/{_part(found_id)}"


def _part(value: str) -> str:
    """Return an id as one part of a path, whatever stands in it."""
    if value in ("", ".", ".."):
        raise UsageError(f"{value!r} is no id")
    return quote(value, safe="")


def _flag(value: bool | None) -> str | None:
    return None if value is None else str(value).lower()


def _time(value: Time | None) -> str | None:
    if isinstance(value, datetime):
        return (value if value.tzinfo is not None else value.replace(tzinfo=UTC)).isoformat()
    return value
