"""Laws of explaining lines: what is known explains nothing, blocks hold together, verdicts are not reasons."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fm_anomaly.core.line_cues import ERROR, NO_LEVEL, QUIET, WARNING, keys, mark
from fm_anomaly.core.line_scoring import Lines, LineScoringParams, explaining_lines

PASSING = """\
$ make check
building shop 1.4 at 09:12:44
checked 120 files, 0 errors
all good
"""


def lines(text: str, levels: list[int] | None = None) -> Lines:
    rows = text.split("\n")
    return Lines(
        np.arange(1, len(rows) + 1),
        pl.Series(rows, dtype=pl.String),
        np.array(levels or [NO_LEVEL] * len(rows), dtype=np.uint8),
        np.zeros(len(rows), dtype=np.bool_),
    )


def explained(before: str, after: str, params: LineScoringParams | None = None) -> list[str]:
    """The texts of the explaining lines, blank ones left out."""
    rows = after.split("\n")
    return [rows[n - 1] for n in explaining_lines(lines(before), lines(after), params) if rows[n - 1].strip()]


def test_identical_logs_have_nothing_to_explain() -> None:
    """A failure that the passing log has too, to the digit or not, explains nothing."""
    noisy = "ERROR: retry 1 of 3 failed\nTraceback (most recent call last):\nValueError: 12"
    assert explained(noisy, noisy) == []
    assert explained(noisy, noisy.replace("12", "977")) == []


@pytest.mark.parametrize(("before", "after"), [("", ""), ("x", ""), ("", "ok"), ("\n\n", "\n"), ("fine", "fine")])
def test_nothing_is_found_where_nothing_is_said(before: str, after: str) -> None:
    """Empty, blank and one-line logs without a failure give no lines."""
    assert explained(before, after) == []


def test_a_line_alone_is_found() -> None:
    """One line that says what went wrong is found beside an empty log."""
    assert explained("", "fatal: cannot open basket.db") == ["fatal: cannot open basket.db"]


def test_a_traceback_is_one_block() -> None:
    """Head, frames, source lines and causes of a traceback stand together, blanks included; what follows does not."""
    trace = """\
Exception in thread "main" shop.TaxError: no rate for FR
\tat shop.Tax.rate(Tax.java:31)
\tat shop.Basket.total(Basket.java:12)
Caused by: java.io.IOException: rates.csv
\t... 2 more

