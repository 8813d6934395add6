"""What has been counted for each template: records, errors, first and last time, highest severity, a first sample.

Arrays indexed by template, grown as templates appear. It must not know how templates are mined or merged; sums over
merged templates are the reader's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fm_anomaly.core.state import State, pack_array, unpack_array

_FIELDS = ("count", "n_errors", "first_us", "last_us", "severity")
_MAX_EXCEPTIONS = 5_000
_NEVER = np.iinfo(np.int64).max


class TemplateStats:
    """Counts and times of every template of a pipeline, as arrays of one length."""

    def __init__(self) -> None:
        self.n = 0
        self.count = np.zeros(64, dtype=np.int64)
        self.n_errors = np.zeros(64, dtype=np.int64)
        self.first_us = np.full(64, _NEVER, dtype=np.int64)
        self.last_us = np.full(64, -_NEVER, dtype=np.int64)
        self.severity = np.zeros(64, dtype=np.int64)
        self.samples: list[str] = []
        self.exceptions: dict[tuple[int, str, str | None], int] = {}

    def grow(self, n: int) -> None:
        """Make room for `n` templates."""
        self.n = max(self.n, n)
        if n <= self.count.size:
            return
        more = max(n, 2 * self.count.size) - self.count.size
        self.count = np.append(self.count, np.zeros(more, dtype=np.int64))
        self.n_errors = np.append(self.n_errors, np.zeros(more, dtype=np.int64))
        self.first_us = np.append(self.first_us, np.full(more, _NEVER, dtype=np.int64))
        self.last_us = np.append(self.last_us, np.full(more, -_NEVER, dtype=np.int64))
        self.severity = np.append(self.severity, np.zeros(more, dtype=np.int64))

    def add(
        self,
        template: NDArray[np.int64],
        is_error: NDArray[np.bool_],
        ts_us: NDArray[np.int64],
        severity: NDArray[np.int64],
    ) -> None:
        """Count one batch of records; all arrays have one length."""
        self.count[: self.n] += np.bincount(template, minlength=self.n)
        if is_error.any():
            self.n_errors[: self.n] += np.bincount(template[is_error], minlength=self.n)
        np.minimum.at(self.first_us, template, ts_us)
        np.maximum.at(self.last_us, template, ts_us)
        np.maximum.at(self.severity, template, severity)

    def add_exception(self, stream: int, name: str, frame: str | None) -> None:
        """Count one record with an exception; identities beyond the cap are not told apart."""
        key = (stream, name, frame)
        if key in self.exceptions or len(self.exceptions) < _MAX_EXCEPTIONS:
            self.exceptions[key] = self.exceptions.get(key, 0) + 1

    def snapshot(self) -> State:
        """Return all state as plain values."""
        arrays = {name: pack_array(getattr(self, name)[: self.n]) for name in _FIELDS}
        exceptions = [[*key, n] for key, n in self.exceptions.items()]
        return {"arrays": arrays, "samples": list(self.samples), "exceptions": exceptions}

    @classmethod
    def restore(cls, state: State) -> TemplateStats:
        """Return the counts as they were."""
        stats = cls()
        arrays = {name: unpack_array(packed) for name, packed in state["arrays"].items()}
        n = arrays["count"].size
        stats.grow(n)
        for name, array in arrays.items():
            getattr(stats, name)[:n] = array
        stats.samples = list(state["samples"])
        stats.exceptions = {(stream, name, frame): n for stream, name, frame, n in state["exceptions"]}
        return stats
