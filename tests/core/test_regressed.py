"""An error that comes back after long absence is told, as what it is; one that was never long away is not."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from fm_anomaly.core.alerts import AlertEvent
from fm_anomaly.core.pipeline import Pipeline
from fm_anomaly.core.sources import SourceName


def told(hours: int, n_errors: Callable[[int, Random], int]) -> list[AlertEvent]:
    """Return what a pipeline tells of a shop in whose minutes so many errors come."""
    rng, lines = Random(2), []
    for minute in range(hours * 60):
        at = f"2026-03-{2 + minute // 1440:02d} {minute // 60 % 24:02d}:{minute % 60:02d}"
        rows = [(rng.randint(0, 59), f"INFO [shop] sold item {rng.randint(1, 99)}") for _ in range(20)]
        rows += [(rng.randint(0, 59), "ERROR [shop] printer out of paper") for _ in range(n_errors(minute, rng))]
        lines += [f"{at}:{s:02d} {text}" for s, text in sorted(rows)]
    pipeline = Pipeline()
    events = pipeline.observe(SourceName("shop.log", "shop"), ("\n".join(lines) + "\n").encode())
    return [e for e in events + pipeline.flush() if e.action.value == "fire"]


def test_an_error_that_is_back_is_told() -> None:
    """Known from the first hours, a day and more without it, and then twelve in three minutes."""
    back = 34 * 60
    events = told(35, lambda minute, rng: int(minute < 180 and minute % 9 == 0) + 4 * int(back <= minute < back + 3))
    [event] = [e for e in events if e.alert.kind == "new_error"]
    assert event.alert.reason.startswith("back after 1d07h without it · ")
    assert event.alert.start_us // 60_000_000 % 1440 == back % 1440


def test_a_stray_one_is_not() -> None:
    """One record of it is no regression."""
    assert told(35, lambda minute, rng: int(minute < 180 and minute % 9 == 0) + int(minute == 34 * 60)) == []


def test_a_rare_error_is_not_back() -> None:
    """What has always come once in six hours was not away."""
    assert told(60, lambda minute, rng: 3 * int(minute % 360 == 0)) == []
