"""What comes regularly in one stream, and what of it failed to come: beats of its templates, and of all of it.

A job that writes several templates is missed once. While the whole stream is quiet, it is the stream that is missed,
and no template of it. It must not know of alerts, words or other streams.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fm_anomaly.core.anomalies import Reading
from fm_anomaly.core.detectors.cadence import CadenceDetector, CadenceParams

STREAM = -1
"""Stands for the whole stream where a template could stand."""
_NEAR = 0.1
"""Beats whose periods and times differ by no more than this share of the period are those of one job."""


@dataclass(frozen=True, slots=True)
class Missed:
    """A beat that did not come, or that came again (`is_over`)."""

    template: int
    """`STREAM` for the stream as a whole."""
    reading: Reading
    last_at: int
    """Newest bucket in which it was seen before."""
    is_over: bool = False


class Cadences:
    """Beats of one stream; state is a detector a template, bounded."""

    def __init__(self, params: CadenceParams, max_templates: int = 500, gone_buckets: int = 1440) -> None:
        self.next_at = -1
        """First bucket that must be judged, -1 for none."""
        self._params = params
        self._max_templates = max_templates
        self._gone_buckets = gone_buckets
        self._beats: dict[int, CadenceDetector] = {}
        self._missed: dict[int, int] = {}
        """Templates that are missed, with the bucket in which that was decided; told or covered by another."""
        self._told: set[int] = set()

    def close(self, at: int, templates: Sequence[int], *, is_restart: bool, is_whole: bool) -> list[Missed]:
        """Take the templates of a bucket with records (sorted), and judge what should have come by then."""
        seen = [STREAM, *templates]
        found = [over for template in seen if (over := self._came(at, template)) is not None]
        if is_restart:
            for template, beat in self._beats.items():
                if template not in seen:
                    beat.restarted(at)
        for template in seen:
            if template not in self._beats:
                if len(self._beats) >= self._max_templates:
                    continue
                self._beats[template] = CadenceDetector(self._params)
            beat = self._beats[template]
            beat.learn_one(at, 1.0)
            if beat.onset == at and beat.period:
                self._wake(beat.due())
        return found + (self.judge(at) if is_whole else [])

    def _wake(self, due: int) -> None:
        if due >= 0:
            self.next_at = due if self.next_at < 0 else min(self.next_at, due)

    def _came(self, at: int, template: int) -> Missed | None:
        """End the miss of a template that has come again."""
        if self._missed.pop(template, None) is None:
            return None
        beat = self._beats[template]
        reading, last_at = beat.score_one(at - 1, 0.0), beat.last
        beat.pass_over()
        if template == STREAM:
            self._rearm(at)
        if template not in self._told:
            return None
        self._told.discard(template)
        return Missed(template, reading, last_at, is_over=True)

    def _rearm(self, at: int) -> None:
        """Wait anew for what was missed only because the whole stream was."""
        for template in [t for t in self._missed if t not in self._told]:
            del self._missed[template]
            self._beats[template].restarted(at)
            self._wake(self._beats[template].due())

    def judge(self, at: int) -> list[Missed]:
        """Return what should have come by bucket ``at``, and what is given up waiting for."""
        if not 0 <= self.next_at <= at:
            return []
        found = self._gone(at) + self._overdue(at)
        self.next_at = self._next(at)
        return found

    def _gone(self, at: int) -> list[Missed]:
        found = []
        for template, since in sorted(self._missed.items()):
            beat = self._beats[template]
            if at - since < max(self._gone_buckets, 3 * beat.period):
                continue
            del self._missed[template]
            if template in self._told:
                self._told.discard(template)
                found.append(Missed(template, beat.score_one(at, 0.0), beat.last, is_over=True))
            beat.forget()
        return found

    def _overdue(self, at: int) -> list[Missed]:
        found: list[Missed] = []
        stream = self._beats.get(STREAM)
        for template in sorted(self._beats):
            beat = self._beats[template]
            due = beat.due()
            if template in self._missed or due < 0 or due > at:
                continue
            reading = beat.score_one(at, 0.0)
            if reading.direction == 0:
                continue
            self._missed[template] = at
            is_alone = template == STREAM or (stream is not None and stream.last > beat.last + 1)
            if is_alone and not self._is_covered(template, beat):
                self._told.add(template)
                found.append(Missed(template, reading, beat.last))
        return found

    def _is_covered(self, template: int, beat: CadenceDetector) -> bool:
        """Return whether a beat of the same job, or the whole stream, is told already."""
        for other in self._told:
            told = self._beats[other]
            near = max(_NEAR * beat.period, 2.0)
            if other != template and (
                other == STREAM or (abs(told.period - beat.period) <= near and abs(told.onset - beat.onset) <= near)
            ):
                return True
        return False

    def _next(self, at: int) -> int:
        due = [beat.due() for template, beat in self._beats.items() if template not in self._missed]
        due = [max(bucket, at + 1) for bucket in due if bucket >= 0]
        due += [
            max(since + int(max(self._gone_buckets, 3 * self._beats[template].period)), at + 1)
            for template, since in self._missed.items()
        ]
        return min(due, default=-1)

    def pass_over(self) -> None:
        """Let the time since the last beats pass: nobody listened."""
        for beat in self._beats.values():
            beat.pass_over()
        self.next_at = self._next(-1)

    def merge(self, old: int, into: int) -> None:
        """Say that template `old` is from now on counted as `into`, whose own beats stand."""
        gone = self._beats.pop(old, None)
        self._missed.pop(old, None)
        self._told.discard(old)
        if gone is not None and into not in self._beats:
            self._beats[into] = gone

    def snapshot(self) -> dict[str, Any]:
        """Return the state."""
        return {
            "next": self.next_at,
            "beats": [[template, beat.snapshot()] for template, beat in self._beats.items()],
            "missed": [[template, at] for template, at in self._missed.items()],
            "told": sorted(self._told),
        }

    @classmethod
    def restore(cls, state: dict[str, Any], params: CadenceParams) -> Cadences:
        """Return the beats whose `snapshot` this is."""
        self = cls(params)
        self.next_at = state["next"]
        self._beats = {template: CadenceDetector.restore(beat, params) for template, beat in state["beats"]}
        self._missed = dict(map(tuple, state["missed"]))
        self._told = set(state["told"])
        return self
