"""What a text message tells, few messages or many."""

from __future__ import annotations

import numpy as np
import polars as pl

from fm_anomaly.core.messages import body_of, may_quote_requests


def test_few_messages_are_stripped_as_many_are() -> None:
    """The blanks around a message are the same characters in a loop and in a column: those of Unicode."""
    texts = [f"{chr(code)}a{chr(code)}" for code in range(1, 0x3100)]
    begins = np.zeros(len(texts), dtype=np.int64)
    many = body_of(pl.Series(texts), begins).to_list()
    few = [
        body
        for at in range(0, len(texts), 256)
        for body in body_of(pl.Series(texts[at : at + 256]), begins[:256][: len(texts) - at]).to_list()
    ]
    assert few == many


def test_no_request_is_overlooked_by_pairs_of_bytes() -> None:
    """Wherever a request's protocol begins in the bytes, it is seen."""
    for n in range(4):
        line = b"x" * n + b' "GET /a HTTP/1.1" 200\n'
        assert may_quote_requests(np.frombuffer(line, dtype=np.uint8))
    assert not may_quote_requests(np.frombuffer(b"plain text of a line\n", dtype=np.uint8))