\tat shop.Main.main(Main.java:5)"""
    after = f"{PASSING}starting\n{trace}\ncleaning up 3 files"
    found = explaining_lines(lines(PASSING), lines(after)).tolist()
    first = after.split("\n").index(trace.split("\n")[0]) + 1
    assert found == list(range(first, first + 7))


def test_a_verdict_is_no_reason() -> None:
    """Lines of outcome words, counts and target names say that it failed, not why."""
    verdicts = [
        "BUILD FAILED in 14s",
        "Finished: FAILURE",
        "[ERROR] COMPILATION ERROR :",
        "##[error]Process completed with exit code 1.",
        "3 tests completed, 1 failed",
        "> Task :app:test FAILED",
        "FAILURE: Build failed with an exception.",
    ]
    for verdict in verdicts:
        assert explained(PASSING, f"{PASSING}{verdict}\nbye") == [], verdict
    assert explained(PASSING, f"{PASSING}{verdicts[0]} because rates.csv is missing\nbye") != []


def test_a_verdict_inside_a_block_stays() -> None:
    """Between two lines that explain, a verdict belongs to the block."""
    after = "tax.c:3: error: no member 'rate'\nBuild FAILED.\ntax.c:9: error: no member 'land'"
    assert explained(PASSING, after) == after.split("\n")


def test_error_tagged_lines_below_go_on_with_the_block() -> None:
    """A block takes the error-tagged lines below it even where the passing log has their like."""
    before = "[ERROR] see the manual\n[INFO] retried, fine"
    block = ["[ERROR] Tax.java:[3,9] cannot find symbol", "  symbol: rate", "[ERROR] see the manual"]
    after = "\n".join(["[INFO] compiling", *block, "[INFO] bye"])
    assert explained(before, after) == block


@pytest.mark.parametrize(
    "line",
    [
        "[INFO] 3 errors were found last year",
        "test basket::rejects_invalid ... ok",
        "tests/test_tax.py::test_missing rate PASSED",
        "  ✓ reports an unexpected error (3 ms)",
        "--- PASS: an error is told (0.00s)",
        "[       OK ] Tax.Missing error (0 ms)",
        "+ grep error build.log",
        "Tests run: 7, Failures: 0, Errors: 0, Skipped: 1",
        "fetching https://mirror/libs/error-prone-2.1.jar",
        "run --on-error=stop /var/log/errors.log",
    ],
)
def test_speaking_of_errors_is_not_failing(line: str) -> None:
    """Information, passed tests, echoed commands, zero counts and names with such words in them start no block."""
    assert explained(PASSING, f"{PASSING}{line}") == []


def test_a_warning_needs_an_exception() -> None:
    """A new warning alone is no reason for a failure; with an exception or a stack below it is."""
    assert explained(PASSING, "[WARNING] deprecated call in Tax.java, expected 3") == []
    with_stack = "[WARNING] could not load plug-in\njava.lang.LinkageError: tax\n    at shop.Tax.rate(Tax.java:31)"
    assert explained(PASSING, with_stack) == with_stack.split("\n")


def test_short_gaps_are_bridged_and_long_ones_not() -> None:
    """Up to `max_bridge` new lines between two parts of a block belong to it."""
    gap = "\n".join(f"reading {word}" for word in ("alpha", "beta", "gamma"))
    after = f"fatal: cannot open rates\n{gap}\nfatal: cannot open lands"
    assert len(explained(PASSING, after)) == 5
    assert len(explained(PASSING, after, LineScoringParams(max_bridge=2))) == 2


def test_a_count_that_leaves_zero_is_new() -> None:
    """ "0 failed" in the passing log does not hide "1 failed: rates.csv" in the other."""
    assert explained("upload: 0 failed of rates.csv", "upload: 1 failed of rates.csv") != []


def test_decoration_does_not_matter() -> None:
    """Colours and leading timestamps change no answer."""
    plain = f"{PASSING}tax.c:3:5: error: no member 'rate'\n    3 |   return rate;\nbye"
    dressed = "\n".join(f"2026-03-02T09:14:07.1182041Z \x1b[1;31m{row}\x1b[0m" for row in plain.split("\n"))
    expected = explaining_lines(lines(PASSING), lines(plain)).tolist()
    assert expected == [5, 6]
    assert explaining_lines(lines(PASSING), lines(dressed)).tolist() == expected


def test_a_level_from_the_format_counts_where_the_line_has_none() -> None:
    """A record's severity tags its line; the line's own tag goes first."""
    rows = "queue basket is full\nfatal: cannot open rates\n[INFO] cannot be quieter"
    found = explaining_lines(lines(""), lines(rows, [ERROR, QUIET, ERROR]))
    assert found.tolist() == [1, 2]
    assert explaining_lines(lines(""), lines("request failed", [QUIET])).tolist() == []
    assert explaining_lines(lines(""), lines("request failed", [WARNING])).tolist() == []


def test_left_out_numbers_are_blank_lines() -> None:
    """Lines that the caller left out count as blank: a stack goes on over one, not over many."""
    rows = pl.Series(["fatal: shop.TaxError", "\tat shop.Tax.rate(Tax.java:31)"])
    marks = np.zeros(2, dtype=np.uint8), np.zeros(2, dtype=np.bool_)
    near = Lines(np.array([4, 6]), rows, *marks)
    far = Lines(np.array([4, 600_000_000]), rows, *marks)
    assert explaining_lines(lines(""), near).tolist() == [4, 5, 6]
    assert explaining_lines(lines(""), far).tolist() == [4, 600_000_000]


@given(st.lists(st.text(max_size=40), max_size=30), st.lists(st.text(max_size=40), max_size=30))
def test_any_text_is_survived(before: list[str], after: list[str]) -> None:
    """Whatever the lines are, numbers come back ascending, unique and within the log; and twice the same."""
    logs = [
        Lines(
            np.arange(1, len(rows) + 1),
            pl.Series(rows, dtype=pl.String),
            np.zeros(len(rows), dtype=np.uint8),
            np.zeros(len(rows), dtype=np.bool_),
        )
        for rows in (before, after)
    ]
    found = explaining_lines(*logs).tolist()
    assert found == sorted(set(found))
    assert all(1 <= n <= len(after) for n in found)
    assert explaining_lines(*logs).tolist() == found


def test_novelty_never_adds() -> None:
    """A longer passing log explains no more: what is flagged beside it was flagged beside the shorter one."""
    after = "error: rates.csv not found\n\nTraceback (most recent call last):\nKeyError: 'FR'\nstep failed: tax"
    without = set(explaining_lines(lines(""), lines(after)).tolist())
    for row in after.split("\n"):
        assert set(explaining_lines(lines(row), lines(after)).tolist()) <= without


def test_keys_fold_what_varies() -> None:
    """Ids, times and counts of two runs have one key; words, and a lone zero, keep theirs."""
    same = keys(pl.Series(["built 3 files in 1.2s at deadbeef01", "  built 41 files in 10.7s at 0badcafe99"]))
    assert same[0] == same[1]
    different = keys(pl.Series(["0 errors", "7 errors", "7 warnings"]))
    assert different.n_unique() == 3


def test_marks_have_one_row_a_line() -> None:
    """Marking keeps the order and number of lines, nulls included."""
    marks = mark(pl.Series(["a", None, "\tat shop.Tax.rate(Tax.java:31)"], dtype=pl.String))
    assert marks["blank"].to_list() == [False, True, False]
    assert marks["frame"].to_list() == [False, False, True]
