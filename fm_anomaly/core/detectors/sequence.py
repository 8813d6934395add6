"""Sequence of one stream's sessions: a missing step, an extra one, an unusual count or order.

``x`` is a `Session` that has ended. For each step the detector knows how many sessions have come to take it once,
twice, …; what is asked of a session is the chance that one which came so far went on (an extra step) or stopped
there (a missing one), among all sessions of the stream and among those that began alike. Steps are learned as they
come, so that a step which all sessions begin to take is soon known. Must not know of streams, text or alerts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import log10
from typing import Any

from fm_anomaly.core.anomalies import QUIET, Reading, Score
from fm_anomaly.core.detectors.tails import score_value
from fm_anomaly.core.sessions import Session


@dataclass(frozen=True, slots=True)
class SequenceParams:
    """Settings of the sequence detector.

    limit: decades from which on a session is unusual; 1.7 is one in fifty.
    fixed_share: a count is judged where this share of the sessions with the step has one and the same.
    min_sessions: sessions before any is judged, and before those that began alike speak for themselves.
    adopt_share, adopt_after_s: what is found unusual is not learned, until it has been there for so long in so many.
    memory: sessions after which old ones count half.
    """

    limit: float = 1.7
    fixed_share: float = 0.9
    min_sessions: int = 25
    adopt_share: float = 0.05
    adopt_after_s: int = 4 * 3600
    memory: int = 50_000
    max_kinds: int = 64
    max_steps: int = 256
    max_pairs: int = 2_048
    max_count: int = 32
    max_suspects: int = 256


class Aspect(StrEnum):
    """In what a session is unusual."""

    MISSING = "missing"
    EXTRA = "extra"
    FEWER = "fewer"
    MORE = "more"
    ORDER = "order"


@dataclass(frozen=True, slots=True)
class Oddity:
    """One thing that is unusual in a session."""

    decades: float
    kind: int
    """First step of the sessions that it is held against."""
    aspect: Aspect
    step: int
    other: int
    """The step that `step` usually follows, where the order is unusual; -1 otherwise."""
    count: int
    """How often the step was taken."""
    usual: int
    """How often it usually is."""
    n: int
    """Sessions that it is held against."""

    @property
    def shape(self) -> tuple[int, str, int, int]:
        """What sessions unusual in the same way share."""
        return (self.kind, self.aspect.value, self.step, self.other)


ALL = -1
"""The kind that stands for all sessions of the stream."""
_TOO_LITTLE = (Aspect.MISSING, Aspect.FEWER)
_COMMON = (0.0, 0, 0)
_LEAST = 5
"""What more than one session in so many does is not looked into."""
_Part = tuple[Aspect, int, int]
"""Aspect, step, other."""
_Seen = tuple[float, int, int]
"""Decades, count, usual count."""


def _decades(hits: int, of: int) -> float:
    """Return how rare it is that `hits` of `of` sessions did so (Krichevsky-Trofimov estimate)."""
    return log10((of + 1.0) / (max(hits, 0) + 0.5))


def _exactly(reach: list[int], count: int) -> int:
    """Return how many sessions took a step so often and no more."""
    return reach[count - 1] - (reach[count] if count < len(reach) else 0)


def _usual(reach: list[int]) -> int:
    """Return the count that most sessions with a step have."""
    return max(range(1, len(reach) + 1), key=lambda count: (_exactly(reach, count), -count))


class _Model:
    """What sessions do: by step how many took it at least once, twice, …; by pair of steps which came first."""

    __slots__ = ("_params", "n", "order", "reach")

    def __init__(self, params: SequenceParams) -> None:
        self._params = params
        self.n = 0
        self.reach: dict[int, list[int]] = {}
        self.order: dict[tuple[int, int], int] = {}

    def note(self, step: int, count: int, times: int = 1) -> None:
        """Learn that so many sessions have taken `step` for the `count`-th time."""
        reach = self.reach.get(step)
        if reach is None:
            if len(self.reach) >= self._params.max_steps:
                return
            reach = self.reach[step] = []
        if count <= len(reach):
            reach[count - 1] += times
        elif count <= self._params.max_count:
            reach.extend([0] * (count - len(reach) - 1))
            reach.append(times)

    def note_order(self, pairs: list[tuple[int, int]], times: int) -> None:
        """Learn in which order so many sessions took their steps."""
        for pair in pairs:
            n = self.order.get(pair, 0)
            if n or len(self.order) < self._params.max_pairs:
                self.order[pair] = n + times

    def forget(self, session: Session, times: int) -> None:
        """Take back the steps of so many sessions that have been noted."""
        self.n = max(self.n - times, 0)
        for step, count in session.counts.items():
            reach = self.reach.get(step, [])
            for i in range(min(count, len(reach))):
                reach[i] = max(reach[i] - times, 0)

    def halve(self) -> None:
        """Let all that was learned count half; what falls to nothing is dropped."""
        self.n //= 2
        reach = {step: [n // 2 for n in ns if n > 1] for step, ns in self.reach.items()}
        self.reach = {step: ns for step, ns in reach.items() if ns}
        self.order = {pair: n // 2 for pair, n in self.order.items() if n > 1}

    def parts(self, session: Session, own: int) -> dict[_Part, _Seen]:
        """Return all that is not common in a session; `own` is 1 where it has been noted itself."""
        found = self.taken(session.steps, session.pairs(), own)
        n, steps = self.n - own, session.steps
        often = n * (_LEAST - 1)
        # most steps of a stream are neither taken nor missing: this loop is the detector's cost
        for step in [step for step, reach in self.reach.items() if reach[0] * _LEAST > often and step not in steps]:
            reach = self.reach[step]
            found[Aspect.MISSING, step, -1] = (_decades(n - reach[0], n), 0, _usual(reach))
        return found

    def taken(
        self, steps: Mapping[int, Sequence[int]], pairs: Iterable[tuple[int, int]], own: int
    ) -> dict[_Part, _Seen]:
        """Return what is not common in `steps` that a session took (see `Session`): counts, new ones, and `pairs`."""
        found: dict[_Part, _Seen] = {}
        n = self.n - own
        is_full = len(self.reach) >= self._params.max_steps
        for step, (count, _) in steps.items():
            reach = self.reach.get(step)
            if reach is None:
                if not is_full:
                    found[Aspect.EXTRA, step, -1] = (_decades(0, n), count, 0)
            elif not self._is_common(count, reach, n, own):
                self._counted(step, count, [r - own if i < count else r for i, r in enumerate(reach)], n, found)
        order = self.order.get
        for earlier, later in pairs:
            back = order((later, earlier), 0)
            if back and (forth := order((earlier, later), 0)) * _LEAST < back:
                found[Aspect.ORDER, earlier, later] = (_decades(forth, forth + back), 0, 0)
        return found

    @staticmethod
    def _is_common(count: int, reach: list[int], n: int, own: int) -> bool:
        """Return whether a step is usual and most sessions take it so often: nothing to look into."""
        first = reach[0] - own
        if count > len(reach) or first * _LEAST < n:
            return False
        return 2 * (reach[count - 1] - own - (reach[count] if count < len(reach) else 0)) >= first

    def _counted(self, step: int, count: int, reach: list[int], n: int, found: dict[_Part, _Seen]) -> None:
        """Judge how often a step was taken, by what the others (`reach`, of `n`) did."""
        if reach[0] * _LEAST < n:
            found[Aspect.EXTRA, step, -1] = (_decades(reach[0], n), count, 0)
        if count <= len(reach) and 2 * _exactly(reach, count) >= reach[0]:
            return
        usual = _usual(reach)
        if count == usual or _exactly(reach, usual) < self._params.fixed_share * max(reach[0], 1):
            return
        if count < usual:
            stopped = _exactly(reach, count)
            if stopped * _LEAST < reach[count - 1]:
                found[Aspect.FEWER, step, -1] = (_decades(stopped, reach[count - 1]), count, usual)
            return
        steps = zip(reach[usual - 1 : count - 1], [*reach[usual:count], 0], strict=False)
        decades = max((_decades(on, of) for of, on in steps if on * _LEAST < of), default=0.0)
        if decades:
            found[Aspect.MORE, step, -1] = (decades, count, usual)

    def merge(self, old: int, into: int) -> None:
        """Join what is known of two steps."""
        gone = self.reach.pop(old, None)
        if gone is not None:
            kept = self.reach.setdefault(into, gone)
            if kept is not gone:
                longer, shorter = (kept, gone) if len(kept) >= len(gone) else (gone, kept)
                self.reach[into] = [n + (shorter[i] if i < len(shorter) else 0) for i, n in enumerate(longer)]
        for (a, b), n in list(self.order.items()):
            if old in (a, b):
                del self.order[a, b]
                pair = (into if a == old else a, into if b == old else b)
                if pair[0] != pair[1]:
                    self.order[pair] = self.order.get(pair, 0) + n

    def state(self) -> list[Any]:
        """Return the state as plain values."""
        return [self.n, [[s, *r] for s, r in self.reach.items()], [[*pair, n] for pair, n in self.order.items()]]

    @classmethod
    def of(cls, state: list[Any], params: SequenceParams) -> _Model:
        """Return the model whose `state` this is."""
        self = cls(params)
        self.n, reach, order = state
        self.reach = {step: ns for step, *ns in reach}
        self.order = {(a, b): n for a, b, n in order}
        return self


@dataclass(slots=True)
class _Suspect:
    """One way of being unusual, while it is not learned."""

    since_us: int
    last_us: int
    n_before: int
    """Sessions that had ended before."""
    n: int = 0
    """Sessions that were so, since then."""


class SequenceDetector:
    """Score the sessions of one stream; `note` learns their steps as they come, `learn_one` when they have ended."""

    __slots__ = ("_kinds", "_params", "_suspects", "all", "n_ended")

    def __init__(self, params: SequenceParams = SequenceParams()) -> None:
        self._params = params
        self.all = _Model(params)
        self.n_ended = 0
        self._kinds: dict[int, _Model] = {}
        self._suspects: dict[tuple[int, str, int, int], _Suspect] = {}

    def note(self, kind: int, step: int, count: int, times: int = 1, *, is_first: bool) -> None:
        """Learn that so many open sessions of a kind have taken `step` for the `count`-th time; did they so begin?"""
        for model in (self.all, self._kind(kind)):
            if model is not None:
                model.n += times if is_first else 0
                model.note(step, count, times)

    def judge(self, session: Session, *, is_noted: bool = True) -> list[Oddity]:
        """Return all that is unusual in a session that has ended, the most unusual first."""
        own = 1 if is_noted else 0
        kind = self.compared_with(session, is_noted=is_noted)
        if kind is None:
            return []
        model = self.all if kind == ALL else self._kinds[kind]
        parts, n = model.parts(session, own), model.n - own
        extra = [part for part in parts if part[0] not in _TOO_LITTLE]
        if kind != ALL and extra:
            # a step that is missing is so among its like; what is extra is rare in the whole stream as well
            pairs = [(step, other) for aspect, step, other in extra if aspect is Aspect.ORDER]
            steps = {step: session.steps[step] for aspect, step, _ in extra if aspect is not Aspect.ORDER}
            of_all = self.all.taken(steps, pairs, own)
            parts = {
                part: seen if part[0] in _TOO_LITTLE else min(seen, of_all.get(part, _COMMON))
                for part, seen in parts.items()
            }
        found = [Oddity(seen[0], kind, *part, *seen[1:], n) for part, seen in parts.items() if seen[0] > 0]
        found.sort(key=lambda o: (-o.decades, o.aspect, o.step, o.other))
        return found

    def compared_with(self, session: Session, *, is_noted: bool = True) -> int | None:
        """Return the kind that a session is held against: its own, else `ALL`; None while too few are known."""
        least = self._params.min_sessions + (1 if is_noted else 0)
        model = self._kinds.get(session.kind)
        if model is not None and model.n >= least:
            return session.kind
        return ALL if self.all.n >= least else None

    def n_in_order(self, kind: int, earlier: int, later: int) -> int:
        """Return how many sessions of a kind took two steps in that order."""
        model = self._kinds.get(kind)
        return 0 if model is None else model.order.get((earlier, later), 0)

    def score_one(self, at: int, x: Session, *, is_noted: bool = False) -> Reading:
        """Return how unusual a session is that has ended; `is_noted` says that its steps have been noted already."""
        found = self.judge(x, is_noted=is_noted)
        if not found:
            return QUIET
        top = found[0]
        score = Score(score_value(top.decades, self._params.limit), top.decades)
        direction = -1 if top.aspect in _TOO_LITTLE else 1
        usual = float(top.usual)
        return Reading(score, direction, float(top.count), usual, usual, 1, float(top.n), usual)

    def learn_one(self, at: int, x: Session, *, is_noted: bool = False) -> None:
        """Learn a session that has ended; one that is unusual is forgotten, unless that has come to stay."""
        found = self.judge(x, is_noted=is_noted)
        self.learn_judged(x, found, is_noted=is_noted)

    def learn_judged(self, session: Session, found: list[Oddity], *, is_noted: bool = True, times: int = 1) -> None:
        """Do as `learn_one`, with what `judge` has found, for so many sessions that went alike."""
        self.n_ended += times
        is_unusual = bool(found) and found[0].decades >= self._params.limit
        if is_unusual and not self._has_stayed(found[0], session.last_us, times):
            if is_noted:
                self.forget(session, times)
            return
        pairs = list(session.pairs())
        models = [model for model in (self.all, self._kind(session.kind)) if model is not None]
        for model in models:
            if not is_noted:
                model.n += 1
                for step, times in session.counts.items():
                    for count in range(1, min(times, self._params.max_count) + 1):
                        model.note(step, count)
            model.note_order(pairs, times)
            if model.n > self._params.memory:
                model.halve()

    def forget(self, session: Session, times: int = 1) -> None:
        """Take back what was noted of so many sessions that went alike."""
        for model in (self.all, self._kinds.get(session.kind)):
            if model is not None:
                model.forget(session, times)

    def _has_stayed(self, oddity: Oddity, at_us: int, times: int) -> bool:
        """Count sessions that are unusual so; return whether that is to be learned now."""
        p = self._params
        after_us = p.adopt_after_s * 1_000_000
        suspect = self._suspects.pop(oddity.shape, None)
        if suspect is None or at_us - suspect.last_us > after_us:
            suspect = _Suspect(at_us, at_us, self.n_ended - times)
        if len(self._suspects) >= p.max_suspects:
            del self._suspects[next(iter(self._suspects))]
        self._suspects[oddity.shape] = suspect
        suspect.n += times
        suspect.last_us = max(suspect.last_us, at_us)
        n_since = max(self.n_ended - suspect.n_before, p.min_sessions)
        return at_us - suspect.since_us >= after_us and suspect.n > p.adopt_share * n_since

    def _kind(self, step: int) -> _Model | None:
        kind = self._kinds.get(step)
        if kind is None and len(self._kinds) < self._params.max_kinds:
            kind = self._kinds[step] = _Model(self._params)
        return kind

    def merge(self, old: int, into: int) -> None:
        """Say that step `old` is from now on counted as `into`."""
        gone = self._kinds.pop(old, None)
        if gone is not None:
            kept = self._kinds.setdefault(into, gone)
            if gone.n > kept.n:
                self._kinds[into] = gone
        for model in (self.all, *self._kinds.values()):
            model.merge(old, into)

    def snapshot(self) -> dict[str, Any]:
        """Return the state."""
        return {
            "n_ended": self.n_ended,
            "all": self.all.state(),
            "kinds": [[kind, model.state()] for kind, model in self._kinds.items()],
            "suspects": [[*shape, s.since_us, s.last_us, s.n_before, s.n] for shape, s in self._suspects.items()],
        }

    @classmethod
    def restore(cls, state: dict[str, Any], params: SequenceParams = SequenceParams()) -> SequenceDetector:
        """Return the detector whose `snapshot` this is."""
        self = cls(params)
        self.n_ended = state["n_ended"]
        self.all = _Model.of(state["all"], params)
        self._kinds = {kind: _Model.of(model, params) for kind, model in state["kinds"]}
        for kind, aspect, step, other, *rest in state["suspects"]:
            self._suspects[kind, aspect, step, other] = _Suspect(*rest)
        return self
