"""A message names its session by a well-known name, or by a token of the shape of an id."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fm_anomaly.core.session_ids import ids_in


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("order stored request_id=9f31c2aa77 in 12ms", "9f31c2aa77"),
        ('sent {"traceId": "4bf92f3577b34da6a3ce929d0e0e4736"}', "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("job 7 done, correlation-id: 3f2b8c1e-1111-4222-8333-944445555666", "3f2b8c1e-1111-4222-8333-944445555666"),
        ("Received block blk_-1608999687919862906 of size 91178", "blk_-1608999687919862906"),
        ("[req-38101a0b-2096-447d-96ea-a692162415ae] attached", "req-38101a0b-2096-447d-96ea-a692162415ae"),
        ("stored as /data/part_00000123456/x.bin for blk_12345678901", "blk_12345678901"),
        ("case 3f2b8c1e-1111-4222-8333-944445555666 opened", "3f2b8c1e-1111-4222-8333-944445555666"),
        ("span 4bf92f3577b34da6 took 3ms", "4bf92f3577b34da6"),
    ],
)
def test_an_id_is_found(body: str, found: str) -> None:
    """Names first, then the first token that stands alone and looks like an id of a machine."""
    assert ids_in(pl.Series([body, "nothing"])).to_list() == [found, None]


@pytest.mark.parametrize(
    "body",
    [
        "could not connect to redis at 10.0.0.7:6379",
        "took 123456789 ms at 2026-03-02T09:14:07.118204Z",
        "GET /api/v1/cases/3f2b8c1e-1111-4222-8333-944445555666 200",
        "wrote part-00123 of sha256 and utf-8, ip-10-0-0-1.internal",
        "user alice logged in, request id is missing",
        "",
    ],
)
def test_what_is_no_id_is_left(body: str) -> None:
    """Numbers, times, paths, hosts and words name no session."""
    assert ids_in(pl.Series([body])).to_list() == [None]


_PARTS = (
    *("request_id=", "traceId", " id", "ID", ": ", "=", "'", "req-", "abc", "blk_-", "1234567", "123456", "12345", "_"),
    *(
        "deadbeefdeadbeef",
        "DEADBEEFDEADBEEF",
        "3f2b8c1e-1111-4222-8333-944445555666",
        "-",
        " ",
        ".",
        ",",
        "(",
        "]",
        "x",
    ),
    *("transaction-id", "tran\u017faction_id", "\t", "é", "\x1f", "\u00a0", "_9f31c2aa77bb", "0" * 70),
)


@given(st.lists(st.lists(st.sampled_from(_PARTS), max_size=8).map("".join), min_size=1, max_size=8))
def test_few_messages_are_read_as_many_are(bodies: list[str]) -> None:
    """A loop over few messages finds what the column's engine does."""
    many = ids_in(pl.Series([*bodies, *([None] * 300)], dtype=pl.String))
    assert ids_in(pl.Series(bodies)).to_list() == many.to_list()[: len(bodies)]
