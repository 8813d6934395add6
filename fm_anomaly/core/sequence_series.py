"""The sessions of one stream, judged: records in as they come, findings out when a bucket closes.

A lone unusual session is no finding. What is watched is the share of sessions that are unusual in one and the same way
(a *shape*: which step is missing, extra, …): when many more are than ever before, that is one finding, told once.
Sessions with a step that the stream has only just begun to write are left to novelty: a deploy says new things.
It must not know of alerts, words or other streams.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from fm_anomaly.core.anomalies import OddSessions, Shape
from fm_anomaly.core.calibration import CalibrationParams, Watch
from fm_anomaly.core.detectors.sequence import Aspect, Oddity, SequenceDetector, SequenceParams
from fm_anomaly.core.detectors.share import ShareDetector, ShareParams
from fm_anomaly.core.sessions import Course, Session, SessionParams, Sessions


@dataclass(frozen=True, slots=True)
class SequenceSeriesParams:
    """Settings of the judgement over a stream's sessions.

    share: of the sessions of one kind, how many must be unusual in one way: half of them more than before, or 5 % where
    that is tenfold; 10 at least.
    max_open: sessions followed at a time, of all streams together.
    warmup_buckets: buckets of a stream before its sessions are judged.
    settled_buckets: a step that is newer than so many buckets is news, and its sessions are not judged.
    min_before: sessions that have ended before one more of a kind can be unusual.
    off_after, off_share: a stream whose ids do not come again (so few sessions of more than one record) is let be.
    """

    bucket_s: int = 60
    calibration: CalibrationParams = field(default_factory=CalibrationParams)
    share: ShareParams = field(default_factory=lambda: ShareParams(limit=7.1, min_share=0.5, ratio=3.0))
    sequence: SequenceParams = field(default_factory=SequenceParams)
    sessions: SessionParams = field(default_factory=SessionParams)
    max_open: int = 30_000
    warmup_buckets: int = 15
    settled_buckets: int = 60
    min_before: int = 50
    max_shapes: int = 16
    max_known: int = 1_024
    off_after: int = 5_000
    off_share: float = 0.1


@dataclass(slots=True)
class Budget:
    """How many sessions are open, over all streams that share it."""

    left: int


@dataclass(slots=True)
class _Steps:
    """How many sessions there were, and by step how many took it once, twice, …"""

    n: int = 0
    counts: dict[int, dict[int, int]] = field(default_factory=dict)
    taken: dict[int, int] = field(default_factory=dict)
    """By step how many took it at all: the sum of its counts."""

    def add(self, session: Session, times: int) -> None:
        """Count so many sessions that went alike."""
        self.n += times
        for step, (count, _) in session.steps.items():
            by_count = self.counts.setdefault(step, {})
            count = min(count, _MOST)
            by_count[count] = by_count.get(count, 0) + times
            self.taken[step] = self.taken.get(step, 0) + times

    def join(self, other: _Steps, max_steps: int) -> None:
        """Add the sessions of `other`."""
        self.n += other.n
        for step, by_count in other.counts.items():
            if step in self.counts or len(self.counts) < max_steps:
                mine = self.counts.setdefault(step, {})
                for count, n in by_count.items():
                    mine[count] = mine.get(count, 0) + n
                self.taken[step] = self.taken.get(step, 0) + other.taken[step]

    def having(self, step: int, than: int = 0) -> int:
        """Return how many sessions took a step more often than `than`; a negative one: less often than `-than`."""
        if not than:
            return self.taken.get(step, 0)
        by_count = self.counts.get(step, {})
        return sum(n for count, n in by_count.items() if (count > than if than > 0 else count < -than))

    def usual(self, step: int) -> tuple[int, int]:
        """Return the count that most sessions with a step have, and how many have it."""
        return max(((c, n) for c, n in self.counts.get(step, {}).items()), key=lambda p: (p[1], -p[0]), default=(0, 0))

    def state(self) -> list[Any]:
        """Return the state as plain values."""
        return [self.n, [[step, [[c, n] for c, n in by.items()]] for step, by in self.counts.items()]]

    @classmethod
    def of(cls, state: list[Any]) -> _Steps:
        """Return the steps whose `state` this is."""
        counts = {step: dict(map(tuple, by)) for step, by in state[1]}
        return cls(state[0], counts, {step: sum(by.values()) for step, by in counts.items()})


@dataclass(slots=True)
class _Tally:
    """Sessions of one kind that have ended: how many a bucket, and what they did."""

    base: ShareDetector
    steps: _Steps = field(default_factory=_Steps)

    @property
    def n(self) -> int:
        """Sessions in all."""
        return self.steps.n


@dataclass(slots=True)
class _Shape:
    watch: Watch[ShareDetector]
    usual: int
    n_odd: int
    n: int
    """Sessions so, and sessions in all."""
    before: list[int] = field(default_factory=lambda: [0, 0])
    """The same as of the beginning of the open anomaly."""
    recent: list[list[int]] = field(default_factory=list)
    """The last buckets with sessions: [at, odd, all, start of the first odd one in µs or 0]."""

    def is_calm(self, at: int) -> bool:
        """Return whether no session of it has ended for so long that it can be let go: tallies know it still."""
        return not self.watch.is_open and not any(k and at - then < _RECENT for then, k, *_ in self.recent)


_RECENT = 15
_TIMES = 3
"""How many times the share there was before makes a shape worth following."""
_RECOVER_BUCKETS = 10
_MAX_SAMPLING = 12
_MOST = 32
"""Counts of a step from here on are the same."""


@dataclass(frozen=True, slots=True)
class _Alike:
    """Sessions that ended in one bucket and went alike: one of them, and when each began."""

    session: Session
    starts: list[int]


def _grouped(ended: list[Session]) -> list[_Alike]:
    groups: dict[Course, _Alike] = {}
    for session in ended:
        key = session.course()
        alike = groups.get(key)
        if alike is None:
            alike = groups[key] = _Alike(session, [])
        alike.starts.append(session.start_us)
    return list(groups.values())


def is_so(session: Session, shape: Shape, usual: int) -> bool:
    """Return whether a session is unusual in that way; `usual` is how often the step is usually taken."""
    _, aspect, step, other = shape
    seen, after = session.steps.get(step), session.steps.get(other)
    if seen is None:
        return aspect == Aspect.MISSING
    if aspect == Aspect.ORDER:
        return after is not None and seen[1] < after[1]
    return (
        aspect == Aspect.EXTRA
        or (aspect == Aspect.FEWER and seen[0] < usual)
        or (aspect == Aspect.MORE and seen[0] > usual)
    )


def _merged(shape: Shape, old: int, into: int) -> Shape:
    kind, aspect, step, other = shape
    return (into if kind == old else kind, aspect, into if step == old else step, into if other == old else other)


class SequenceSeries:
    """Sessions of one stream: open ones, what they usually do, and how many are unusual in which way."""

    def __init__(self, first_at: int, params: SequenceSeriesParams, budget: Budget) -> None:
        self.first_at = first_at
        self.is_off = False
        """Whether the ids of this stream do not come again, so that they name no sessions."""
        self.sampling = 0
        self._roomy_since = first_at
        """Of the ids only one in ``2 ** sampling`` is followed."""
        self.told: Shape | None = None
        self.n_ended = 0
        self.n_lone = 0
        """Ended sessions of a single record."""
        self._params = params
        self._budget = budget
        self.open_sessions = Sessions(params.sessions)
        self.detector = SequenceDetector(params.sequence)
        self._noted: dict[tuple[int, int, int, bool], int] = {}
        """What `add` has to tell the detector, (kind, step, count, whether a session began), and how many times."""
        self._known_at: dict[int, int] = {}
        self._tallies: dict[int, _Tally] = {}
        self._shapes: dict[Shape, _Shape] = {}

    def add(self, keys: Sequence[str], steps: Sequence[int], ts_us: Sequence[int]) -> None:
        """Take records of the sessions `keys`, in order. Cost: about 1 µs each."""
        if self.is_off:
            return
        take, budget, noted = self.open_sessions.add, self._budget, self._noted
        for key, step, us in zip(keys, steps, ts_us, strict=True):
            if self.sampling and crc32(key.encode()) & ((1 << self.sampling) - 1):
                continue
            taken = take(key, step, us)
            if taken is None:
                if key not in self.open_sessions:
                    self._sample()  # the record that found no room is not followed either
                continue
            session, count = taken
            if session.n == 1:
                budget.left -= 1
                if budget.left < 0 and not self._has_room(key):
                    continue
            if session.is_overlong:
                self._forget(session)
            else:
                what = (session.kind, step, count, session.n == 1)
                noted[what] = noted.get(what, 0) + 1
        self._note()

    def _note(self) -> None:
        """Hand on what has been noted of open sessions; before anything of theirs is taken back."""
        for (kind, step, count, is_first), times in self._noted.items():
            self.detector.note(kind, step, count, times, is_first=is_first)
        self._noted.clear()

    def _forget(self, session: Session) -> None:
        self._note()
        self.detector.forget(session)

    def _has_room(self, key: str) -> bool:
        """Return whether a session that has just begun can be kept, where too many are open."""
        if self.sampling < _MAX_SAMPLING:
            self._sample()
        if self._budget.left < 0 and key in self.open_sessions:
            self.open_sessions.end(key)
            self._budget.left += 1
        return key in self.open_sessions

    def _sample(self) -> None:
        """Follow half of the ids from now on: whole sessions of fewer ids, not parts of all."""
        self.sampling += 1
        mask = (1 << self.sampling) - 1
        self.drop([key for key in self.open_sessions.ids() if crc32(key.encode()) & mask])

    def drop(self, keys: list[str]) -> None:
        """Forget open sessions: those that went alike at once, for there may be thousands."""
        self._note()
        ended = [self.open_sessions.end(key) for key in keys]
        self._budget.left += len(ended)
        for alike in _grouped([session for session in ended if session is not None]):
            self.detector.forget(alike.session, len(alike.starts))

    def close(self, at: int, end_us: int) -> list[OddSessions]:
        """Judge the sessions that have ended by `end_us`, the end of bucket `at`."""
        self._recover(at)
        before = len(self.open_sessions)
        ended = self.open_sessions.ended(end_us)
        self._budget.left += before - len(self.open_sessions)
        if not ended:
            return []
        judged: dict[int, list[_Alike]] = {}
        for alike in _grouped(ended):
            session, times = alike.session, len(alike.starts)
            self.n_ended += times
            self.n_lone += times if session.n == 1 else 0
            found = self.detector.judge(session)
            self.detector.learn_judged(session, found, times=times)
            if self._is_settled(at, session) and self._is_warm(at):
                judged.setdefault(session.kind, []).append(alike)
                self._suspect(found)
        found_odd = [odd for kind in sorted(judged) for odd in self._kind_closed(at, kind, judged[kind])]
        self._switch_off()
        return self._told(found_odd)

    def _recover(self, at: int) -> None:
        """Follow more ids again, a step in ten buckets, where there has been room for long."""
        is_roomy = 8 * len(self.open_sessions) < self._params.sessions.max_open
        if not self.sampling or not is_roomy or 2 * self._budget.left < self._params.max_open:
            self._roomy_since = at
        elif at - self._roomy_since >= _RECOVER_BUCKETS:
            self.sampling -= 1
            self._roomy_since = at

    def _is_warm(self, at: int) -> bool:
        return at - self.first_at >= self._params.warmup_buckets

    def _is_settled(self, at: int, session: Session) -> bool:
        """Note the steps of a session; return whether all of them have long been known."""
        known = self._known_at
        newest = self.first_at
        for step in session.steps:
            since = known.get(step)
            if since is None:
                if len(known) >= self._params.max_known:
                    return False
                since = known[step] = at if self._is_warm(at) else self.first_at
            newest = max(newest, since)
        return newest == self.first_at or at - newest >= self._params.settled_buckets

    def _suspect(self, found: list[Oddity]) -> None:
        """Begin to follow an unusual order; steps and their counts are counted for all sessions."""
        for odd in found[:1]:
            tally = self._tallies.get(odd.kind)
            if odd.aspect is not Aspect.ORDER or odd.decades < self._params.sequence.limit or odd.shape in self._shapes:
                continue
            if tally is not None and tally.n >= self._params.min_before:
                self._follow(odd.shape, tally, 0, self.detector.n_in_order(odd.kind, odd.step, odd.other))

    def _kind_closed(self, at: int, kind: int, sessions: list[_Alike]) -> list[OddSessions]:
        """Judge the sessions of one kind that ended in a bucket, then learn their numbers."""
        tally = self._tallies.get(kind)
        if tally is None:
            if len(self._tallies) >= self._params.sequence.max_kinds:
                return []
            tally = self._tallies[kind] = _Tally(ShareDetector(self._params.share))
        here = _Steps()
        for alike in sessions:
            here.add(alike.session, len(alike.starts))
        self._candidates(kind, tally, here)
        found = []
        for shape in sorted(shape for shape in self._shapes if shape[0] == kind):
            odd = self._step(at, shape, sessions, here.n)
            if odd is not None:
                found.append(odd)
            elif self._shapes[shape].is_calm(at):
                del self._shapes[shape]
        tally.base.learn_one(at, (0.0, float(here.n)))
        tally.steps.join(here, self._params.sequence.max_steps)
        return found

    def _candidates(self, kind: int, tally: _Tally, here: _Steps) -> None:
        """Begin to follow each way in which far more sessions are unusual than were before."""
        before = tally.steps
        if before.n < self._params.min_before or here.n < 2:
            return
        for step in sorted({*before.counts, *here.counts}):
            have, had = here.having(step), before.having(step)
            if here.n - have >= 2:
                self._compare(kind, Aspect.MISSING, step, 0, here.n - have, before.n - had, here.n, tally)
            if have >= 2:
                self._compare(kind, Aspect.EXTRA, step, 0, have, had, here.n, tally)
            if step not in here.counts:
                continue
            usual, n_usual = before.usual(step)
            if here.usual(step)[0] == usual and len(here.counts[step]) == 1:
                continue
            if n_usual >= self._params.sequence.fixed_share * had > 0:
                less, more = here.having(step, -usual), here.having(step, usual)
                self._compare(kind, Aspect.FEWER, step, usual, less, before.having(step, -usual), here.n, tally)
                self._compare(kind, Aspect.MORE, step, usual, more, before.having(step, usual), here.n, tally)

    def _compare(
        self, kind: int, aspect: Aspect, step: int, usual: int, k: int, k_before: int, n: int, tally: _Tally
    ) -> None:
        """Begin to follow a shape where its share among `n` sessions is far above the share before."""
        if k >= 2 and k * tally.n > _TIMES * (k_before + 1) * n:
            shape = (kind, aspect.value, step, -1)
            if shape not in self._shapes:
                self._follow(shape, tally, usual, k_before)

    def _follow(self, shape: Shape, tally: _Tally, usual: int, n_odd: int) -> None:
        """Follow the share of sessions of one shape, of which `n_odd` have been seen before."""
        if len(self._shapes) >= self._params.max_shapes:
            idle = [(s.recent[-1][0] if s.recent else 0, key) for key, s in self._shapes.items() if not s.watch.is_open]
            if not idle:
                return
            del self._shapes[min(idle)[1]]
        detector = ShareDetector.restore(tally.base.snapshot(), self._params.share)
        detector.errors = detector.total = detector.records * n_odd / max(tally.n, 1)
        detector.square = detector.errors**2 + detector.errors
        detector.isolate(1)
        self._shapes[shape] = _Shape(self._new_watch(detector), usual, n_odd, tally.n)

    def _new_watch(self, detector: ShareDetector) -> Watch[ShareDetector]:
        return Watch(detector, self._params.share.limit, self._params.calibration, self._params.bucket_s)

    def _step(self, at: int, shape: Shape, sessions: list[_Alike], n: int) -> OddSessions | None:
        """Judge how many of a bucket's sessions are of one shape."""
        state = self._shapes[shape]
        starts = [us for alike in sessions if is_so(alike.session, shape, state.usual) for us in alike.starts]
        k, first_us = len(starts), min(starts, default=0)
        state.recent.append([at, k, n, first_us])
        del state.recent[:-_RECENT]
        state.n_odd, state.n = state.n_odd + k, state.n + n
        decision = state.watch.step(at, (float(k), float(n)))
        if decision is None:
            return None
        window = [r for r in state.recent if r[0] > at - decision.reading.window]
        n_odd, n_all = sum(r[1] for r in window), sum(r[2] for r in window)
        if decision.is_onset:
            state.before = [state.n_odd - n_odd, state.n - n_all]
        return OddSessions(
            shape=shape,
            decision=decision,
            usual=state.usual,
            start_us=min((r[3] for r in window if r[3]), default=0),
            n_odd=n_odd,
            n=n_all,
            n_odd_before=state.before[0],
            n_before=state.before[1],
        )

    def _told(self, found: list[OddSessions]) -> list[OddSessions]:
        """Return the one finding that speaks for all: what goes on, or the most telling of what begins."""
        if self.told is not None:
            state = self._shapes.get(self.told)
            if state is not None and state.watch.is_open:
                return [one for one in found if one.shape == self.told]
            self.told = None
        onsets = [one for one in found if one.decision.is_onset]
        if not onsets:
            return []
        rank = [Aspect.MISSING, Aspect.EXTRA, Aspect.FEWER, Aspect.MORE, Aspect.ORDER]
        best = min(
            onsets, key=lambda o: (-o.n_odd, rank.index(Aspect(o.shape[1])), -o.decision.reading.score.raw, o.shape)
        )
        self.told = best.shape
        return [best]

    def _switch_off(self) -> None:
        """Let the stream be where its ids do not come again."""
        p = self._params
        if self.n_ended < p.off_after or self.n_ended - self.n_lone >= p.off_share * self.n_ended:
            return
        self.is_off = True
        self._budget.left += len(self.open_sessions)
        self.open_sessions = Sessions(p.sessions)
        self.detector = SequenceDetector(p.sequence)
        self._known_at, self._tallies, self._shapes, self.told = {}, {}, {}, None

    def merge(self, old: int, into: int) -> None:
        """Say that step `old` is from now on counted as `into`."""
        self.open_sessions.merge(old, into)
        self.detector.merge(old, into)
        since = self._known_at.pop(old, None)
        if since is not None:
            self._known_at[into] = min(since, self._known_at.get(into, since))
        self._merge_tallies(old, into)
        for shape in list(self._shapes):
            moved = _merged(shape, old, into)
            if moved != shape:
                self._shapes.setdefault(moved, self._shapes.pop(shape))
                self.told = moved if self.told == shape else self.told

    def _merge_tallies(self, old: int, into: int) -> None:
        gone = self._tallies.pop(old, None)
        if gone is not None:
            kept = self._tallies.setdefault(into, gone)
            if kept is not gone:
                kept.steps.join(gone.steps, self._params.sequence.max_steps)
        for tally in self._tallies.values():
            by_count = tally.steps.counts.pop(old, None)
            if by_count is not None:
                taken = tally.steps.taken.pop(old)
                tally.steps.join(_Steps(0, {into: by_count}, {into: taken}), self._params.sequence.max_steps)

    def snapshot(self) -> dict[str, Any]:
        """Return the state."""
        return {
            "counts": [self.first_at, self.is_off, self.sampling, self._roomy_since, self.n_ended, self.n_lone],
            "told": None if self.told is None else list(self.told),
            "sessions": self.open_sessions.snapshot(),
            "detector": self.detector.snapshot(),
            "known": [[step, at] for step, at in self._known_at.items()],
            "tallies": [[kind, t.base.snapshot(), t.steps.state()] for kind, t in self._tallies.items()],
            "shapes": [
                [list(shape), s.watch.snapshot(), s.usual, s.n_odd, s.n, s.before, s.recent]
                for shape, s in self._shapes.items()
            ],
        }

    @classmethod
    def restore(cls, state: dict[str, Any], params: SequenceSeriesParams, budget: Budget) -> SequenceSeries:
        """Return the series whose `snapshot` this is."""
        first_at, is_off, sampling, roomy, n_ended, n_lone = state["counts"]
        self = cls(first_at, params, budget)
        self._roomy_since = roomy
        self.is_off, self.sampling, self.n_ended, self.n_lone = is_off, sampling, n_ended, n_lone
        self.told = None if state["told"] is None else tuple(state["told"])
        self.open_sessions = Sessions.restore(state["sessions"], params.sessions)
        budget.left -= len(self.open_sessions)
        self.detector = SequenceDetector.restore(state["detector"], params.sequence)
        self._known_at = dict(map(tuple, state["known"]))
        for kind, base, steps in state["tallies"]:
            self._tallies[kind] = _Tally(ShareDetector.restore(base, params.share), _Steps.of(steps))
        for key, held, usual, n_odd, n, before, recent in state["shapes"]:
            watch = self._new_watch(ShareDetector.restore(held[0], params.share))
            watch.restore(held)
            self._shapes[tuple(key)] = _Shape(watch, usual, n_odd, n, list(before), [list(r) for r in recent])
        return self
