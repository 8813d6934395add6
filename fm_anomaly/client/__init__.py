"""The HTTP API of a running service from Python: logs in, alerts and incidents out, what people do, the event stream.

`Client` blocks, `AsyncClient` awaits; both make the same calls. Needs httpx (extra ``client``), and knows nothing of
the rest of the package but its errors.
"""

from __future__ import annotations

from fm_anomaly.errors import UsageError

try:
    import httpx  # noqa: F401 - only whether it is there
except ModuleNotFoundError as exc:
    raise UsageError("the client needs the package 'httpx': pip install '.[client]'") from exc

from fm_anomaly.client.asynchronous import AsyncClient
from fm_anomaly.client.synchronous import Client
from fm_anomaly.client.values import (
    Alert,
    Effect,
    Event,
    Evidence,
    Incident,
    LineError,
    SentLogs,
    Service,
    Silence,
    Step,
)

__all__ = [
    "Alert",
    "AsyncClient",
    "Client",
    "Effect",
    "Event",
    "Evidence",
    "Incident",
    "LineError",
    "SentLogs",
    "Service",
    "Silence",
    "Step",
]
