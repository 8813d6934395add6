"""joblib's files read without trust: plain values and plain numpy arrays, nothing that could run.

A pickle names the classes and functions that it wants called. Here only the three that an array of numbers needs are
found; every other name ends the reading before anything is called. Sizes are checked against the bytes there are.
"""

from __future__ import annotations

import pickle
from functools import lru_cache
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any

from fm_anomaly.errors import ModelError

MAX_MODEL_BYTES = 1 << 30
_KINDS = frozenset("fiub")


def dump(state: object, path: Path) -> None:
    """Write plain values and arrays to `path` as joblib does, not compressed: the same bytes for the same values."""
    import joblib

    joblib.dump(state, path, compress=0)


def load(data: bytes, name: str) -> Any:
    """Return what `dump` wrote.

    Parameters
    ----------
    data
        The whole file, already checked to be the one that was signed.
    name
        What the file is called in an error's message.

    Raises
    ------
    ModelError
        The file asks for a class or function that a model needs not, or is no such file.
    """
    try:
        return _unpickler()(name, BytesIO(data), True).load()
    except ModelError:
        raise
    except (
        pickle.UnpicklingError, EOFError, OSError, ValueError, TypeError, KeyError, IndexError, AttributeError,
        ImportError, RecursionError, MemoryError, UnicodeError, OverflowError, AssertionError,
    ) as exc:  # fmt: skip
        raise ModelError(f"model {name} cannot be read ({type(exc).__name__}): fit it again") from exc


@lru_cache(maxsize=1)
def _unpickler() -> Any:
    import numpy as np
    from joblib.numpy_pickle import NumpyArrayWrapper, NumpyUnpickler

    class PlainArray(NumpyArrayWrapper):  # type: ignore[misc]
        """An array of numbers no longer than the file that holds it."""

        def read(self, unpickler: Any, ensure_native_byte_order: bool) -> Any:
            size_bytes = prod(int(each) for each in self.shape) * self.dtype.itemsize
            whole_bytes = unpickler.file_handle.getbuffer().nbytes
            if self.dtype.kind not in _KINDS or not 0 <= size_bytes <= whole_bytes:
                raise pickle.UnpicklingError(f"array of {self.dtype}")
            return self.read_array(unpickler, ensure_native_byte_order)

    allowed = {
        ("joblib.numpy_pickle", "NumpyArrayWrapper"): PlainArray,
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    class Restricted(NumpyUnpickler):  # type: ignore[misc]
        """Finds the classes of plain arrays, and no other name."""

        dispatch = NumpyUnpickler.dispatch

        def find_class(self, module: str, name: str) -> Any:
            found = allowed.get((module, name))
            if found is None:
                raise ModelError(
                    f"model {self.filename} asks for {module}.{name}, which no model needs: do not load it, "
                    "delete it and fit a new one with fm-anomaly categorize"
                )
            return found

        def persistent_load(self, pid: object) -> Any:
            raise pickle.UnpicklingError("persistent id")

    return Restricted
