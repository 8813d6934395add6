"""Text lines as a column and as bytes, so that each step reads them as it is cheapest.

Knows nothing of what stands in the lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import polars as pl

from fm_anomaly.core import timestamps
from fm_anomaly.core.calendar import Bytes, Ints

TOKEN_BYTES = 64
"""Longest first token that may stand before a timestamp."""
FEW = 256
"""Rows up to which a loop over strings is sooner done than a column's engine begins: 0.1 ms a call."""
_SMALL_BYTES = 65_536
_LINE_END = 10


@dataclass(frozen=True, slots=True)
class Clock:
    """What is needed to read times that do not say all."""

    tz: str
    reference_us: int
    """Yearless dates stand in the year that brings them closest to it, at most a day after it."""


@dataclass(frozen=True, slots=True)
class TextLines:
    """Lines as a column and as bytes. None of them holds a line end."""

    series: pl.Series
    buffer: Bytes
    """UTF-8, each line followed by one byte 10."""
    starts: Ints
    ends: Ints

    @classmethod
    def of(cls, series: pl.Series, text: bytes | None = None) -> Self:
        """Build from a column; `text`, the same as bytes with line ends, spares the making of them."""
        if text is None:
            text = "\n".join([*series.to_list(), ""]).encode()
        buffer = np.frombuffer(text, dtype=np.uint8)
        if len(buffer) < _SMALL_BYTES:
            ends = np.flatnonzero(buffer == _LINE_END)
        else:
            ends = np.cumsum(series.str.len_bytes().to_numpy().astype(np.int64) + 1) - 1
        starts = np.empty_like(ends)
        starts[0], starts[1:] = 0, ends[:-1] + 1
        return cls(series, buffer, starts, ends)

    def bytes_of(self, start: int, end: int) -> memoryview:
        """Return lines from `start` to before `end`, at least one, as they stand in the buffer."""
        return self.buffer.data[self.starts[start] : self.ends[end - 1]]

    def some(self, rows: Ints) -> TextLines:
        """Return the lines at `rows` (all of them: itself)."""
        return self if len(rows) == len(self.series) else TextLines.of(self.series[rows])


def cut(texts: pl.Series, starts: Ints, n_chars: int) -> pl.Series:
    """Return `n_chars` characters of each text (which is not null) from its character `starts` on."""
    if len(texts) <= FEW:
        parts = [text[at : at + n_chars] for text, at in zip(texts.to_list(), starts.tolist(), strict=True)]
        return pl.Series(parts, dtype=pl.String)
    if (starts == starts[0]).all():
        return texts.str.slice(int(starts[0]), n_chars)
    return pl.select(pl.lit(texts).str.slice(pl.Series(starts), n_chars)).to_series()


@dataclass(frozen=True, slots=True)
class TextBatch:
    """Text lines, their places among the lines of the call, and the clock."""

    series: pl.Series
    index: Ints
    buffer: Bytes
    """That of the lines, and `PADDING` zero bytes: whatever is looked for in a line may look beyond it."""
    starts: Ints
    ends: Ints
    clock: Clock

    PADDING: ClassVar[int] = timestamps.PAD + TOKEN_BYTES

    @classmethod
    def of(cls, lines: TextLines, index: Ints, clock: Clock) -> Self:
        """Return the batch of these lines, whose places among those of the call are `index`."""
        buffer = np.concatenate([lines.buffer, np.zeros(cls.PADDING, dtype=np.uint8)])
        return cls(lines.series, index, buffer, lines.starts, lines.ends, clock)

    def rows(self, rows: Ints) -> pl.Series:
        return self.series if len(rows) == len(self.series) else self.series[rows]
