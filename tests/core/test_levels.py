"""The level is river's, whatever is set, saved or restored in between."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from river.stats import EWMean

from fm_anomaly.core.detectors.levels import Level

values = st.lists(st.floats(0, 1e6, allow_nan=False), min_size=1, max_size=40)


@given(values, st.integers(0, 39))
def test_a_level_that_is_seeded_with_its_mean_goes_on_bit_for_bit(xs: list[float], at: int) -> None:
    """A new Level given the mean of the old one gives the very same numbers: the mean is all the state there is."""
    one, other = Level(0.05), Level(0.05)
    mean = again = 0.0
    for n, x in enumerate(xs):
        if n == at:
            other = Level(0.05)
        mean, again = one.step(mean, x, n), other.step(again, x, n)
        assert mean == again


@given(values)
def test_after_its_warm_up_a_level_is_rivers_ewmean(xs: list[float]) -> None:
    """Beyond 1/alpha values each step is EWMean's, bit for bit."""
    level, rivers = Level(0.05), EWMean(fading_factor=0.05)
    mean = 7.0
    rivers.update(mean)
    for n, x in enumerate(xs, start=20):
        mean = level.step(mean, x, n)
        rivers.update(x)
        assert mean == rivers.get()
