"""What a bank of numeric series costs: CPU time a series and step for many and for one, bytes a series, beside river.

Run: python benchmarks/series_bank.py. CPU time, least of three runs; noisy on a shared machine.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from time import process_time

import numpy as np

from fm_anomaly.core.detectors.bank import SeriesBank

START_US = 1_772_409_600_000_000
MINUTE_US = 60_000_000


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=60, help="steps timed, after a day and a half of the past")
    args = parser.parse_args()
    print(f"{'series':>8} {'us a series and step':>22}")
    for n in (1, 10, 100, 1_000, 10_000):
        print(f"{n:>8} {least(lambda n=n: bank_us(n, args.steps)):>22.2f}")
    print(
        f"{'river':>8} {least(lambda: river_us(args.steps * 100)):>22.2f}  EWMean and EWVar of one series, no judgement"
    )
    print(f"{SeriesBank(1).n_bytes} bytes a series, whatever its length")


def bank_us(n: int, steps: int) -> float:
    """Return microseconds a series and step of a bank that has a past of one and a half days, in hours."""
    rng = np.random.default_rng(1)
    bank = SeriesBank(n)
    rates = np.exp(rng.uniform(-2, 6, n))
    for i in range(36):
        bank.step(START_US + i * 60 * MINUTE_US, rng.poisson(rates).astype(np.float64))
    values = rng.poisson(rates, (steps, n)).astype(np.float64)
    began = process_time()
    for i in range(steps):
        bank.step(START_US + (36 * 60 + i) * MINUTE_US, values[i])
    return (process_time() - began) / steps / n * 1e6


def river_us(steps: int) -> float:
    """Return microseconds a step of river's plainest moments."""
    from river.stats import EWMean, EWVar

    mean, variance = EWMean(0.01), EWVar(0.01)
    values = np.random.default_rng(1).poisson(50, steps).astype(float).tolist()
    began = process_time()
    for x in values:
        mean.update(x)
        variance.update(x)
    return (process_time() - began) / steps * 1e6


def least(measure: Callable[[], float]) -> float:
    """Return the least of three measurements."""
    return min(measure() for _ in range(3))


if __name__ == "__main__":
    main()
