"""How long something takes, as a histogram that is cheap to add to and can be added up over processes and time.

Percentiles are asked of it where it is read (Prometheus' `histogram_quantile`). It must not know what is timed.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import accumulate

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the bins, inclusive; one more bin holds what is longer."""


@dataclass(slots=True)
class Timing:
    """Counts by duration, and their sum. Written by one thread, read by any.

    >>> timing = Timing()
    >>> timing.add(0.004)
    >>> timing.total_s, timing.cumulative()[2], timing.cumulative()[-1]
    (0.004, ('0.005', 1), ('+Inf', 1))
    """

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    total_s: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(BOUNDS_S, seconds)] += 1
        self.total_s += seconds

    def cumulative(self) -> list[tuple[str, int]]:
        """Return how many took at most so long, by bound as Prometheus writes it, the last one `+Inf`."""
        return cumulative(BOUNDS_S, self.counts)


def cumulative(bounds_s: tuple[float, ...], counts: list[int]) -> list[tuple[str, int]]:
    """Return the counts of bins as Prometheus has them: those up to each bound together, the last one `+Inf`."""
    names = [*(repr(bound) for bound in bounds_s), "+Inf"]
    return list(zip(names, accumulate(counts), strict=True))
