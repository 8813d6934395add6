"""Simulated counts a minute over two weeks, seven kinds of series, with events injected and known.

What a log's services and templates write: steady, daily and weekly traffic, batches, sources that are on and off,
sparse and bursty ones, all with a slowly drifting level. Events are spikes, surges, ramps, drops, silences and new
series; one that even full knowledge of the rate could hardly see is drawn again. Seeds make everything; it must not
know of detectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, pi

import numpy as np
from numpy.typing import NDArray

from fm_anomaly.core.detectors.tails import count_decades
from fm_anomaly.evaluation.event_scoring import Event

Floats = NDArray[np.float64]
Rng = np.random.Generator

DAY = 1_440
N_DAYS = 14
KINDS = ("steady", "daily", "weekly", "batch", "on_off", "sparse", "bursty")
EVENTS = ("spike", "surge", "ramp", "drop", "silence")
FIRST_DAY = 3
"""Day from which on events are injected."""
LEAST_DECADES = 6.0
"""Improbability, under the true rate, that the mean of an event has at least."""
_MARGIN = 240
_NEW_MINUTES = 60
_START_US = 1_772_409_600_000_000  # Monday, 2 March 2026, 00:00 UTC


@dataclass(frozen=True, slots=True)
class CountSeries:
    """One simulated series with its truth."""

    name: str
    kind: str
    times_us: NDArray[np.int64]
    counts: Floats
    events: tuple[Event, ...]
    factors: tuple[float, ...]
    """Size of each event, as a factor on the rate; 0 for what has none."""
    rates: Floats
    """Rate that a minute would have had without events: what an oracle knows."""
    size: float
    """Size of the negative binomial that the counts were drawn from."""


def simulate(seed: int, kind: str, n_days: int = N_DAYS) -> CountSeries:
    """Return the series of that seed and kind, with about four events."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    n = n_days * DAY
    rates = _RATES[kind](rng, n) * _drift(rng, n)
    size = float(rng.choice([1e6, 200.0, 50.0])) if kind != "bursty" else 20.0
    born = 0
    if seed % 6 == 5:
        born = int(rng.integers(FIRST_DAY * DAY, n // 2))
        rates[:born] = 0.0
    changed, events, factors = _inject(rng, kind, rates, size, born)
    counts = rng.poisson(changed * rng.gamma(size, 1.0 / size, n)).astype(np.float64)
    if born and counts[born:].any():
        first = born + int(np.flatnonzero(counts[born:])[0])
        events.insert(0, Event(first, min(first + _NEW_MINUTES, n) - 1, "new"))
        factors.insert(0, 0.0)
    times = _START_US + np.arange(n, dtype=np.int64) * 60_000_000
    return CountSeries(f"{kind}-{seed}", kind, times, counts, tuple(events), tuple(factors), rates, size)


def _log_uniform(rng: Rng, low: float, high: float) -> float:
    return exp(float(rng.uniform(log(low), log(high))))


def _drift(rng: Rng, n: int) -> Floats:
    """Return a slow wander of the level: a few per cent, over days."""
    knots = rng.normal(0.0, rng.uniform(0.02, 0.1), n // (DAY // 2) + 2)
    return np.exp(np.interp(np.arange(n), np.arange(len(knots)) * (DAY // 2), knots))


def _day(rng: Rng, n: int) -> Floats:
    angle = 2.0 * pi * np.arange(n) / DAY
    first, second = rng.uniform(0.3, 1.2), rng.uniform(0.0, 0.4)
    wave = first * np.cos(angle - rng.uniform(0, 2 * pi)) + second * np.cos(2 * angle - rng.uniform(0, 2 * pi))
    profile = np.exp(wave)
    scaled: Floats = profile / profile.mean()
    return scaled


def _steady(rng: Rng, n: int) -> Floats:
    return np.full(n, _log_uniform(rng, 3.0, 300.0))


def _daily(rng: Rng, n: int) -> Floats:
    return _log_uniform(rng, 10.0, 500.0) * _day(rng, n)


def _weekly(rng: Rng, n: int) -> Floats:
    """Daily traffic that falls off on the night to Saturday and comes back on the night to Monday."""
    hours = np.arange(n) / 60.0 % 168.0
    weekend = np.clip((hours - 118.0) / 4.0, 0.0, 1.0) * np.clip((168.0 - hours) / 4.0, 0.0, 1.0)
    return _daily(rng, n) * (1.0 - weekend * rng.uniform(0.4, 0.8))


def _batch(rng: Rng, n: int) -> Floats:
    """Runs at a fixed period, a minute or two late at times, some minutes long, over little else."""
    period = int(rng.choice([15, 30, 60, 120, 360, DAY]))
    length = int(rng.integers(1, min(period // 4, 10) + 1))
    volume = _log_uniform(rng, 50.0, 2_000.0)
    spread = float(rng.uniform(0.0, 0.2))
    rates = np.full(n, float(rng.uniform(0.0, 2.0)))
    for start in range(int(rng.integers(period)), n, period):
        begin = start + int(rng.integers(0, 3)) * int(rng.random() < 0.3)
        rates[begin : begin + length] += volume / length * exp(float(rng.normal(0.0, spread)))
    return rates


def _on_off(rng: Rng, n: int) -> Floats:
    """On by day at hours that are nearly the same, or for spans of random length."""
    level = _log_uniform(rng, 20.0, 300.0)
    is_on = np.zeros(n, dtype=bool)
    if rng.random() < 0.5:
        opens, hours = int(rng.integers(0, 14)), int(rng.integers(4, 11))
        for day in range(0, n, DAY):
            begin = day + opens * 60 + int(rng.integers(-5, 6))
            is_on[max(begin, 0) : begin + hours * 60 + int(rng.integers(-10, 11))] = True
    else:
        mean_on, mean_off, at = rng.uniform(40, 240), rng.uniform(40, 240), 0
        while at < n:
            on, off = int(rng.exponential(mean_on)) + 10, int(rng.exponential(mean_off)) + 10
            is_on[at : at + on] = True
            at += on + off
    return np.where(is_on, level, level * rng.uniform(0.0, 0.02))


def _sparse(rng: Rng, n: int) -> Floats:
    return np.full(n, _log_uniform(rng, 0.02, 1.0))


def _bursty(rng: Rng, n: int) -> Floats:
    """Traffic whose rate wanders within the hour, and bursts by itself: heavy tails without an event."""
    hours = rng.uniform(0.3, 1.5)
    alpha = 1.0 - exp(-1.0 / (60.0 * hours))
    noise = rng.normal(0.0, 1.0, n) * rng.uniform(0.2, 0.5) * (2.0 / alpha) ** 0.5
    wander = np.empty(n)
    x = 0.0
    for i, step in enumerate(noise.tolist()):
        x += alpha * (step - x)
        wander[i] = x
    rates: Floats = _log_uniform(rng, 5.0, 200.0) * _day(rng, n) ** 0.5 * np.exp(wander)
    for at in np.flatnonzero(rng.random(n) < 4.0 / DAY).tolist():
        width = int(rng.integers(2, 20))
        rates[at : at + width] *= min(1.3 + float(rng.pareto(3.0)), 3.0)
    return rates


_RATES = {
    "steady": _steady,
    "daily": _daily,
    "weekly": _weekly,
    "batch": _batch,
    "on_off": _on_off,
    "sparse": _sparse,
    "bursty": _bursty,
}


def _inject(rng: Rng, kind: str, rates: Floats, size: float, born: int) -> tuple[Floats, list[Event], list[float]]:
    """Return changed rates, the events and their factors: about one event in two and a half days, well apart."""
    changed = rates.copy()
    n = len(rates)
    placed: list[tuple[Event, float]] = []
    first = max(FIRST_DAY * DAY, born + 2 * DAY if born else 0)
    for name in rng.permutation([*EVENTS, *EVENTS])[: max((n - first) // (5 * DAY // 2), 1)].tolist():
        for _ in range(40):
            drawn = _draw(rng, name, kind, rates, first)
            if drawn is None:
                continue
            at, new, factor = drawn
            width = len(new)
            if any(at < e.last + _MARGIN and at + width > e.first - _MARGIN for e, _ in placed):
                continue
            if _decades(rates[at : at + width], new, size) < LEAST_DECADES:
                continue
            changed[at : at + width] = new
            placed.append((Event(at, at + width - 1, name), factor))
            break
    placed.sort(key=lambda item: item[0].first)
    return changed, [e for e, _ in placed], [f for _, f in placed]


def _draw(rng: Rng, name: str, kind: str, rates: Floats, first: int) -> tuple[int, Floats, float] | None:
    """Return the position, the new rates and the factor of an event; None where the series gives no place for it."""
    busy = float(np.quantile(rates[first:], 0.9)) if kind in ("on_off", "batch") else float(rates[first:].mean())
    width = {
        "spike": int(rng.integers(1, 6)),
        "surge": int(rng.integers(30, 181)),
        "ramp": int(rng.integers(60, 301)),
        "drop": int(rng.integers(20, 181)),
        "silence": int(rng.integers(15, 241)),
    }[name]
    if name in ("drop", "silence", "surge", "ramp") and rates[first:].mean() * width < 40.0:
        width = int(40.0 / max(float(rates[first:].mean()), 1e-3)) + 1  # a sparse series needs longer to show it
    if width > DAY:
        return None
    at = int(rng.integers(first, len(rates) - width - 60))
    old = rates[at : at + width]
    if name == "spike":
        factor = float(rng.uniform(4.0, 10.0))
        return at, old + (factor - 1.0) * max(float(old.mean()), 0.5 * busy) + 10.0 / width, factor
    if kind == "on_off" and old.mean() < 0.6 * busy:
        return None  # nothing to change while it is off
    factor = {
        "surge": float(rng.uniform(1.5, 3.0)),
        "ramp": float(rng.uniform(1.5, 3.0)),
        "drop": float(rng.uniform(0.0, 0.5)),
        "silence": 0.0,
    }[name]
    shape = np.linspace(1.0, factor, width) if name == "ramp" else np.full(width, factor)
    return at, old * shape, factor


def _decades(old: Floats, new: Floats, size: float) -> float:
    """Return how improbable the mean of an event is under the old rates."""
    before, after = float(old.sum()), float(new.sum())
    effective = size * before * before / max(float((old * old).sum()), 1e-12)
    return count_decades(after, before, effective)


def simulate_all(seeds: Sequence[int], kinds: Sequence[str] = KINDS, n_days: int = N_DAYS) -> list[CountSeries]:
    """Return one series a seed and kind."""
    return [simulate(seed, kind, n_days) for kind in kinds for seed in seeds]
