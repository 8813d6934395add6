"""Shapes of messages → codes of their normalised forms: the memory that makes a known message cheap.

First come, first kept, up to a cap, so that what is known does not depend on how long ago it was seen. The known
shapes are state; which of the ways to a shape is taken shows in the time only. Knows nothing of streams, templates or
Drain3.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import compress, repeat
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fm_anomaly.core.normalizing import (
    Normalized,
    are_quick_shapes,
    fold_digits,
    mask_hex,
    quick_shapes,
)
from fm_anomaly.core.template_merging import Tokens

Codes = NDArray[np.int64]

_HEX_FIRST_CALLS = 32


class Shapes:
    """The shapes that are known. `normalizer` must be a pure function of the shape."""

    def __init__(self, normalizer: Callable[[str], Normalized], max_shapes: int) -> None:
        self.normalize = normalizer
        self._max_shapes = max_shapes
        self._code_by_shape: dict[str, int] = {}
        self._code_by_form: dict[tuple[Tokens, tuple[str, ...]], int] = {}
        self._forms: list[Normalized] = []
        self._quick: dict[str, int] = {}
        """Those that `quick_shapes` tells for certain; a cache."""
        self._new: list[str] = []
        """Those that have come since it was last asked which of them are."""
        self._hex_first_calls = 0
        self.code = self._code_by_shape.get
        """The code of a shape, None where it is not known. (The dict's own method: it is asked once a message.)"""

    def form(self, code: int) -> Normalized:
        """Return the normalised form of a code."""
        return self._forms[code]

    @property
    def is_full(self) -> bool:
        """Whether no further shape is kept."""
        return len(self._code_by_shape) >= self._max_shapes

    def add(self, shape: str) -> int:
        """Remember a new shape; return the code of its normalised form."""
        return self._keep(shape, self._code_of(self.normalize(shape)))

    def codes_of(self, bodies: pl.Series) -> tuple[list[str], Codes]:
        """Return each body's shape, and the code of its normalised form or -1 where that is not known.

        Most bodies have a shape that `quick_shapes` tells; of the others it is worked out. Where these are many, hex
        runs are masked at once.
        """
        if self._hex_first_calls > 0:
            self._hex_first_calls -= 1
            shapes = fold_digits(bodies, hex_first=True)
            return shapes, _looked_up(self._code_by_shape, shapes)
        if self._new:
            self._note_quick()
        texts = (bodies.fill_null("") if bodies.null_count() else bodies).to_list()
        quick = quick_shapes(texts) if self._quick else None  # of a first batch nothing is known
        if quick is None:
            shapes = _worked_out(bodies)
            return shapes, _looked_up(self._code_by_shape, shapes)
        codes = _looked_up(self._quick, quick)
        rows = np.flatnonzero(codes < 0)
        if len(rows):
            shapes = _of_unknown([quick[row] for row in rows.tolist()], bodies, rows)
            codes[rows] = _looked_up(self._code_by_shape, shapes)
            n_masked = 0
            for row, shape in zip(rows.tolist(), shapes, strict=True):
                n_masked += quick[row] != shape
                quick[row] = shape
            if 2 * n_masked > len(quick):
                self._hex_first_calls = _HEX_FIRST_CALLS
        return quick, codes

    def _keep(self, shape: str, code: int) -> int:
        self._code_by_shape[shape] = code
        self._new.append(shape)
        return code

    def _note_quick(self) -> None:
        sure = are_quick_shapes(pl.Series(self._new, dtype=pl.String))
        self._quick.update((shape, self._code_by_shape[shape]) for shape in compress(self._new, sure))
        self._new.clear()

    def _code_of(self, form: Normalized) -> int:
        code = self._code_by_form.setdefault((form.key, form.kinds), len(self._forms))
        if code == len(self._forms):
            self._forms.append(form)
        return code

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain values; caches are left out."""
        return {
            "shapes": [[shape, code] for shape, code in self._code_by_shape.items()],
            "normalized": [[list(form.key), list(form.kinds), list(form.gaps)] for form in self._forms],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take what `snapshot` gave; of a store's state, whatever else is in it."""
        for key, kinds, gaps in state["normalized"]:
            self._code_of(Normalized(tuple(key), tuple(kinds), tuple(gaps)))
        for shape, code in state["shapes"]:
            self._keep(shape, code)


def _of_unknown(quick: list[str], bodies: pl.Series, rows: Codes) -> list[str]:
    """Return the shapes of the bodies at `rows`, of which `quick_shapes` gave `quick`."""
    shapes = pl.Series(quick, dtype=pl.String)
    unsure = np.flatnonzero(~are_quick_shapes(shapes))
    out = list(mask_hex(shapes).to_list())
    if len(unsure):
        for at, shape in zip(unsure.tolist(), _worked_out(bodies[rows[unsure]]), strict=True):
            out[at] = shape
    return out


def _worked_out(bodies: pl.Series) -> list[str]:
    return list(mask_hex(pl.Series(fold_digits(bodies), dtype=pl.String)).to_list())


def _looked_up(known: dict[str, int], shapes: list[str]) -> Codes:
    return np.fromiter(map(known.get, shapes, repeat(-1)), np.int64, len(shapes))
