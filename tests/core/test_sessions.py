"""Sessions end when they are quiet, stay bounded, and survive a snapshot."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from fm_anomaly.core.sessions import SessionParams, Sessions

S = 1_000_000
records = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 4), st.integers(0, 90)), max_size=60)


def _play(sessions: Sessions, rows: list[tuple[int, int, int]], now_s: int = 0) -> tuple[list[object], int]:
    out: list[object] = []
    for key, step, wait_s in rows:
        now_s += wait_s
        out += [session.state() for session in sessions.ended(now_s * S)]
        sessions.add(str(key), step, now_s * S)
    return out, now_s


def test_a_session_ends_when_it_is_quiet_and_begins_anew() -> None:
    """What comes after `idle_s` is a session of its own."""
    sessions = Sessions(SessionParams(idle_s=60))
    sessions.add("a", 1, 0)
    sessions.add("a", 2, 50 * S)
    assert sessions.ended(100 * S) == []
    [ended] = sessions.ended(110 * S)
    assert (ended.kind, ended.n, ended.counts) == (1, 2, {1: 1, 2: 1})
    sessions.add("a", 2, 120 * S)
    [again] = sessions.ended(200 * S)
    assert again.counts == {2: 1}


def test_steps_of_one_moment_are_in_no_order() -> None:
    """Pairs are told by event time, not by arrival."""
    sessions = Sessions()
    for step, at in ((1, 5), (2, 5), (3, 4)):
        sessions.add("a", step, at)
    session = sessions.end("a")
    assert session is not None
    assert sorted(session.pairs()) == [(3, 1), (3, 2)]


def test_what_never_ends_is_no_session() -> None:
    """An id of too many records, or of too many steps, is let go; the rest of it is not followed."""
    sessions = Sessions(SessionParams(max_records=5, max_steps=3))
    for at in range(9):
        sessions.add("thread", 0, at)
        sessions.add("wide", at, at)
    assert sessions.n_overlong == 2
    assert sessions.ended(1_000 * S) == []
    assert len(sessions) == 0


def test_garbage_ids_are_bounded() -> None:
    """No more than `max_open` sessions are kept, the others are counted."""
    sessions = Sessions(SessionParams(max_open=100))
    for i in range(1_000):
        sessions.add(f"id{i}", i % 7, i)
    assert (len(sessions), sessions.n_beyond) == (100, 900)
    assert len(msgspec.msgpack.encode(sessions.snapshot())) < 10_000


@given(records, st.integers(0, 60))
def test_a_snapshot_changes_nothing(rows: list[tuple[int, int, int]], cut: int) -> None:
    """Sessions restored from their encoded snapshot go on as if they had never stopped."""
    whole, _ = _play(Sessions(), rows)
    sessions = Sessions()
    first, now_s = _play(sessions, rows[:cut])
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(sessions.snapshot()))
    rest, _ = _play(Sessions.restore(state), rows[cut:], now_s)
    assert first + rest == whole


def test_merged_steps_are_one() -> None:
    """Counts of two steps that prove to be one add up, and the earlier time stays."""
    sessions = Sessions()
    for step, at in ((1, 1), (2, 2), (1, 3), (2, 4)):
        sessions.add("a", step, at)
    sessions.merge(1, 2)
    session = sessions.end("a")
    assert session is not None
    assert (session.kind, session.steps) == (2, {2: [4, 1]})
