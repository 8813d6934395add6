"""What durations messages tell: one number with a unit, in milliseconds, or nothing."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fm_anomaly.core.message_durations import durations

TOLD = [
    ("took 512ms", 512.0),
    ("in 2.487s", 2487.0),
    ("duration=35 ms", 35.0),
    ("completed in 1.2 s", 1200.0),
    ("query (250us)", 0.25),
    ("took 3.5µs, fine", 0.0035),
    ("1500ns", 0.0015),
    ("finished after 2 min.", 120_000.0),
    ("waited 3m", 180_000.0),
    ("elapsed: 1 second", 1000.0),
    ("job 17 of 20 done in 1,250 ms", 1250.0),
    ('{"took":"5ms"}', 5.0),
]
NOT_TOLD = [
    "started", "job 17 done", "took 512", "took 5ms of 30s", "v1.2s", "id a5ms", "-5ms", "5ms-10ms", "1,5 s", "5 msgs",
    "3 sheep", "12 mb", "1h2m", "", "node5s is up",
]  # fmt: skip


@pytest.mark.parametrize(("body", "ms"), TOLD)
def test_a_message_tells_its_duration(body: str, ms: float) -> None:
    """The number times its unit, with or without a blank between them."""
    assert durations(pl.Series([body])).to_list() == [pytest.approx(ms)]


@pytest.mark.parametrize("body", NOT_TOLD)
def test_a_message_without_exactly_one_duration_tells_none(body: str) -> None:
    """No unit, two durations, parts of words, ranges and negative numbers are null."""
    assert durations(pl.Series([body])).to_list() == [None]


def test_the_column_keeps_its_length_and_type() -> None:
    """Float64 for any input, nulls and nothing included."""
    assert durations(pl.Series("body", [None, "in 5ms"], dtype=pl.String)).to_list() == [None, 5.0]
    empty = durations(pl.Series("body", [], dtype=pl.String))
    assert (empty.dtype, empty.len(), empty.name) == (pl.Float64, 0, "body")


@given(st.lists(st.sampled_from([body for body, _ in TOLD] + NOT_TOLD), min_size=1), st.integers(1, 9))
def test_cuts_do_not_show(bodies: list[str], cut: int) -> None:
    """A row's duration depends on the row alone."""
    parts = [durations(pl.Series(bodies[i : i + cut])) for i in range(0, len(bodies), cut)]
    assert pl.concat(parts).to_list() == durations(pl.Series(bodies)).to_list()


PIECES = [
    *(body for body, _ in TOLD), *NOT_TOLD, "é_duration_ms=5", "x_elapsed_s: 7", "duration_ms=6.5", "TOOK_ms=3",
    "µ", " ", "took_us=1,000",
    "time_h:2", "9" * 40 + "ms", "1,2ms", "~3s", "0.5 h", "-", "=",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=4).map(" ".join), st.sampled_from(["", " "]))
def test_few_rows_are_read_as_many_are(body: str, end: str) -> None:
    """The loop for few rows and the columns for many give one answer."""
    bodies = pl.Series([body + end])
    many = durations(pl.concat([bodies, pl.Series(["filler"] * 400)]))
    assert durations(bodies).to_list() == many[:1].to_list()
