"""Records with their templates, source by source or merged by time: what `lines`, `parse` and `templates` walk over.

Mines in the very order in which a scan mines, so that ids agree with a scan's; it detects nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fm_anomaly.core.accounting import IntakeCounts
from fm_anomaly.core.merging import Merger
from fm_anomaly.core.pipeline import PipelineParams
from fm_anomaly.core.sources import Source, SourceName
from fm_anomaly.core.streams import Streams
from fm_anomaly.core.templates import TemplateStore
from fm_anomaly.scanning import Readable

_PIECE_BYTES = 1 << 20


@dataclass(slots=True)
class Mined:
    """The records of one step, and the index of each one's template; merges up to then are followed."""

    frame: pl.DataFrame
    template: NDArray[np.int64]


@dataclass(slots=True)
class Miner:
    """Parses and mines sources; `store` and `streams` hold what was found once `walk` is through."""

    params: PipelineParams
    default_us: int
    store: TemplateStore = field(init=False)
    streams: Streams = field(init=False)
    counts: IntakeCounts = field(default_factory=IntakeCounts)

    def __post_init__(self) -> None:
        self.store = TemplateStore(self.params.templates)
        self.streams = Streams(self.params.tenant, self.params.max_streams)

    def walk(self, readables: Sequence[Readable]) -> Iterator[Mined]:
        """Yield all records, of several sources merged by event time.

        The frame is that of `Source.feed`: with a source name, a service and a time in every row.
        """
        sources = [Source(SourceName(r.name, r.service), self.params.parsing, self.default_us) for r in readables]
        frames = self._alone(readables[0], sources[0]) if len(sources) == 1 else self._merged(readables, sources)
        for frame in frames:
            if frame.height:
                yield Mined(frame, self._assign(frame))
        for source in sources:
            self.counts.add(source.counts)

    def _assign(self, frame: pl.DataFrame) -> NDArray[np.int64]:
        codes = self.streams.codes(frame["service"]).astype(np.int32)
        return self.store.assign(codes, frame["body"], frame["event_key"]).astype(np.int64)

    def _alone(self, readable: Readable, source: Source) -> Iterator[pl.DataFrame]:
        for data in readable.chunks():
            yield source.feed(data)
        yield source.flush()

    def _merged(self, readables: Sequence[Readable], sources: Sequence[Source]) -> Iterator[pl.DataFrame]:
        merger = Merger(len(sources))
        pieces = [_pieces(readable) for readable in readables]
        while (at := merger.behind()) is not None:
            data = next(pieces[at], None)
            merger.add(at, sources[at].flush() if data is None else sources[at].feed(data))
            if data is None:
                merger.finish(at)
            if (ready := merger.take()) is not None:
                yield ready


def _pieces(readable: Readable) -> Iterator[bytes]:
    for chunk in readable.chunks():
        for at in range(0, len(chunk), _PIECE_BYTES):
            yield chunk[at : at + _PIECE_BYTES]
