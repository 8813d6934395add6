"""What a text message tells, few messages or many."""

from __future__ import annotations

import numpy as np
import polars as pl

from fm_anomaly.core.messages import body_of


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
