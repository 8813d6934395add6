"""The recent past of each series, for people: sparklines, bands and what is known. No detector reads it.

Sparse points (bucket start, value), newest kept, with a cap on points a series and on series; it must not know how a
value is judged.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from statistics import median

from fm_anomaly.core.features import ClosedBucket
from fm_anomaly.core.frames import StreamKey
from fm_anomaly.core.state import State

VOLUME = "records"
ERRORS = "errors"
_SeriesKey = tuple[str, str, str]


class History:
    """Points of series keyed by (service, name, subject).

    name: `VOLUME` and `ERRORS` (subject ""), "template" (subject: template id, error templates only), "exception"
    (subject: its identity) and "latency" (subject: operation, the median in ms). `max_points` a series: two days.
    """

    def __init__(self, max_points: int = 2_880, max_series: int = 5_000) -> None:
        self.max_points = max_points
        self.max_series = max_series
        self._points: dict[_SeriesKey, deque[tuple[int, float]]] = {}

    def add(self, buckets: Sequence[ClosedBucket]) -> None:
        """Note what closed buckets hold."""
        for bucket in buckets:
            service, at = bucket.stream.service, bucket.start_us
            self._note((service, VOLUME, ""), at, bucket.n_records)
            if bucket.n_errors:
                self._note((service, ERRORS, ""), at, bucket.n_errors)
                for template in bucket.templates:
                    if template.n_errors:
                        self._note((service, "template", template.template_id), at, template.count)
            for exception in bucket.exceptions:
                self._note((service, "exception", exception.identity), at, exception.count)
            for operation, values in bucket.durations:
                self._note((service, "latency", operation), at, median(values))

    def _note(self, key: _SeriesKey, at_us: int, value: float) -> None:
        points = self._points.get(key)
        if points is None:
            if len(self._points) >= self.max_series:
                return
            points = self._points[key] = deque(maxlen=self.max_points)
        points.append((at_us, float(value)))

    def points(self, stream: StreamKey, name: str, subject: str = "") -> list[tuple[int, float]]:
        """Return (bucket start µs, value), oldest first; buckets with nothing are left out."""
        return list(self._points.get((stream.service, name, subject), ()))

    def snapshot(self) -> State:
        """Return all state as plain values."""
        return {"points": [[list(key), [list(point) for point in p]] for key, p in self._points.items()]}

    @classmethod
    def restore(cls, state: State) -> History:
        """Return the history as it was."""
        history = cls()
        for (service, name, subject), points in state["points"]:
            history._points[(service, name, subject)] = deque(
                ((at, value) for at, value in points), maxlen=history.max_points
            )
        return history
