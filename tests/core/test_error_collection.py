"""Laws of collecting errors: however records are cut, the same distinct errors with the same counts; bounded."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fm_anomaly.core.error_collection import HOUR_US, CollectionParams, ErrorCollector, collect

ROWS = [
    (hour * HOUR_US + n, 17 if n % 3 else 9, ("api", "db")[n % 2], f"disk {n} of {hour} is full", None, None, None)
    for hour in range(6)
    for n in range(9)
] + [
    (5 * HOUR_US + n, 17, "api", f"load {n} failed", "shop.CartError", "shop/cart.py:3 in add", f"cart {n} is gone")
    for n in range(4)
]  # fmt: skip
SCHEMA = {
    "ts_us": pl.Int64, "severity": pl.UInt8, "service": pl.String, "body": pl.String, "exc_type": pl.String,
    "exc_frame": pl.String, "exc_message": pl.String,
}  # fmt: skip


def frame_of(rows: list[tuple[object, ...]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def test_what_differs_in_values_is_one_error() -> None:
    """Numbers, services and line numbers aside, equal errors are one, with their counts, services and times."""
    disk, cart = collect([frame_of(ROWS)]).errors()
    assert (disk.count, disk.services, disk.n_recent) == (36, ("api", "db"), 18)
    assert (cart.said.exc_type, cart.said.frame) == ("CartError", "shop/cart.py in add")
    assert cart.said.message == "CartError: cart 0 is gone"
    assert (cart.count, cart.first_us, cart.last_us) == (4, 5 * HOUR_US, 5 * HOUR_US + 3)


@given(st.lists(st.integers(1, 20), max_size=8))
def test_cuts_do_not_show(cuts: list[int]) -> None:
    """Records in frames of any length give the same errors."""
    frames, at = [], 0
    for size in [*cuts, len(ROWS)]:
        frames.append(frame_of(ROWS[at : at + size]))
        at += size
    assert collect(frames).errors() == collect([frame_of(ROWS)]).errors()


def test_a_span_is_counted_to_the_hour() -> None:
    """Errors before the span are left out of counts and list."""
    (disk,) = [each for each in collect([frame_of(ROWS)]).errors(4 * HOUR_US) if "disk" in each.text]
    assert (disk.count, disk.first_us) == (12, 4 * HOUR_US)
    assert collect([frame_of(ROWS)]).errors(9 * HOUR_US) == []


def test_wordings_are_bounded_and_the_rest_counted() -> None:
    """Beyond the cap nothing is added, and nothing is lost from sight."""
    words = ["kettle", "lid", "spout", "handle"]
    rows = [(n, 17, "api", f"{word} broke", None, None, None) for n, word in enumerate(words * 3)]
    collector = collect([frame_of(rows)], CollectionParams(max_wordings=2))
    assert (len(collector.errors()), collector.n_errors, collector.n_beyond) == (2, 12, 6)


@pytest.mark.parametrize("max_slots", [1, 7])
def test_tidying_changes_nothing(max_slots: int) -> None:
    """However often counts are put together in between, they are the same."""
    frames = [frame_of([row]) for row in ROWS]
    assert collect(frames, CollectionParams(max_slots=max_slots)).errors() == collect(frames).errors()


def test_no_errors_is_an_empty_list() -> None:
    """A log without errors gives none."""
    assert ErrorCollector().errors() == []
    assert collect([frame_of([(0, 9, "api", "fine", None, None, None)])]).errors() == []
