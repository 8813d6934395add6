"""How far a figure over many series could be chance: bootstrap over series, and the figure with a group left out.

Knows lists and a function from a list to a figure, nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


def bootstrap(
    items: Sequence[T], figure: Callable[[Sequence[T]], float], n: int = 1000, seed: int = 1
) -> tuple[float, float]:
    """Return the 5th and 95th percentile of the figure over ``n`` draws of the series with replacement."""
    rng = Random(seed)
    drawn = sorted(figure(rng.choices(items, k=len(items))) for _ in range(n))
    return drawn[int(0.05 * n)], drawn[int(0.95 * n)]


def left_out(
    items: Sequence[T], group: Callable[[T], str], figure: Callable[[Sequence[T]], float]
) -> dict[str, tuple[float, float]]:
    """Return, for each group, the figure of the group alone and the figure without it."""
    groups = sorted({group(item) for item in items})
    return {
        name: (
            figure([item for item in items if group(item) == name]),
            figure([item for item in items if group(item) != name]),
        )
        for name in groups
    }
