"""How long requests take until their answer begins, by what was asked for and how it was answered.

ASGI middleware, outermost, so that refusals are timed too. It must not know routes beyond their paths, nor who asks.
"""

from __future__ import annotations

import time

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fm_anomaly.service.timings import Timing
from fm_anomaly.service.tracing import Span, off

SURFACES = ("logs", "api", "page", "watch")
"""What is asked for: to take logs, the API, the page and its files, health and metrics."""
_WATCH = ("/health", "/metrics")
_LOGS = "/api/v1/logs"
_API = "/api/"


class RequestTimings:
    """Durations by surface and class of status (`2xx`): at most as many as the product of both."""

    def __init__(self) -> None:
        self.by_kind: dict[tuple[str, str], Timing] = {}

    def add(self, surface: str, status: int, seconds: float) -> None:
        """Count a request."""
        key = (surface, f"{min(max(status // 100, 1), 5)}xx")
        timing = self.by_kind.get(key)
        if timing is None:
            timing = self.by_kind.setdefault(key, Timing())
        timing.add(seconds)


class Timed:
    """Times each request from its head until its answer begins; traces it until it ends, where traces are on."""

    def __init__(self, app: ASGIApp, timings: RequestTimings, span: Span = off) -> None:
        self._app = app
        self._timings = timings
        self._span = span

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        surface = surface_of(scope["method"], scope["path"])

        async def timed(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._timings.add(surface, message["status"], time.perf_counter() - began)
                tell("http.response.status_code", message["status"])
            await send(message)

        named = {"http.request.method": scope["method"], "fm_anomaly.surface": surface}
        with self._span(f"{scope['method']} {surface}", named, Headers(scope=scope)) as tell:
            await self._app(scope, receive, timed)


def surface_of(method: str, path: str) -> str:
    """Return what is asked for.

    >>> [surface_of("POST", "/v1/logs"), surface_of("GET", "/api/v1/alerts"), surface_of("GET", "/incidents")]
    ['logs', 'api', 'page']
    """
    if path.startswith(_API) and path != _LOGS:
        return "api"
    if path.startswith(_WATCH):
        return "watch"
    # what is posted or put outside of the API is what shippers of logs bring
    return "logs" if path == _LOGS or method in ("POST", "PUT") else "page"
