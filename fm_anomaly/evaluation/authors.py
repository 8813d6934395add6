"""Who writes a service's lines in a sample: renders them, puts them in order, counts them.

An `Author` knows its service, its format and its random generator. What it says, and when, is told by others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from fm_anomaly.evaluation.failures import Failure
from fm_anomaly.evaluation.rendering import ERROR, STRUCTURED, Format, Renderer
from fm_anomaly.evaluation.system import LAYERS, Service

NO_FIELDS: Mapping[str, Any] = {}
CLIENT_ERRORS = (400, 401, 404, 404, 404, 409, 422, 429)
"""Status codes of requests that fail by the client's fault, the common one more often."""


@dataclass(frozen=True, slots=True)
class Strike:
    """A failure that hits one flow: whether it shows its traceback, and the layers that log it, innermost first."""

    failure: Failure
    has_trace: bool
    layers: tuple[str, ...]


class Author:
    """Writes the records of one service: renders, orders and counts them.

    `lines` holds (order in µs, sequence number, text of one record); a share of `late_share` records reaches the file
    up to 1.5 s after its time, as writes from several threads do.
    """

    __slots__ = ("_render", "fmt", "late_share", "lines", "n_errors", "n_lines", "n_tracebacks", "rng", "service")

    def __init__(self, service: Service, fmt: Format, render: Renderer, rng: Random, late_share: float = 0.002) -> None:
        self.service, self.fmt, self.rng, self.late_share = service, fmt, rng, late_share
        self.lines: list[tuple[int, int, str]] = []
        self.n_lines = self.n_errors = self.n_tracebacks = 0
        self._render = render

    def say(
        self,
        us: int,
        level: int,
        logger: str,
        text: str,
        fields: Mapping[str, Any] = NO_FIELDS,
        ctx: Mapping[str, Any] = NO_FIELDS,
        trace: str | None = None,
    ) -> None:
        """Write one record of time `us`."""
        line = self._render(us, level, logger, text, fields, ctx, trace)
        order = us if self.rng.random() >= self.late_share else us + int(self.rng.random() * 1_500_000)
        self.lines.append((order, len(self.lines), line))
        self.n_lines += 1
        if level >= ERROR:
            self.n_errors += 1
        if trace is not None:
            self.n_tracebacks += 1
            self.n_lines += line.count("\n")

    def say_raw(self, us: int, text: str) -> None:
        """Write a line that is not a record of the format: no time, or another form."""
        self.lines.append((us, len(self.lines), text))
        self.n_lines += 1

    @property
    def is_structured(self) -> bool:
        """Whether the format carries fields."""
        return self.fmt in STRUCTURED

    def draw_status(self, strike: Strike | None) -> int:
        """Draw the status code of a request: that of its failure, else 200 or, now and then, a client's error."""
        if strike is not None:
            return strike.failure.status
        if self.rng.random() < self.service.client_error_share:
            return CLIENT_ERRORS[int(self.rng.random() * len(CLIENT_ERRORS))]
        return 200


def draw_strike(rng: Random, failure: Failure, trace_share: float, n_layers: int) -> Strike:
    """Draw how one flow is hit: with a traceback or not, and logged by the `n_layers` innermost layers."""
    return Strike(failure, rng.random() < trace_share, LAYERS[:n_layers])
