"""Sends one request over HTTP: bounded in time and size, redirects not followed, secrets kept out of what it says.

The only module here that knows httpx; it must not know what a request means.
"""

from __future__ import annotations

import ssl
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from fm_anomaly.core.display import clip, terminal
from fm_anomaly.errors import ConfigError, UsageError
from fm_anomaly.notify.receivers import Target
from fm_anomaly.notify.requests import Answer, Request

if TYPE_CHECKING:
    import httpx

_MAX_ANSWER_BYTES = 16_384
_SHOWN_CHARS = 200
_MAX_RETRY_AFTER_S = 3_600.0


class Transport(Protocol):
    """Sends requests to one target."""

    def send(self, request: Request) -> Answer:
        """Send it once and return the answer; never raises for what a receiver or the network does."""
        ...

    def close(self) -> None:
        """Close its connections."""
        ...


class HttpTransport:
    """Sends over HTTP/1.1, keeping connections. Raises UsageError where httpx is not installed."""

    def __init__(self, target: Target) -> None:
        try:
            import httpx
        except ModuleNotFoundError as exc:
            raise UsageError("sending alerts needs the package 'httpx': pip install '.[serve]'") from exc
        self._secrets = (*target.secrets, target.url)
        self._timeout_s = target.receiver.timeout_s
        self._errors = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ValueError)
        self._client = httpx.Client(
            timeout=httpx.Timeout(self._timeout_s, connect=min(self._timeout_s, 5.0)),
            follow_redirects=False,
            verify=_trust(target.receiver.ca_file, target.receiver.name),
            limits=httpx.Limits(max_connections=2),
        )

    def send(self, request: Request) -> Answer:
        """Post the request; what the network does wrong is an answer of status 0."""
        try:
            return self._post(request)
        except self._errors as exc:
            return Answer(0, self._said(f"{type(exc).__name__}: {exc}"))

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def _post(self, request: Request) -> Answer:
        ends_at = monotonic() + 2 * self._timeout_s
        with self._client.stream("POST", request.url, content=request.body, headers=request.headers) as response:
            status = response.status_code
            if 200 <= status < 300:
                return Answer(status)
            told = b""
            for chunk in response.iter_raw(1_024):
                told += chunk
                if len(told) >= _MAX_ANSWER_BYTES or monotonic() > ends_at:
                    break
            shown = self._said(told[:_MAX_ANSWER_BYTES].decode("utf-8", "replace"))
            return Answer(status, f"HTTP {status}: {shown}" if shown else f"HTTP {status}", _retry_after_s(response))

    def _said(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return terminal(clip(text.strip(), _SHOWN_CHARS))


def _retry_after_s(response: httpx.Response) -> float | None:
    told = response.headers.get("Retry-After", "")
    return min(float(told), _MAX_RETRY_AFTER_S) if told.isascii() and told.isdigit() else None


def _trust(ca_file: str, name: str) -> ssl.SSLContext | bool:
    if not ca_file:
        return True
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as exc:
        raise ConfigError(f"receivers.{name}.ca_file: {ca_file} cannot be read as certificates: {exc}") from exc
