"""State of many series kept in numpy arrays whose last axis is the series: to take some out, put back, save and
restore.

A part names its arrays in ``ARRAYS``. It must not know what they hold.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def take(part: Any, into: Any, at: NDArray[np.int64]) -> None:
    """Copy the series at these places of ``part`` into ``into``, which has room for just so many."""
    for name in part.ARRAYS:
        getattr(into, name)[...] = getattr(part, name)[..., at]


def put(part: Any, out_of: Any, at: NDArray[np.int64]) -> None:
    """Copy all series of ``out_of`` to these places of ``part``."""
    for name in part.ARRAYS:
        getattr(part, name)[..., at] = getattr(out_of, name)


def save(part: Any) -> dict[str, bytes]:
    """Return the arrays as bytes, by name."""
    return {name: getattr(part, name).tobytes() for name in part.ARRAYS}


def load(part: Any, state: dict[str, bytes]) -> None:
    """Fill the arrays from a `save` of a part of the same shape."""
    for name in part.ARRAYS:
        array = getattr(part, name)
        array[...] = np.frombuffer(state[name], dtype=array.dtype).reshape(array.shape)
