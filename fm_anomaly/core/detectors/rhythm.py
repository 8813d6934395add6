"""The rhythm of one stream's surprises: what has come at this time of the day, or of the week, before.

A surge of every working morning, a lull of every weekend: a decision like those of two earlier days of the last seven,
or of two earlier such weekdays, at that time of the day, is no news. The time may lie an hour off, for clocks are
changed. Must not know what is measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fm_anomaly.core.anomalies import Reading


@dataclass(frozen=True, slots=True)
class RhythmParams:
    """Settings of the rhythm.

    times: how often something must have come.
    days, weeks: how far back days, and weekdays, are looked at.
    near_s: how far off the time of day may be; an hour of it is for clock changes.
    margin: a surprise is like an earlier one where it is no further off than by this factor.
    """

    bucket_s: int = 60
    times: int = 2
    days: int = 7
    weeks: int = 4
    near_s: int = 4500
    margin: float = 2.0
    max_notes: int = 200


_DAY_S = 86_400


class Rhythm:
    """Remembers surprises; state is a bounded list of [first bucket, last bucket, direction, utmost]."""

    __slots__ = ("_day", "_near", "_params", "notes")

    def __init__(self, params: RhythmParams = RhythmParams()) -> None:
        self._params = params
        self._day = _DAY_S // params.bucket_s
        self._near = params.near_s // params.bucket_s
        self.notes: list[list[Any]] = []

    def is_known(self, at: int, reading: Reading) -> bool:
        """Return whether a reading in bucket ``at`` is like what has come at that time before; changes nothing."""
        p, value = self._params, _value(reading)
        days: set[int] = set()
        weeks: set[int] = set()
        for first, last, direction, utmost in self.notes:
            beyond = value / utmost if direction > 0 else utmost / value
            if direction != reading.direction or beyond > p.margin:
                continue
            ago = self._days_ago(at, first, last)
            if 1 <= ago <= p.days:
                days.add(ago)
            if ago and ago % 7 == 0 and ago <= 7 * p.weeks:
                weeks.add(ago)
        return max(len(days), len(weeks)) >= p.times

    def note(self, at: int, reading: Reading) -> None:
        """Remember a reading in bucket ``at``, as a part of the last one where that is near."""
        value = _value(reading)
        for note in reversed(self.notes):
            if note[2] == reading.direction:
                if at - note[1] <= self._near // 2:
                    note[1], note[3] = at, max(note[3], value) if note[2] > 0 else min(note[3], value)
                    return
                break
        oldest = at - (7 * self._params.weeks + 1) * self._day
        self.notes = [note for note in self.notes if note[1] >= oldest][1 - self._params.max_notes :]
        self.notes.append([at, at, reading.direction, value])

    def _days_ago(self, at: int, first: int, last: int) -> int:
        """Return how many days before ``at`` a span stood at this time of the day, 0 where it did not."""
        days = (at - first + self._near) // self._day
        return max(days, 0) if at - days * self._day <= last + self._near else 0

    def snapshot(self) -> list[list[Any]]:
        """Return the state."""
        return [list(note) for note in self.notes]

    def restore(self, state: list[list[Any]]) -> None:
        """Take the state of a `snapshot`."""
        self.notes = [list(note) for note in state]


def _value(reading: Reading) -> float:
    """Return what was seen a bucket, and a little: zeros are alike."""
    return reading.observed / reading.window + 0.5
