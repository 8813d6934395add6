"""How long the layers of the services take, and how often one error of a request is logged again in another layer.

Counts for who watches, read out of records as they pass: nothing is judged by them, and nothing else learns of them.
Whole numbers only, so that they are the same however records were cut into batches. It must not know how they are
shown, nor any product beyond the words of its records (docs/metrics.md says what each count means).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fm_anomaly.core.batch import Batch
from fm_anomaly.core.frames import is_told
from fm_anomaly.core.session_ids import session_id
from fm_anomaly.core.state import State
from fm_anomaly.core.streams import Streams

LAYERS = ("api", "service", "core", "infrastructure")
NO_LAYER = ""
"""The layer of what names none."""
BOUNDS_S = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
"""Upper bounds of the bins of durations, inclusive; one more bin holds what is longer."""
_ALL_LAYERS = (NO_LAYER, *LAYERS)
_API = 1
_BOUNDS_MS = np.array(BOUNDS_S) * 1e3
_N_BINS = len(BOUNDS_S) + 1
_MOST_MS = 1e12
_KEY_LAYER = rf"^[^|]*\|({'|'.join(LAYERS)})\|"
_REQUEST = r"^[A-Z]{3,10} /"
_TOLD_AGAIN = r"^(?:Slow request detected|Request summary|Failed request summary)"
_SUMMARY = r"^(?:Request|Failed request) summary"
_N_ERRORS = r'"errors_encountered"\s*:\s*(\d{1,6})\b'
_OF_REQUEST = r'"correlation_id"\s*:\s*"([^"]{1,128})"'


@dataclass(frozen=True, slots=True)
class LayerParams:
    """max_requests: requests with errors that are remembered at once; beyond that the one begun first is forgotten."""

    max_requests: int = 10_000


@dataclass(slots=True)
class Durations:
    """A histogram: how many lay in each bin, and their sum in microseconds."""

    counts: list[int]
    total_us: int = 0


@dataclass(slots=True)
class Cascades:
    """Errors of the requests of one service.

    errors: records of ERROR and above that name a request and a layer. repeated: those of them that are not the first
    of their request. avoidable, avoided: over the requests whose summary tells of E > 1 errors, the sums of E − 1 and
    of E − L, where L layers had an error record.
    """

    errors: int = 0
    repeated: int = 0
    avoidable: int = 0
    avoided: int = 0


class LayerFigures:
    """The counts of one tenant. Bounded: services are those of its streams, layers a closed list."""

    def __init__(self, params: LayerParams | None = None) -> None:
        self.params = params or LayerParams()
        self.durations: dict[tuple[str, str], Durations] = {}
        """By service and layer."""
        self.cascades: dict[str, Cascades] = {}
        """By service."""
        self._requests: dict[str, int] = {}
        """Layers with an error record, as bits, of each request that has one; in the order of the first."""

    def add(self, batch: Batch, streams: Streams) -> None:
        """Count the records of a batch, in their order. Costs microseconds where none of them counts."""
        frame = batch.frame
        has_duration = is_told(frame["duration_ms"])
        is_of_request = batch.is_error & is_told(frame["session"])
        rows = np.flatnonzero(has_duration | is_of_request)
        if not rows.size:
            return
        some = frame["event_key", "operation", "body", "session", "duration_ms"][rows]
        layers = _layers(some)
        is_again = some["body"].str.contains(_TOLD_AGAIN).fill_null(value=False).to_numpy()
        timed = np.flatnonzero(has_duration[rows] & ~is_again)
        self._add_durations(some["duration_ms"].to_numpy()[timed], batch.stream[rows[timed]], layers[timed], streams)
        is_summary = is_again & some["body"].str.contains(_SUMMARY).fill_null(value=False).to_numpy()
        for at in np.flatnonzero(is_of_request[rows] | is_summary).tolist():
            row = int(rows[at])
            service = streams.keys[int(batch.stream[row])].service
            if is_summary[at]:
                self._add_summary(service, str(frame["raw"][row] or ""), is_error=bool(batch.is_error[row]))
            elif layers[at]:
                self._add_error(service, str(some["session"][at]), int(layers[at]))

    def _add_durations(
        self, ms: NDArray[np.float64], stream: NDArray[np.int64], layer: NDArray[np.int64], streams: Streams
    ) -> None:
        if not ms.size:
            return
        clipped = np.clip(np.nan_to_num(ms), 0.0, _MOST_MS)
        place = (stream * len(_ALL_LAYERS) + layer) * _N_BINS + np.searchsorted(_BOUNDS_MS, clipped)
        places, inverse, counts = np.unique(place, return_inverse=True, return_counts=True)
        sums_us = np.zeros(places.size, dtype=np.int64)
        np.add.at(sums_us, inverse, np.rint(clipped * 1e3).astype(np.int64))
        for at, n, us in zip(places.tolist(), counts.tolist(), sums_us.tolist(), strict=True):
            rest, bin_ = divmod(at, _N_BINS)
            code, layer_ = divmod(rest, len(_ALL_LAYERS))
            key = (streams.keys[code].service, _ALL_LAYERS[layer_])
            found = self.durations.get(key)
            if found is None:
                found = self.durations[key] = Durations([0] * _N_BINS)
            found.counts[bin_] += n
            found.total_us += us

    def _add_error(self, service: str, request: str, layer: int) -> None:
        cascades = self.cascades.setdefault(service, Cascades())
        cascades.errors += 1
        before = self._requests.get(request, 0)
        cascades.repeated += before > 0
        self._requests[request] = before | 1 << layer
        if len(self._requests) > self.params.max_requests:
            del self._requests[next(iter(self._requests))]

    def _add_summary(self, service: str, raw: str, *, is_error: bool) -> None:
        told = pl.Series([raw])
        request = session_id(told.str.extract(_OF_REQUEST).item())
        n_errors = int(told.str.extract(_N_ERRORS).item() or 0)
        if request is None:
            return
        if is_error:  # the summary of a failed request is itself the record that its outermost layer writes
            self._add_error(service, request, _API)
        layers = self._requests.pop(request, 0)
        if n_errors > 1 and layers:
            cascades = self.cascades.setdefault(service, Cascades())
            cascades.avoidable += n_errors - 1
            cascades.avoided += max(n_errors - layers.bit_count(), 0)

    def snapshot(self) -> State:
        """Return the counts as plain values."""
        return {
            "durations": [
                [*key, each.counts, each.total_us]
                for key, each in sorted(self.durations.items(), key=lambda each: each[0])
            ],
            "cascades": [[k, c.errors, c.repeated, c.avoidable, c.avoided] for k, c in self.cascades.items()],
            "requests": list(self._requests.items()),
        }

    @classmethod
    def restore(cls, state: State, params: LayerParams | None = None) -> Self:
        """Return the counts as they were."""
        figures = cls(params)
        figures.durations = {(s, layer): Durations(list(n), us) for s, layer, n, us in state["durations"]}
        figures.cascades = {service: Cascades(*counts) for service, *counts in state["cascades"]}
        figures._requests = dict(state["requests"])
        return figures


@dataclass(frozen=True, slots=True)
class LayerCounts:
    """The counts of a moment, as values of their own."""

    durations: Mapping[tuple[str, str], Durations]
    cascades: Mapping[str, Cascades]

    @classmethod
    def of(cls, figures: LayerFigures) -> Self:
        """Return a copy."""
        return cls(
            {key: Durations(list(each.counts), each.total_us) for key, each in figures.durations.items()},
            {key: Cascades(c.errors, c.repeated, c.avoidable, c.avoided) for key, c in figures.cascades.items()},
        )


def _layers(some: pl.DataFrame) -> NDArray[np.int64]:
    """Return the place in `_ALL_LAYERS` of each record's layer: the one it names, `api` where it tells of a request."""
    named = some["event_key"].str.extract(_KEY_LAYER).to_list()
    is_request = some["operation"].str.contains(_REQUEST).fill_null(value=False).to_list()
    places = {layer: at for at, layer in enumerate(_ALL_LAYERS)}
    found = [places[n] if n else _API * r for n, r in zip(named, is_request, strict=True)]
    return np.array(found, dtype=np.int64)
