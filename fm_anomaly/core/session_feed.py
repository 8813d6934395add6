"""Hands the records of one batch that name a session to their streams, up to a row at a time.

Whatever is decided between two rows (a bucket closes, two templates become one) happens between the same two records
however the input was cut. It must not know what a session is good for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fm_anomaly.core.frames import is_told
from fm_anomaly.core.sequences import Sequences
from fm_anomaly.core.session_ids import ids_in
from fm_anomaly.core.streams import Streams
from fm_anomaly.core.template_values import MergeAt
from fm_anomaly.core.windows import Rows


class SessionFeed:
    """The rows of one batch that name a session; `give` hands them on in order."""

    def __init__(
        self, frame: pl.DataFrame, rows: Rows, merges: Sequence[MergeAt], streams: Streams, sequences: Sequences
    ) -> None:
        self._sequences = sequences
        self._merges = list(merges)
        self._streams = streams.keys
        stated = frame["session"] if rows.row.size == frame.height else frame["session"][rows.row]
        is_stated = is_told(stated)
        at = np.flatnonzero(is_stated)
        keys: list[str | None] = stated.to_list() if len(at) else [None] * len(stated)
        asked = self._asked(rows, is_stated)
        if len(asked):
            ids = ids_in(frame["body"] if len(asked) == frame.height else frame["body"][rows.row[asked]])
            if ids.null_count() < len(ids):
                found = asked[is_told(ids)]
                for i, key in zip(found.tolist(), ids.drop_nulls().to_list(), strict=True):
                    keys[i] = key
                at = np.sort(np.concatenate([at, found]))
        self._row = rows.row[at]
        self._stream, self._bucket = rows.stream[at], rows.bucket[at]
        self._step, self._ts_us = rows.template[at], rows.ts_us[at]
        self._is_stated = is_stated[at]
        self._key = [key for key in keys if key is not None] if len(at) else []
        self._given = 0

    def _asked(self, rows: Rows, is_stated: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the rows whose message is searched for an id."""
        asked = ~is_stated
        for code in _codes(rows.stream):
            if self._sequences.is_off(self._streams[code], from_text=True):
                asked &= rows.stream != code
        return np.flatnonzero(asked)

    def give(self, row: int, stream_of: Callable[[int], int]) -> None:
        """Hand on what comes before `row` of the batch; a merge counts from the row that brought it.

        `stream_of` gives the code of the stream that has a template.
        """
        while self._merges and self._merges[0].row <= row:
            merge = self._merges.pop(0)
            self._give(merge.row)
            self._sequences.merge(self._streams[stream_of(merge.index)], merge.index, merge.into)
        self._give(row)

    def _give(self, row: int) -> None:
        start, stop = self._given, int(np.searchsorted(self._row, row))
        if stop <= start:
            return
        self._given = stop
        part = slice(start, stop)
        stream, is_stated = self._stream[part], self._is_stated[part]
        for code in _codes(stream):
            key, here = self._streams[code], stream == code
            if self._sequences.is_off(key, from_text=False):
                continue
            if self._sequences.is_off(key, from_text=True):
                here &= is_stated
            at = start + np.flatnonzero(here)
            if len(at):
                keys = [self._key[i] for i in at.tolist()]
                bucket = int(self._bucket[at[0]])
                self._sequences.add(key, bucket, keys, self._step[at].tolist(), self._ts_us[at].tolist())


def _codes(stream: NDArray[np.int64]) -> list[int]:
    """Return the codes that occur, in order."""
    codes: list[int] = np.flatnonzero(np.bincount(stream)).tolist()
    return codes
