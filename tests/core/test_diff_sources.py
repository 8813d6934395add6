"""Laws of the way from bytes to a diff: cuts don't show, line ends of all kinds count, spans are half-open."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fm_anomaly.core.diff_sources import diff_spans, diff_texts
from fm_anomaly.core.frames import US_PER_S

GOOD = b"""\
[INFO] fetching 3 packages
[INFO] compiling shop 1.4
[INFO] 12 tests, 0 failures
[INFO] uploaded in 0.8 s
"""
BAD = b"""\
[INFO] fetching 3 packages
 10 %\r 55 %\r100 %\r\n\
[INFO] compiling shop 1.5

[ERROR] shop/Tax.java:[31,9] cannot find symbol
  symbol: variable rate
  location: class shop.Tax
[INFO] 1 error
java.lang.IllegalStateException: no build
\tat shop.Build.run(Build.java:12)
\tat shop.Build.main(Build.java:3)
[INFO] bye
"""
EXPLAINING = (7, 8, 9, 11, 12, 13)


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[i : i + size] for i in range(0, len(data), size)]


def test_lines_count_lone_carriage_returns_too() -> None:
    """Three states of a progress bar are three lines; the texts are those lines."""
    found = diff_texts(GOOD, BAD)
    assert found.lines == EXPLAINING
    assert found.line_texts[1] == "  symbol: variable rate"
    assert found.changes[0].kind == "new"
    assert found.changes[0].n_explaining > 0


@pytest.mark.parametrize("size", [1, 7, 64, 777])
def test_cuts_do_not_show(size: int) -> None:
    """However either log is cut, the diff is the same."""
    whole = diff_texts(GOOD, BAD)
    assert diff_texts(cut(GOOD, size), cut(BAD, size)) == whole


def test_identical_and_empty_logs() -> None:
    """A log beside itself has no change and no line; neither has nothing beside nothing."""
    same = diff_texts(BAD, BAD)
    assert (same.changes, same.lines) == ((), ())
    nothing = diff_texts(b"", b"")
    assert (nothing.changes, nothing.lines, nothing.n_before) == ((), (), 0)
    assert diff_texts(BAD, b"").lines == ()
    assert set(EXPLAINING) <= set(diff_texts(b"", BAD).lines)


def test_logs_of_one_line() -> None:
    """A line without its end is a line."""
    assert diff_texts(b"fine", b"fatal: no rates").lines == (1,)
    assert diff_texts(b"fatal: no rates", b"fatal: no rates\n").lines == ()


@pytest.mark.parametrize(
    "junk", [b"\x00" * 500, b"\xff\xfe\xfa error\n" * 9, bytes(range(256)) * 4, b"\r\r\r", b"\n" * 99]
)
def test_hostile_bytes_are_survived(junk: bytes) -> None:
    """Binary, broken UTF-8 and nothing but line ends give a diff, in either place."""
    for before, after in ((junk, BAD), (GOOD, junk), (junk, junk)):
        found = diff_texts(before, after)
        assert list(found.lines) == sorted(set(found.lines))
        assert len(found.line_texts) == len(found.lines)


@given(
    st.lists(st.sampled_from([b"\r", b"\n", b"error: tax", b"\tat a.B(C.java:3)", b" ", b"ok 7"]), max_size=30),
    st.integers(1, 9),
)
def test_any_mixture_of_line_ends_is_cut_invariant(parts: list[bytes], size: int) -> None:
    """A cut between CR and LF makes no line."""
    data = b"".join(parts)
    assert diff_texts([], cut(data, size)) == diff_texts([], data)


def _service_log() -> bytes:
    """Ten minutes, a record a second; from the sixth minute on one in five is a refused payment."""
    rows = []
    for second in range(600):
        at = f"2026-03-02T10:{second // 60:02}:{second % 60:02}Z"
        is_bad = second >= 360 and second % 5 == 0
        rows.append(
            f'{{"timestamp": "{at}", "level": "error", "event": "payment {second} refused", "service": "pay"}}'
            if is_bad
            else f'{{"timestamp": "{at}", "level": "info", "event": "order {second} placed", "service": "shop"}}'
        )
    return "\n".join(rows).encode() + b"\n"


def test_spans_of_one_log_are_half_open_and_numbered_in_it() -> None:
    """The span that holds the outage has it as its first change; the record on its end is not in it."""
    start_us = 1_772_445_600 * US_PER_S
    minute = 60 * US_PER_S
    found = diff_spans(
        _service_log(), (start_us, start_us + 6 * minute), (start_us + 6 * minute, start_us + 8 * minute)
    )
    assert (found.n_before, found.n_after) == (360, 120)
    first = found.changes[0]
    assert (first.kind, first.service, first.n_before, first.n_after) == ("new", "pay", 0, 24)
    assert first.first_line == 361
    assert len(first.template_id) == 16
    assert found.lines == tuple(range(361, 481, 5))


def test_hash_seed_does_not_show() -> None:
    """Two processes with different PYTHONHASHSEED print the same diff."""
    code = (
        "from tests.core.test_diff_sources import BAD, GOOD\n"
        "from fm_anomaly.core.diff_sources import diff_texts\n"
        "print(diff_texts(GOOD * 3, BAD))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            check=True, capture_output=True, text=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(outputs) == 1
