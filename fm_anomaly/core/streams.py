"""Names of services to small codes, bounded: the registry of one tenant's streams.

Codes are given in the order of first appearance. A name beyond the cap counts under `OTHER`. It must not know what is
counted for a stream.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fm_anomaly.core.frames import StreamKey
from fm_anomaly.core.state import State

OTHER = "_other"
_FEW = 2_048
"""Names up to which Python's dicts are sooner done than the column's calls have begun."""
_MAX_NAME_CHARS = 100


class Streams:
    """The streams of one tenant; at most `max_streams` of them, and `OTHER` for the rest."""

    def __init__(self, tenant: str, max_streams: int) -> None:
        self.tenant = tenant
        self.max_streams = max_streams
        self.keys: list[StreamKey] = []
        self.n_overflow = 0
        self._code_by_name: dict[str, int] = {}

    def codes(self, names: pl.Series) -> NDArray[np.int64]:
        """Return the code of each name; `names` has no nulls. Cost: one pass, Python per distinct name."""
        if not names.len():
            return np.empty(0, dtype=np.int64)
        if names.len() > _FEW:
            known = names.cast(pl.Enum([*self._code_by_name]), strict=False)
            if not known.null_count():
                return known.to_physical().to_numpy().astype(np.int64)
            distinct = names.unique(maintain_order=True)
            place = names.replace_strict(distinct, range(distinct.len()), return_dtype=pl.Int64).to_numpy()
            counts = np.bincount(place).tolist()
            codes = [self._code(name, n) for name, n in zip(distinct.to_list(), counts, strict=True)]
            return np.take(np.array(codes, dtype=np.int64), place)
        n_by_name = Counter(texts := names.to_list())  # in the order of first appearance
        code_by_name = {name: self._code(name, n) for name, n in n_by_name.items()}
        return np.fromiter(map(code_by_name.__getitem__, texts), np.int64, len(texts))

    def code_of(self, key: StreamKey) -> int:
        """Return the code of a known stream."""
        return self._code_by_name[key.service]

    def _code(self, name: str, n_records: int) -> int:
        short = name[:_MAX_NAME_CHARS]
        code = self._code_by_name.get(short)
        if code is None:
            if len(self.keys) >= self.max_streams:
                self.n_overflow += n_records
                return self._other()
            code = self._add(short)
        return code

    def _other(self) -> int:
        code = self._code_by_name.get(OTHER)
        return self._add(OTHER) if code is None else code

    def _add(self, name: str) -> int:
        self._code_by_name[name] = len(self.keys)
        self.keys.append(StreamKey(self.tenant, name))
        return len(self.keys) - 1

    def snapshot(self) -> State:
        """Return all state as plain values."""
        return {"names": [key.service for key in self.keys], "n_overflow": self.n_overflow}

    @classmethod
    def restore(cls, state: State, tenant: str, max_streams: int) -> Streams:
        """Return the registry as it was."""
        streams = cls(tenant, max_streams)
        for name in state["names"]:
            streams._add(name)
        streams.n_overflow = state["n_overflow"]
        return streams
