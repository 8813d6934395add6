"""What both clients tell httpx alike: address, token, time limits, and its exceptions as ours.

The fence around httpx; it must not know what is asked.
"""

from __future__ import annotations

from typing import Any

import httpx

from fm_anomaly.errors import ClientError

STREAM = "/api/v1/stream"
ERRORS = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError)
"""What httpx raises for the network's and the other side's faults."""


def settings(base_url: str, token: str | None, timeout_s: float) -> dict[str, Any]:
    """Return the arguments of an httpx client."""
    headers = {"User-Agent": "fm-anomaly-client", "Accept": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return {
        "base_url": base_url,
        "headers": headers,
        "timeout": httpx.Timeout(timeout_s, connect=min(timeout_s, 10.0)),
        "follow_redirects": False,
    }


def stream_headers(last_id: str) -> dict[str, str]:
    """Return the headers that ask for the events behind one."""
    return {"Accept": "text/event-stream", **({"Last-Event-ID": last_id} if last_id else {})}


def stream_timeout(timeout_s: float) -> httpx.Timeout:
    """Return time limits of a stream, on which nothing may happen for a while."""
    return httpx.Timeout(timeout_s, read=max(timeout_s, 90.0))


def is_passing(exc: ClientError) -> bool:
    """Tell whether a stream that was refused may be had a moment later."""
    return exc.status in (429, 502, 503, 504)


def unreachable(base_url: object, exc: Exception) -> ClientError:
    """Return the error of a request that got no answer."""
    said = str(exc) or type(exc).__name__
    return ClientError(f"{base_url} does not answer: {said}; is `fm-anomaly serve` running there?")
