"""Gaps of many series of counts: how long has a series been without a record, by the gaps it has had?

A gap is the more improbable the further it goes beyond the longest before: the run of a batch that is missed, a sparse
series that falls silent, a source that stays off. Until eight gaps have been seen that are at least half as long as
the longest, none is improbable. It must not know of days or decisions.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fm_anomaly.core.detectors.tails import half_life_alpha

Floats = NDArray[np.float64]

_FADE_DAYS = 14.0
_KNOWN_GAPS = 8.0
"""Long gaps, of at least half the longest, that must have been seen."""
_ANOTHER_SORT = 2.0
"""A gap longer than the longest by this factor is the first of another sort."""
_LONG_GAPS = 50.0
"""Memory of the mean of long gaps, in gaps."""
_BEYOND = 0.5
"""How far beyond the longest a gap is worth telling: this part of what the longest is beyond the mean of long ones,"""
_BEYOND_USUAL = 0.1
"""and this part of that mean,"""
_BEYOND_STEPS = 2.0
"""and so many steps."""


class Gaps:
    """Gaps of ``n`` series, in steps; one without an empty step is 1 long."""

    ARRAYS: ClassVar[tuple[str, ...]] = ("open", "longest", "usual", "n_long")
    __slots__ = ("_fade", "longest", "n_long", "open", "usual")

    def __init__(self, n: int, steps_a_day: float) -> None:
        self._fade = 1.0 - half_life_alpha(_FADE_DAYS * steps_a_day)
        self.open = np.zeros(n)
        """Steps since the last with a record."""
        self.longest = np.zeros(n)
        """Longest gap, fading."""
        self.usual = np.zeros(n)
        """Mean of the long ones."""
        self.n_long = np.zeros(n)

    def shares(self, x: Floats) -> Floats:
        """Return how far each open gap has come to where it is worth telling: 1 there, 0 where there is none."""
        steps = np.where(x > 0.0, 0.0, self.open + 1.0)
        beyond = _BEYOND * (self.longest - self.usual) + _BEYOND_USUAL * self.usual + _BEYOND_STEPS
        share = (steps - self.usual) / np.maximum(self.longest - self.usual + beyond, 1.0)
        out: Floats = np.where(self.n_long >= _KNOWN_GAPS, np.maximum(share, 0.0), 0.0)
        return out

    def learn(self, x: Floats) -> None:
        """Learn one value of each series."""
        ends = x > 0.0
        gap = self.open + 1.0
        is_another = ends & (gap > _ANOTHER_SORT * self.longest)
        is_long = ends & (gap >= 0.5 * self.longest)
        self.n_long = np.where(is_another, 0.0, self.n_long) + is_long
        weight = np.where(is_long, 1.0 / np.clip(self.n_long, 1.0, _LONG_GAPS), 0.0)
        self.usual += weight * (gap - self.usual)
        self.longest = np.maximum(self.longest * self._fade, np.where(ends, gap, 0.0))
        self.open = np.where(ends, 0.0, gap)
