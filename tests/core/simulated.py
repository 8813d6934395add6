"""Simulated closed buckets: a few services with season, noise, cron jobs, chronic errors, and one planted fault.

Seeded, and independent of the package's sample generator: detection is tested here without parsing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from fm_anomaly.core.features import ClosedBucket, ExceptionCount, TemplateCount
from fm_anomaly.core.frames import StreamKey

MINUTE_US = 60_000_000
START_US = 1_772_409_600_000_000
"""2026-03-02 00:00 UTC, a Monday."""
DAY = 1440
EXC = "redis.exceptions.ConnectionError"


@dataclass(frozen=True)
class Plant:
    """One planted fault, in buckets: ``[at, at + length)``."""

    kind: str
    service: str
    at: int
    length: int
    size: float = 1.0
    """What it does: share of errors, errors a minute, factor of latency, of volume, of the template."""

    def covers(self, at: int) -> bool:
        return self.at <= at < self.at + self.length


class Service:
    """One service's traffic: templates with rates, maybe a chronic error, a cron job, restarts."""

    def __init__(self, rng: Random, name: str, base: int, rate: float, *, days: float, is_plain: bool) -> None:
        self.key = StreamKey("default", name)
        self.base = base
        self.rate = rate
        weights = [rng.random() ** 2 + 0.02 for _ in range(rng.randint(4, 10))]
        self.rates = {base + i: rate * w / sum(weights) for i, w in enumerate(weights)}
        self.amplitude = 0.0 if is_plain else rng.uniform(0.2, 0.6)
        self.phase = rng.uniform(0, DAY)
        self.dispersion = 0.0 if is_plain else rng.choice((0.0, 0.03, 0.1))
        self.chronic = rng.uniform(0.3, 0.9) if rng.random() < 0.6 else 0.0
        self.cron = None if is_plain or rng.random() < 0.5 else (rng.randint(0, 59), max(5, int(rate)))
        restarts = [] if is_plain else [d * DAY + rng.randint(30, DAY - 40) for d in range(math.ceil(days))]
        self.restarts = frozenset(restarts)
        self.median_ms = math.exp(rng.uniform(3, 6))
        self.sigma = rng.uniform(0.3, 0.8)

    def counts(self, rng: Random, at: int, plant: Plant | None) -> dict[int, int]:
        """Return records by template of one bucket, errors of a fault left out."""
        level = 1 + self.amplitude * math.sin(2 * math.pi * (at + self.phase) / DAY)
        if self.dispersion:
            level *= rng.gammavariate(1 / self.dispersion, self.dispersion)
        if at in self.restarts:
            level *= 0.2
        kind = plant.kind if plant else ""
        if kind == "silence":
            return {}
        level *= plant.size if plant and kind in ("drop", "spike") else 1.0
        found = {}
        for template, rate in self.rates.items():
            factor = plant.size if plant and kind == "burst" and template == self.busiest else 1.0
            found[template] = poisson(rng, rate * level * factor)
        found[self.base + 50] = poisson(rng, self.chronic)
        if self.cron is not None and at % 60 == self.cron[0]:
            found[self.base + 60] = self.cron[1]
        return {t: n for t, n in found.items() if n}

    @property
    def busiest(self) -> int:
        return max(self.rates, key=lambda t: self.rates[t])

    def bucket(self, rng: Random, at: int, plant: Plant | None) -> ClosedBucket | None:
        """Return one bucket, None where it is empty."""
        counts = self.counts(rng, at, plant)
        errors = {self.base + 50: counts.get(self.base + 50, 0)}
        start_us = START_US + at * MINUTE_US
        exceptions: tuple[ExceptionCount, ...] = ()
        if plant and plant.kind in ("outage", "cascade"):
            n = max(2, poisson(rng, plant.size * sum(counts.values())))
            counts[self.base + 70] = errors[self.base + 70] = n
            frame = "app/cache.py:88 in get"
            exceptions = (
                ExceptionCount(f"{EXC} at {frame}", EXC, frame, None, max(1, n // 4), start_us + 9_000, self.base + 70),
            )
        if plant and plant.kind == "new_error":
            n = poisson(rng, plant.size)
            if n:
                counts[self.base + 71] = errors[self.base + 71] = n
        if not counts:
            return None
        templates = tuple(
            TemplateCount(t, f"t{t}", text_of(t), n, errors.get(t, 0), start_us + 1000 * (t % 60))
            for t, n in sorted(counts.items())
        )
        return ClosedBucket(
            self.key,
            start_us,
            start_us + MINUTE_US,
            sum(counts.values()),
            sum(errors.values()),
            templates,
            exceptions,
            self.durations(rng, at, plant),
        )

    def durations(self, rng: Random, at: int, plant: Plant | None) -> tuple[tuple[str, tuple[float, ...]], ...]:
        middle = math.log(self.median_ms)
        if plant and plant.kind == "latency":
            middle += math.log(1 + (plant.size - 1) * min(1.0, (at - plant.at) / 60))
        n = min(poisson(rng, self.rate * 0.4), 40)
        values = tuple(math.exp(rng.gauss(middle, self.sigma)) for _ in range(n))
        return (("GET /things", values),) if values else ()


def text_of(template: int) -> str:
    if template % 100 == 70:
        return "could not connect to redis at <ip>: Connection refused"
    if template % 100 == 71:
        return "cannot parse order <num>: missing field"
    if template % 100 == 50:
        return "job <num> failed: upstream returned <num>, retrying"
    return f"step {chr(97 + template % 26)} of the work on <id> done"


def simulate(
    seed: int,
    days: float,
    plant: Plant | None = None,
    *,
    rates: dict[str, float] | None = None,
    is_plain: bool = False,
) -> Iterator[tuple[int, list[ClosedBucket]]]:
    """Yield (start, buckets with records) of each minute.

    ``rates`` are records a minute by service (drawn for api, worker and cache where None); ``is_plain``
    leaves season, noise, cron jobs and restarts out: Poisson counts.
    """
    rng = Random(seed)
    if rates is None:
        rates = {name: math.exp(rng.uniform(math.log(3), math.log(200))) for name in ("api", "worker", "cache")}
    services = [
        Service(rng, name, 100 * i, rate, days=days, is_plain=is_plain) for i, (name, rate) in enumerate(rates.items())
    ]
    for at in range(int(days * DAY)):
        buckets = []
        for service in services:
            is_hit = plant and plant.covers(at) and (plant.kind == "cascade" or plant.service == service.key.service)
            bucket = service.bucket(rng, at, plant if is_hit else None)
            if bucket is not None:
                buckets.append(bucket)
        yield START_US + at * MINUTE_US, buckets


def poisson(rng: Random, mean: float) -> int:
    """Draw a Poisson count; rounded normal above 50."""
    if mean <= 0:
        return 0
    if mean > 50:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit, k, product = math.exp(-mean), 0, rng.random()
    while product > limit:
        k += 1
        product *= rng.random()
    return k
