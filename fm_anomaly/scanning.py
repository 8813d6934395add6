"""One scan: several sources, merged by event time, through one Pipeline to the end.

The command line, notebooks and evaluations call `scan`, so they cannot differ. It knows sources by the protocol
`Readable` and must not know files, options or how a result is shown.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol

from fm_anomaly.core.alerts import AlertEvent
from fm_anomaly.core.merging import Merger
from fm_anomaly.core.pipeline import Pipeline, PipelineParams
from fm_anomaly.core.scan_report import scan_report
from fm_anomaly.core.sources import SourceName

_SMALL_BYTES = 1 << 18
_PIECE_BYTES = 4 << 20
_HELD_BYTES = 16 << 20
_STEPS_A_COLLECTION = 64

OnEvents = Callable[[list[AlertEvent]], None]
"""Called with the events of each step, in order, also where there are none; for cards shown while a scan runs."""


class Readable(Protocol):
    """A source of bytes: a name, the service it stands for, and its bytes in order."""

    @property
    def name(self) -> str: ...
    @property
    def service(self) -> str: ...
    def chunks(self) -> Iterator[bytes]: ...


@dataclass(frozen=True, slots=True)
class TextSource:
    """A source whose bytes are in memory already."""

    name: str
    data: bytes
    service: str = "app"

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes."""
        yield self.data


@dataclass(slots=True)
class Scan:
    """A finished scan: the pipeline as it stands, and what it took."""

    pipeline: Pipeline
    names: list[str]
    elapsed_s: float
    events: list[AlertEvent] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the object of `scan --json`; see docs/contracts.md."""
        return scan_report(self.pipeline, self.names, self.elapsed_s)


def scan(
    sources: Sequence[Readable],
    params: PipelineParams | None = None,
    *,
    pipeline: Pipeline | None = None,
    default_us: int = 0,
    on_events: OnEvents | None = None,
    before_end: Callable[[Pipeline], None] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Scan:
    """Read `sources` to their ends and return what was found.

    Parameters
    ----------
    pipeline
        Goes on with this one (of `params` or a snapshot) instead of a new one.
    default_us
        Event time (µs, UTC) of records in sources that tell no time at all.
    before_end
        Called when all bytes are read and before the end of input is judged: the moment to take a snapshot from
        which a later scan goes on.
    """
    started = clock()
    pipeline = pipeline or Pipeline(params)
    events: list[AlertEvent] = []
    steps = count(1)

    def note(fresh: list[AlertEvent]) -> None:
        if next(steps) % _STEPS_A_COLLECTION == 0:
            gc.collect()
        events.extend(fresh)
        if on_events is not None:
            on_events(fresh)

    with _without_collections():
        if len(sources) == 1:
            _read_one(pipeline, sources[0], default_us, note)
        else:
            _read_merged(pipeline, sources, default_us, note, goes_on=before_end is not None)
    if before_end is not None:
        before_end(pipeline)
    note(pipeline.flush())
    return Scan(pipeline, [source.name for source in sources], clock() - started, events)


def _read_one(pipeline: Pipeline, source: Readable, default_us: int, note: OnEvents) -> None:
    name = SourceName(source.name, source.service)
    pipeline.source(name, default_us)
    for data in _pieces(source.chunks(), _PIECE_BYTES):
        note(pipeline.observe(name, data, default_us))


def _read_merged(
    pipeline: Pipeline, sources: Sequence[Readable], default_us: int, note: OnEvents, *, goes_on: bool
) -> None:
    """Read always on where event time is furthest behind, so that little is held.

    Where a later scan `goes_on`, the last record of each source stays open for lines that may still come.
    """
    merger = Merger(len(sources))
    piece_bytes = max(_SMALL_BYTES, _HELD_BYTES // max(1, len(sources)))
    readers = [_pieces(source.chunks(), piece_bytes) for source in sources]
    stages = [pipeline.source(SourceName(source.name, source.service), default_us) for source in sources]
    while (at := merger.behind()) is not None:
        data = next(readers[at], None)
        if data is None:
            if not goes_on:
                merger.add(at, stages[at].flush())
            merger.finish(at)
        else:
            merger.add(at, stages[at].feed(data))
        ready = merger.take()
        if ready is not None:
            note(pipeline.take(ready))


@contextmanager
def _without_collections() -> Iterator[None]:
    """Hold off the search for cycles of garbage while the input is worked on; `scan` asks for it now and then.

    A piece makes hundreds of thousands of strings and tuples, and no cycles; the search would look at all of them,
    and at all that is known, again and again (measured: 7 % of a scan, 3 % where it came after each piece).
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _pieces(chunks: Iterator[bytes], size_bytes: int) -> Iterator[bytes]:
    for chunk in chunks:
        for at in range(0, len(chunk), size_bytes):
            yield chunk[at : at + size_bytes]
