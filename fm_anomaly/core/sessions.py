"""Sessions: records of one id brought together while they come, bounded, each handed on when it has ended.

A session is what one request, job or block writes in one stream: which steps (templates) it took, how often, and when
first. It ends when nothing more has come for a while. This module must not know what an unusual session looks like.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

from fm_anomaly.core.frames import US_PER_S


@dataclass(frozen=True, slots=True)
class SessionParams:
    """What is kept of open sessions.

    idle_s: a session ends when nothing has come for so long; what comes later is a session of its own.
    max_open: sessions open at a time; records of further ones are counted and not followed.
    max_records, max_steps: a session of more records or templates is none (a thread, a user, a host): not judged.
    """

    idle_s: int = 120
    max_open: int = 20_000
    max_records: int = 512
    max_steps: int = 48


Course = tuple[int | tuple[int, int, int], ...]
"""How a session went: its kind, then step and count in turn, or (rank, step, count) where two began at one time."""


@dataclass(slots=True)
class Session:
    """One open session."""

    start_us: int
    last_us: int
    kind: int
    """Template of its first record: sessions that begin alike are compared with one another."""
    n: int
    steps: dict[int, list[int]]
    """Template → [count, event time of the first, µs], in the order of arrival."""
    is_overlong: bool = False

    @property
    def counts(self) -> dict[int, int]:
        """Return how often each step was taken."""
        return {step: count for step, (count, _) in self.steps.items()}

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Return the pairs (earlier, later) of steps; two first seen at the same time are in no order."""
        times = [first_us for _, first_us in self.steps.values()]
        if all(a < b for a, b in pairwise(times)):
            return combinations(self.steps, 2)
        return self._pairs_by_time()

    def _pairs_by_time(self) -> Iterator[tuple[int, int]]:
        steps = [(first_us, step) for step, (_, first_us) in self.steps.items()]
        for at, (first_us, step) in enumerate(steps):
            for other_us, other in steps[at + 1 :]:
                if first_us < other_us:
                    yield step, other
                elif other_us < first_us:
                    yield other, step

    def course(self) -> Course:
        """Return what sessions that went alike share: kind, and steps with their counts, by time of the first."""
        if len(self.steps) == 1:  # most sessions where ids do not come again
            ((step, (count, _)),) = self.steps.items()
            return self.kind, step, count
        course, last_us, is_in_order = [self.kind], -(1 << 62), True
        for step, (count, first_us) in self.steps.items():
            course += step, count
            is_in_order &= first_us > last_us
            last_us = first_us
        if is_in_order:
            return tuple(course)
        ranks = sorted({first_us for _, first_us in self.steps.values()})
        by_time = sorted((ranks.index(first_us), step, count) for step, (count, first_us) in self.steps.items())
        return (self.kind, *by_time)

    def state(self) -> list[Any]:
        """Return the state as plain values."""
        steps = [[step, *seen] for step, seen in self.steps.items()]
        return [self.start_us, self.last_us, self.kind, self.n, self.is_overlong, steps]

    @classmethod
    def of(cls, state: list[Any]) -> Session:
        """Return the session whose `state` this is."""
        start_us, last_us, kind, n, is_overlong, steps = state
        return cls(start_us, last_us, kind, n, {step: seen for step, *seen in steps}, is_overlong)


class Sessions:
    """The open sessions of one stream, by id, the one that has been quiet longest first."""

    __slots__ = ("_open", "n_beyond", "n_overlong", "params")

    def __init__(self, params: SessionParams = SessionParams()) -> None:
        self.params = params
        self._open: OrderedDict[str, Session] = OrderedDict()
        self.n_beyond = 0
        """Records of sessions beyond `max_open`."""
        self.n_overlong = 0
        """Sessions that proved to be none."""

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, key: str) -> bool:
        return key in self._open

    def ids(self) -> list[str]:
        """Return the ids of the open sessions, the one that has been quiet longest first."""
        return list(self._open)

    def add(self, key: str, step: int, ts_us: int) -> tuple[Session, int] | None:
        """Take one record; return its session and how often the step has been taken, None where it is not followed.

        A session that with this record proves to be none is returned once more, `is_overlong`.
        """
        session = self._open.get(key)
        if session is None:
            if len(self._open) >= self.params.max_open:
                self.n_beyond += 1
                return None
            session = self._open[key] = Session(ts_us, ts_us, step, 1, {step: [1, ts_us]})
            return session, 1
        self._open.move_to_end(key)
        if ts_us > session.last_us:
            session.last_us = ts_us
        if session.is_overlong:
            return None
        session.n += 1
        seen = session.steps.get(step)
        if seen is not None:
            seen[0] += 1
        elif len(session.steps) < self.params.max_steps:
            seen = session.steps[step] = [1, ts_us]
        if seen is None or session.n > self.params.max_records:
            session.is_overlong = True
            self.n_overlong += 1
        return session, 0 if seen is None else seen[0]

    def end(self, key: str) -> Session | None:
        """End one session now; return it, None where it is not followed or proved to be none."""
        session = self._open.pop(key, None)
        return None if session is None or session.is_overlong else session

    def ended(self, now_us: int) -> list[Session]:
        """End the sessions in which nothing has come for `idle_s` at event time `now_us`; return them, oldest first."""
        limit_us = now_us - self.params.idle_s * US_PER_S
        over = []
        for key, session in self._open.items():
            if session.last_us > limit_us:
                break
            over.append((key, session))
        for key, _ in over:
            del self._open[key]
        return [session for _, session in over if not session.is_overlong]

    def merge(self, old: int, into: int) -> None:
        """Say that step `old` is from now on counted as `into`."""
        for session in self._open.values():
            session.kind = into if session.kind == old else session.kind
            gone = session.steps.pop(old, None)
            if gone is not None:
                kept = session.steps.setdefault(into, gone)
                if kept is not gone:
                    kept[0], kept[1] = kept[0] + gone[0], min(kept[1], gone[1])

    def snapshot(self) -> dict[str, Any]:
        """Return the state."""
        return {
            "open": [[key, session.state()] for key, session in self._open.items()],
            "counts": [self.n_beyond, self.n_overlong],
        }

    @classmethod
    def restore(cls, state: dict[str, Any], params: SessionParams = SessionParams()) -> Sessions:
        """Return the sessions whose `snapshot` this is."""
        self = cls(params)
        for key, session in state["open"]:
            self._open[key] = Session.of(session)
        self.n_beyond, self.n_overlong = state["counts"]
        return self
