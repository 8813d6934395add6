"""Shapes of messages → codes of their normalised forms: the memory that makes a known message cheap.

First come, first kept, up to a cap, so that what is known does not depend on how long ago it was seen. The known
shapes are state; which of the ways to a shape is taken shows in the time only. Knows nothing of streams, templates or
Drain3.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import compress, repeat
from operator import eq, ne
from typing import Any, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fm_anomaly.core.normalizing import Normalized, fold_digits, mask_hex
from fm_anomaly.core.quick_shapes import key_of, quick_keys, shapes_of
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
        """The codes of shapes by their quick keys, where those tell them; a cache."""
        self._new: list[str] = []
        """Those that have come since it was last asked which of them are."""
        self._hex_first_calls = 0
        self.code = self._code_by_shape.get
        """The code of a shape, None where it is not known. (The dict's own method: it is asked once a message.)"""

    def form(self, code: int) -> Normalized:
        """Return the normalised form of a code."""
        return self._forms[code]

    @property
    def n_codes(self) -> int:
        """Codes given out: 0, 1, …"""
        return len(self._forms)

    @property
    def is_full(self) -> bool:
        """Whether no further shape is kept."""
        return len(self._code_by_shape) >= self._max_shapes

    def add(self, shape: str) -> int:
        """Remember a new shape; return the code of its normalised form."""
        return self._keep(shape, self._code_of(self.normalize(shape)))

    def codes_of(self, bodies: pl.Series) -> tuple[list[str], Codes]:
        """Return of each body a text, and the code of its normalised form or -1 where that is not known.

        The text is the shape where the code is -1; else it begins with the same word. Most bodies have a quick key that
        is known; of the others the shape is worked out. Where these are many, hex runs are masked at once.
        """
        if self._hex_first_calls > 0:
            self._hex_first_calls -= 1
            shapes = fold_digits(bodies, hex_first=True)
            return shapes, _looked_up(self._code_by_shape, shapes)
        texts = quick_keys(bodies)
        if texts is None:
            shapes = _worked_out(bodies)
            return shapes, _looked_up(self._code_by_shape, shapes)
        if self._new:
            self._note_quick()
        codes = _looked_up(self._quick, texts)
        rows = np.flatnonzero(codes < 0)
        if len(rows):
            places = rows.tolist()
            keys = [texts[row] for row in places]
            shapes = _shapes(keys, bodies, rows)
            codes[rows] = _looked_up(self._code_by_shape, shapes)
            for row, shape in zip(places, shapes, strict=True):
                texts[row] = shape
            if 2 * sum(map(ne, keys, map(key_of, shapes))) > len(texts):
                self._hex_first_calls = _HEX_FIRST_CALLS
        return texts, codes

    def _keep(self, shape: str, code: int) -> int:
        self._code_by_shape[shape] = code
        self._new.append(shape)
        return code

    def _note_quick(self) -> None:
        keys = [key_of(shape) for shape in self._new]
        codes = map(self._code_by_shape.__getitem__, self._new)
        is_sure = map(eq, self._new, shapes_of(keys))
        self._quick.update(compress(zip(keys, codes, strict=True), is_sure))
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


def _shapes(keys: list[str], bodies: pl.Series, rows: Codes) -> list[str]:
    """Return the shapes of the bodies at `rows`, whose quick keys these are."""
    distinct = list(dict.fromkeys(keys))
    shape_by_key = dict(zip(distinct, shapes_of(distinct), strict=True))
    shapes = [shape_by_key[key] for key in keys]
    unsure = [at for at, shape in enumerate(shapes) if shape is None]
    if unsure:
        for at, shape in zip(unsure, _worked_out(bodies[rows[unsure]]), strict=True):
            shapes[at] = shape
    return cast(list[str], shapes)


def _worked_out(bodies: pl.Series) -> list[str]:
    return list(mask_hex(pl.Series(fold_digits(bodies), dtype=pl.String)).to_list())


def _looked_up(known: dict[str, int], shapes: list[str]) -> Codes:
    return np.fromiter(map(known.get, shapes, repeat(-1)), np.int64, len(shapes))
