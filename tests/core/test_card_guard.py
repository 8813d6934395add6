"""The card guard looks at bytes eight at a time and must see every number that its pattern sees in a line."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fm_anomaly.core.card_guard import card_rows
from fm_anomaly.core.secret_tokens import CARD_PATTERN

NUMBERS = (
    *("4111111111111111", "5500000000000004", "378282246310005", "6011000990139424"),
    *("4111-1111-1111-1111", "4111 1111 1111 1111", "3782-822463-10005", "3782 822463 10005"),
)
_PATTERN = re.compile(CARD_PATTERN.replace("(?-u:\\b)", r"\b"), re.ASCII)


def rows_of(lines: list[str]) -> list[int]:
    text = "".join(line + "\n" for line in lines).encode()
    series = pl.Series(lines, dtype=pl.String)
    return card_rows(series, np.cumsum(series.str.len_bytes().to_numpy().astype(np.int64) + 1), text).tolist()


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("is_last", [True, False])
@pytest.mark.parametrize("n_words", [1, 200])
def test_a_number_is_seen_wherever_it_begins(number: str, is_last: bool, n_words: int) -> None:
    """How bytes fall into eights does not show, nor at which end a number stands, nor how many others do."""
    for n in range(17):
        for filling in ("x", " ", "7", "."):
            lines = [filling * n + number, "plain " * n_words]
            if is_last:
                lines.reverse()
            wanted = [row for row, line in enumerate(lines) if _PATTERN.search(line)]
            assert rows_of(lines) == wanted, (n, filling)
            assert wanted or filling == "7"


@given(
    st.lists(
        st.lists(
            st.sampled_from(
                [*NUMBERS, "4", "41", "411", "4111", "111111", "-", " ", ".", ":", "a", "\t", "\x1f", "é", "\U0010ffff"]
            ),
            max_size=12,
        ).map("".join),
        min_size=1,
        max_size=6,
    )
)
def test_what_the_pattern_finds_the_guard_finds(lines: list[str]) -> None:
    """The guard's rows are those in which the pattern stands, no more and no fewer, among numbers as among words."""
    wanted = [row for row, line in enumerate(lines) if _PATTERN.search(line)]
    assert rows_of(lines) == wanted
    assert rows_of([*lines, "plain words " * 300]) == wanted
