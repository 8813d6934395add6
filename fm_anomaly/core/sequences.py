"""The sessions of all streams: who has some, who has none, and one bound over all that is open.

A stream gets its series with the first record that names a session; one that names none costs nothing. It must not
know of alerts or words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fm_anomaly.core.anomalies import OddSessions
from fm_anomaly.core.frames import StreamKey
from fm_anomaly.core.sequence_series import Budget, SequenceSeries, SequenceSeriesParams

_TEXT_OFF_AFTER = 20_000
"""Records of a stream after which its messages are no longer searched for ids, where none has been found."""


class Sequences:
    """Sessions of all streams, by stream."""

    def __init__(self, params: SequenceSeriesParams, max_streams: int) -> None:
        self.by_stream: dict[StreamKey, SequenceSeries] = {}
        self._params = params
        self._max_streams = max_streams
        self._budget = Budget(params.max_open)
        self._without: dict[StreamKey, int] = {}
        """Records of streams that have named no session yet."""

    def is_off(self, stream: StreamKey, *, from_text: bool) -> bool:
        """Return whether ids of that stream (those read from its messages) are not wanted."""
        series = self.by_stream.get(stream)
        if series is not None:
            return series.is_off
        return from_text and self._without.get(stream, 0) >= _TEXT_OFF_AFTER

    def add(self, stream: StreamKey, at: int, keys: Sequence[str], steps: Sequence[int], ts_us: Sequence[int]) -> None:
        """Take records of one stream that name a session, in order; `at` is the bucket of the first."""
        series = self.by_stream.get(stream)
        if series is None:
            if len(self.by_stream) >= self._max_streams:
                return
            series = self.by_stream[stream] = SequenceSeries(at, self._params, self._budget)
            self._without.pop(stream, None)
        series.add(keys, steps, ts_us)

    def note_records(self, stream: StreamKey, n: int) -> None:
        """Count the records of a closed bucket: a stream that never names a session is soon not asked any more."""
        if stream not in self.by_stream:
            seen = self._without.get(stream, 0)
            if seen < _TEXT_OFF_AFTER and (seen or len(self._without) < self._max_streams):
                self._without[stream] = seen + n

    def close(self, at: int, end_us: int) -> Iterator[tuple[StreamKey, OddSessions]]:
        """Judge the sessions that have ended by `end_us`, the end of bucket `at`; yield findings, streams sorted."""
        for stream in sorted(self.by_stream):
            for odd in self.by_stream[stream].close(at, end_us):
                yield stream, odd

    def drop_open(self) -> None:
        """Forget the sessions that are open: some of their records have not been heard."""
        for series in self.by_stream.values():
            series.drop(series.open_sessions.ids())

    def merge(self, stream: StreamKey, old: int, into: int) -> None:
        """Say that step `old` of a stream is from now on counted as `into`."""
        series = self.by_stream.get(stream)
        if series is not None:
            series.merge(old, into)

    def snapshot(self) -> dict[str, Any]:
        """Return the state."""
        return {
            "streams": [[k.tenant, k.service, series.snapshot()] for k, series in self.by_stream.items()],
            "without": [[k.tenant, k.service, n] for k, n in self._without.items()],
        }

    @classmethod
    def restore(cls, state: dict[str, Any], params: SequenceSeriesParams, max_streams: int) -> Sequences:
        """Return the sessions whose `snapshot` this is."""
        self = cls(params, max_streams)
        for tenant, service, series in state["streams"]:
            restored = SequenceSeries.restore(series, params, self._budget)
            self.by_stream[StreamKey(tenant, service)] = restored
        self._without = {StreamKey(tenant, service): n for tenant, service, n in state["without"]}
        return self
