"""A session is unusual by a missing step, an extra one, a count or an order; what comes to stay is learned."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import msgspec
import pytest

from fm_anomaly.core.detectors.sequence import Aspect, Oddity, SequenceDetector, SequenceParams
from fm_anomaly.core.sessions import Session

S = 1_000_000
LIMIT = SequenceParams().limit
USUAL = (1, 2, 3, 3, 4)


def session(steps: Sequence[int], at_s: float = 0.0) -> Session:
    """Return an ended session that took these steps, a millisecond apart."""
    seen: dict[int, list[int]] = {}
    for i, step in enumerate(steps):
        seen.setdefault(step, [0, int(at_s * S) + 1_000 * i])[0] += 1
    start_us = int(at_s * S)
    return Session(start_us, start_us + 1_000 * len(steps), steps[0], len(steps), seen)


def taught(n: int = 300, other: Sequence[int] = (7, 8, 9)) -> SequenceDetector:
    """Return a detector that has seen `n` sessions of two kinds."""
    detector = SequenceDetector()
    for i in range(n):
        detector.learn_one(0, session(USUAL if i % 3 else other, i))
    return detector


def top(detector: SequenceDetector, steps: Sequence[int]) -> Oddity | None:
    """Return what is most unusual in a session, None where nothing passes the limit."""
    found = [o for o in detector.judge(session(steps), is_noted=False) if o.decades >= LIMIT]
    return found[0] if found else None


@pytest.mark.parametrize(
    ("steps", "aspect", "step"),
    [
        ((1, 2, 3, 3), Aspect.MISSING, 4),
        ((1, 3, 3, 4), Aspect.MISSING, 2),
        ((1, 2, 3, 3, 5, 4), Aspect.EXTRA, 5),
        ((1, 2, 3, 4), Aspect.FEWER, 3),
        ((1, 2, 3, 3, 3, 3, 4), Aspect.MORE, 3),
        ((1, 4, 2, 3, 3), Aspect.ORDER, 4),
        ((7, 9), Aspect.MISSING, 8),
    ],
)
def test_each_aspect_is_seen(steps: tuple[int, ...], aspect: Aspect, step: int) -> None:
    """One thing that differs from what sessions that begin alike do is named."""
    found = top(taught(), steps)
    assert found is not None
    assert (found.aspect, found.step) == (aspect, step)


@pytest.mark.parametrize("steps", [USUAL, (7, 8, 9)])
def test_usual_sessions_are_quiet(steps: tuple[int, ...]) -> None:
    """Sessions of a kind that is known show nothing, though the other kind does otherwise."""
    assert top(taught(), steps) is None


def test_a_count_that_varies_is_not_judged() -> None:
    """Where sessions take a step as often as they like, no count is unusual."""
    rng = Random(1)
    detector = SequenceDetector()
    for i in range(300):
        detector.learn_one(0, session([1, *[2] * rng.choice((1, 2, 3, 5, 9)), 3], i))
    assert top(detector, (1, 2, 2, 2, 2, 2, 2, 3)) is None


def test_a_step_that_all_sessions_begin_to_take_is_soon_known() -> None:
    """Open sessions teach what they do as they do it: a new step common to all is not called extra for long."""
    detector = SequenceDetector()
    for i in range(300):
        detector.learn_one(0, session((1, 2, 3), i))
    some = [Session(i, i, 1, 0, {}) for i in range(60)]
    for one in some:
        for step in (1, 2, 3, 8):
            one.n += 1
            one.steps[step] = [1, one.n]
            detector.note(one.kind, step, 1, is_first=one.n == 1)
    assert all(o.decades < LIMIT for o in detector.judge(some[-1]))


def test_what_is_unusual_is_not_learned_until_it_has_stayed() -> None:
    """Thirty odd sessions in a row stay odd; after `adopt_after_s` they are the new normal."""
    detector = taught()
    broken = USUAL[:-1]
    for i in range(30):
        assert top(detector, broken) is not None
        detector.learn_one(0, session(broken, 300 + i))
    for i in range(200):
        detector.learn_one(0, session(broken, 300 + 15_000 + 100 * i))
    assert top(detector, broken) is None


def test_a_session_forgotten_leaves_no_trace() -> None:
    """`note` and `forget` cancel each other."""
    detector = taught()
    before = repr(detector.snapshot())
    one = Session(0, 0, 1, 0, {})
    for step in (1, 2):
        one.n += 1
        one.steps[step] = [1, one.n]
        detector.note(one.kind, step, 1, is_first=one.n == 1)
    detector.forget(one)
    assert repr(detector.snapshot()) == before


def test_garbage_is_bounded() -> None:
    """Never-repeating steps and kinds keep the state small."""
    detector = SequenceDetector()
    for i in range(3_000):
        detector.learn_one(0, session([i * 10 + j for j in range(8)], i))
    assert len(msgspec.msgpack.encode(detector.snapshot())) < 100_000


def test_memory_fades() -> None:
    """Old sessions count half after so many new ones, and the answers stay."""
    detector = SequenceDetector(SequenceParams(memory=100))
    for i in range(1_000):
        detector.learn_one(0, session(USUAL, i))
    assert detector.all.n <= 100
    assert top(detector, USUAL) is None
    assert top(detector, USUAL[:-1]) is not None


def test_merged_steps_are_one() -> None:
    """After a merge sessions with either step are usual, and one with neither is not."""
    detector = SequenceDetector()
    for i in range(200):
        detector.learn_one(0, session((1, 5 + i % 2, 3), i))
    detector.merge(6, 5)
    assert top(detector, (1, 5, 3)) is None
    found = top(detector, (1, 3))
    assert found is not None
    assert (found.aspect, found.step) == (Aspect.MISSING, 5)
