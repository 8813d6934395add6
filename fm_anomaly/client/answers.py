"""What an answer means: read it, wait and try again, or raise.

Pure: waits are told, not waited. Shared by both clients; it must not know httpx.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, TypeVar

import msgspec

from fm_anomaly.client.calls import Call
from fm_anomaly.errors import ClientError

_T = TypeVar("_T")
_MAX_WAIT_S = 60.0
_SHOWN = 300


@dataclass(frozen=True, slots=True)
class RetryParams:
    """How patiently a client tries again."""

    attempts: int = 6
    """Tries of one request, the first among them."""
    first_wait_s: float = 0.5
    """Doubled each time, half of it by chance; a service's Retry-After counts more."""


class _Problem(msgspec.Struct):
    detail: str = ""
    correlation_id: str = ""


def read(call: Call[_T], status: int, body: bytes) -> _T:
    """Return the answer's value. Raises ClientError where the service refused, or answers what nobody knows."""
    if not 200 <= status < 300:
        raise refused(call, status, body)
    try:
        return call.read(body)
    except (msgspec.ValidationError, msgspec.DecodeError) as exc:
        raise ClientError(f"{call.method} {call.path}: the answer is not that of fm-anomaly: {exc}", status) from exc


def refused(call: Call[Any], status: int, body: bytes) -> ClientError:
    """Return the error of an answer that is none, with the service's own words."""
    try:
        problem = msgspec.json.decode(body, type=_Problem)
    except (msgspec.ValidationError, msgspec.DecodeError):
        problem = _Problem(body[:_SHOWN].decode("utf-8", "replace").strip())
    said = problem.detail[:_SHOWN] or "no reason told"
    return ClientError(f"{call.method} {call.path}: HTTP {status}: {said}", status, problem.correlation_id)


def wait_s(
    call: Call[Any], n_tried: int, status: int, headers: Mapping[str, str], params: RetryParams, rng: Random
) -> float | None:
    """Return how long to wait before the call is sent again, None where it is not.

    A service that is busy (429) or not ready (503) has taken nothing in. Where there was no answer (status 0) or a
    gateway answered for it, only what may arrive twice is sent again.
    """
    is_refused_for_now = status in (429, 503)
    is_unknown = status in (0, 502, 504)
    if n_tried >= params.attempts or not (is_refused_for_now or (is_unknown and call.is_repeatable)):
        return None
    told = headers.get("retry-after", "")
    least = float(told) if told.isascii() and told.isdigit() else 0.0
    own = params.first_wait_s * 2.0 ** (n_tried - 1) * rng.uniform(0.5, 1.0)
    return float(min(max(own, least), _MAX_WAIT_S))
