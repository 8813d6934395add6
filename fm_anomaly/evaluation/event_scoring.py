"""Scoring of alerts against labelled events: recall, false alerts a series-day, delay.

Labelled points close to one another are one event. An event is found if a decision falls from its start to shortly
after its end; decisions elsewhere, and not soon behind an event, are false, merged when close. The beginning of a
series is a warm-up that is not judged. It knows times, labels and decisions, neither files nor detectors.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Times = NDArray[np.int64]
"""Microseconds since the epoch, ascending."""

_MINUTE_US = 60_000_000
_DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class EventRules:
    """Distances of the scoring; each is a time, and at least so many points."""

    warmup_share: float = 0.15
    join_min: float = 30.0
    join_points: int = 2
    found_min: float = 10.0
    found_points: int = 1
    quiet_min: float = 60.0
    quiet_points: int = 1
    merge_min: float = 30.0
    merge_points: int = 1


RULES = EventRules()


@dataclass(frozen=True, slots=True)
class Event:
    """First and last position of a labelled event, both inside it."""

    first: int
    last: int
    kind: str = ""


@dataclass(frozen=True, slots=True)
class SeriesScore:
    """Outcome of one series."""

    name: str
    found: tuple[Event, ...]
    missed: tuple[Event, ...]
    delays: tuple[int, ...]
    """Points from the start of each found event to its first decision."""
    n_false: int
    days: float

    @property
    def n_events(self) -> int:
        """Events to be found."""
        return len(self.found) + len(self.missed)


@dataclass(frozen=True, slots=True)
class Totals:
    """Figures over many series."""

    n_events: int
    n_found: int
    n_false: int
    days: float

    @property
    def recall(self) -> float:
        """Share of the events that were found; 1 where there are none."""
        return self.n_found / self.n_events if self.n_events else 1.0

    @property
    def false_per_day(self) -> float:
        """False alerts a series-day."""
        return self.n_false / self.days if self.days else 0.0


def totals(scores: Iterable[SeriesScore]) -> Totals:
    """Return the figures over series: events and days are pooled."""
    scores = list(scores)
    return Totals(
        sum(s.n_events for s in scores),
        sum(len(s.found) for s in scores),
        sum(s.n_false for s in scores),
        sum(s.days for s in scores),
    )


def events_of(labels: Bools, times_us: Times, rules: EventRules = RULES) -> list[Event]:
    """Return runs of labelled points; those up to `join_min` (or `join_points`) apart are one event."""
    events: list[Event] = []
    for i in np.flatnonzero(labels).tolist():
        if events and _is_near(i, events[-1].last, times_us, rules.join_min, rules.join_points):
            events[-1] = Event(events[-1].first, i)
        else:
            events.append(Event(i, i))
    return events


def score_series_events(
    name: str, decisions: Bools, times_us: Times, events: Sequence[Event], rules: EventRules = RULES
) -> SeriesScore:
    """Score the decisions of one series.

    What lies in the warm-up is not judged: decisions there are dropped, an event that ends there is no event, and
    one that reaches beyond it begins where the warm-up ends.
    """
    n = len(decisions)
    start = int(rules.warmup_share * n)
    events = [Event(max(e.first, start), e.last, e.kind) for e in events if e.last >= start]
    fired = [int(i) for i in np.flatnonzero(decisions).tolist() if i >= start]
    found, missed, delays, excused = [], [], [], set[int]()
    for event in events:
        hits = [i for i in fired if i >= event.first and _is_covered(i, event, times_us, rules)]
        if hits:
            found.append(event)
            delays.append(hits[0] - event.first)
        else:
            missed.append(event)
        excused.update(i for i in fired if i >= event.first and _is_excused(i, event, times_us, rules))
    n_false, last = 0, None
    for i in (i for i in fired if i not in excused):
        if last is None or not _is_near(i, last, times_us, rules.merge_min, rules.merge_points):
            n_false += 1
        last = i
    days = (times_us[-1] - times_us[start]) / _DAY_US if n > start else 0.0
    return SeriesScore(name, tuple(found), tuple(missed), tuple(delays), n_false, float(days))


def _is_covered(i: int, event: Event, times_us: Times, rules: EventRules) -> bool:
    return _is_near(i, event.last, times_us, rules.found_min, rules.found_points)


def _is_excused(i: int, event: Event, times_us: Times, rules: EventRules) -> bool:
    near = _is_near(i, event.last, times_us, rules.quiet_min, rules.quiet_points)
    return near or _is_covered(i, event, times_us, rules)


def _is_near(i: int, last: int, times_us: Times, minutes: float, points: int) -> bool:
    """Return whether point ``i`` is no further behind ``last`` than so many minutes, or points."""
    return i - last <= points or int(times_us[i] - times_us[last]) <= minutes * _MINUTE_US
