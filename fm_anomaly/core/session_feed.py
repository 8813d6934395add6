"""Hands the records of one batch that name a session to their streams, up to a row at a time.

Whatever is decided between two rows (a bucket closes, two templates become one) happens between the same two records
however the input was cut. It must not know what a session is good for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

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
        self._codes: list[int] = np.unique(rows.stream).tolist()
        keys, from_text = self._keys(frame, rows)
        at = np.array([i for i, key in enumerate(keys) if key is not None], dtype=np.int64)
        self._row = rows.row[at]
        self._stream, self._bucket = rows.stream[at], rows.bucket[at]
        self._step, self._ts_us = rows.template[at], rows.ts_us[at]
        self._from_text = from_text[at]
        self._key = [key for key in keys if key is not None]
        self._given = 0

    def _keys(self, frame: pl.DataFrame, rows: Rows) -> tuple[list[str | None], NDArray[np.bool_]]:
        """Return the id of each row, from its fields or else its message, and which are from the message."""
        is_whole = rows.row.size == frame.height
        stated = frame["session"] if is_whole else frame["session"][rows.row]
        keys: list[str | None] = stated.to_list()
        off = [code for code in self._codes if self._sequences.is_off(self._streams[code], from_text=True)]
        asked = ~np.isin(rows.stream, off)
        if stated.null_count() < len(keys):
            asked &= np.fromiter((key is None for key in keys), np.bool_, len(keys))
        places = np.flatnonzero(asked)
        if len(places):
            bodies = frame["body"]
            ids = ids_in(bodies if len(places) == len(bodies) else bodies[rows.row[places]])
            if ids.null_count() < len(ids):
                for i, key in zip(places.tolist(), ids.to_list(), strict=True):
                    keys[i] = key
        return keys, asked

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
        stream, from_text = self._stream[part], self._from_text[part]
        for code in np.unique(stream).tolist():
            key, here = self._streams[code], stream == code
            if self._sequences.is_off(key, from_text=False):
                continue
            if self._sequences.is_off(key, from_text=True):
                here &= ~from_text
            at = start + np.flatnonzero(here)
            if len(at):
                keys = [self._key[i] for i in at.tolist()]
                bucket = int(self._bucket[at[0]])
                self._sequences.add(key, bucket, keys, self._step[at].tolist(), self._ts_us[at].tolist())
