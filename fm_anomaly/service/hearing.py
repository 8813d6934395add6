"""Whether the service still hears: when each protocol last brought something, and whether that is unusually long ago.

What is usual is the longest pause of the last week, so far as this process has seen it; a protocol that has not been
heard often enough to know is not judged. Prometheus' rules judge the same from a longer memory (deploy/prometheus). It
must not know what was heard.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class HearingParams:
    """When silence of a protocol is told.

    min_pause_s: never sooner. times_usual: nor sooner than so many of the longest pauses of `n_days`. min_heard,
    min_heard_s: a protocol is judged once it has brought so many batches over so long a time.
    """

    min_pause_s: float = 900.0
    times_usual: float = 3.0
    n_days: int = 7
    min_heard: int = 20
    min_heard_s: float = 3_600.0
    max_protocols: int = 50


@dataclass(slots=True)
class _Heard:
    first_s: float
    last_s: float
    n: int = 1
    pause_by_day: dict[int, float] = field(default_factory=dict)


class Hearing:
    """When each protocol was heard. Times are seconds of one clock that does not step back."""

    def __init__(self, params: HearingParams | None = None) -> None:
        self.params = params or HearingParams()
        self._heard: dict[str, _Heard] = {}

    def note(self, protocol: str, now_s: float) -> None:
        """Say that a batch has come."""
        heard = self._heard.get(protocol)
        if heard is None:
            if len(self._heard) < self.params.max_protocols:
                self._heard[protocol] = _Heard(now_s, now_s)
            return
        day = int(now_s // _DAY_S)
        pause_s = now_s - heard.last_s
        if pause_s > heard.pause_by_day.get(day, 0.0):
            heard.pause_by_day[day] = pause_s
            for old in [each for each in heard.pause_by_day if each <= day - self.params.n_days]:
                del heard.pause_by_day[old]
        heard.last_s, heard.n = now_s, heard.n + 1

    def ages_s(self, now_s: float) -> Mapping[str, float]:
        """Return how long ago each protocol was last heard, in seconds."""
        return {protocol: now_s - heard.last_s for protocol, heard in sorted(self._heard.items())}

    def silent_s(self, now_s: float) -> Mapping[str, float]:
        """Return the protocols that are silent for unusually long, with how long."""
        return {protocol: age for protocol, age in self.ages_s(now_s).items() if self._is_unusual(protocol, age)}

    def _is_unusual(self, protocol: str, age_s: float) -> bool:
        heard, params = self._heard[protocol], self.params
        if heard.n < params.min_heard or heard.last_s - heard.first_s < params.min_heard_s:
            return False
        usual_s = max(heard.pause_by_day.values(), default=0.0)
        return age_s > max(params.min_pause_s, params.times_usual * usual_s)
