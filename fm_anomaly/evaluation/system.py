"""The drawn system of a sample: its services, what each does how often, and how its traffic breathes over a week.

Everything here is drawn once from a seed and then only read. It knows the vocabulary, not formats, faults or lines.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

from fm_anomaly.evaluation.failures import Failure, bug_failure, dependency_failure, words_for
from fm_anomaly.evaluation.phrases import Phrase
from fm_anomaly.evaluation.rendering import ERROR, WARN
from fm_anomaly.evaluation.vocabulary import (
    BACKGROUND,
    MESSAGES,
    ONE_OFF_ERRORS,
    WARNINGS,
    Dependency,
    Vocabulary,
)

DAY_US = 86_400_000_000
LAYERS = ("infrastructure", "core", "service")
THRESHOLD_S = {"api": 0.1, "service": 0.5, "core": 0.3, "infrastructure": 1.0}
"""FaultMaven's limits: an operation above its layer's limit is logged at warning."""


@dataclass(frozen=True, slots=True)
class Season:
    """Traffic by hour and weekday, mean about 1: two harmonics over the day, one factor for Saturday and Sunday."""

    amplitude: float
    second: float
    peak_h: float
    second_h: float
    weekend: float

    def factor(self, us: int) -> float:
        """Return the expected traffic at `us` (µs since the epoch, UTC) as a share of the mean, at least 0.1."""
        day, into = divmod(us, DAY_US)
        h = into / 3_600_000_000
        wave = self.amplitude * math.cos(math.tau * (h - self.peak_h) / 24)
        wave += self.second * math.cos(2 * math.tau * (h - self.second_h) / 24)
        # 1 January 1970 was a Thursday: days 2 and 3 of that week are the weekend
        return max(0.1, 1.0 + wave) * (self.weekend if day % 7 in (2, 3) else 1.0)


@dataclass(frozen=True, slots=True)
class Operation:
    """A timed operation inside an activity; lognormal duration with this median and sigma."""

    name: str
    layer: str
    logger: str
    client: str
    target: str
    median_ms: float
    sigma: float


@dataclass(frozen=True, slots=True)
class Activity:
    """One kind of request or job: what it says on its way, its operations, and how it reports its end."""

    name: str
    method: str
    path: Phrase
    logger: str
    steps: tuple[Phrase, ...]
    done: Phrase
    operations: tuple[Operation, ...]
    own_ms: float


@dataclass(frozen=True, slots=True)
class Beat:
    """A line at a steady beat, with a little jitter."""

    phrase: Phrase
    period_s: float


@dataclass(frozen=True, slots=True)
class Service:
    """One service. `rate_per_min` is its mean number of records; `dispersion` the shape of the gamma that multiplies
    each minute's rate (small is bursty); `wander` the step of the slow log-noise of its level."""

    name: str
    is_api: bool
    language: str
    package: str
    rate_per_min: float
    dispersion: float
    wander: float
    season: Season
    activities: tuple[Activity, ...]
    weights: tuple[float, ...]
    rare: tuple[Phrase, ...]
    rare_weights: tuple[float, ...]
    one_offs: tuple[tuple[int, Phrase], ...]
    beats: tuple[Beat, ...]
    sporadic: Failure
    sporadic_share: float
    client_error_share: float
    access_style: int
    dependencies: tuple[Dependency, ...]


@dataclass(frozen=True, slots=True)
class System:
    """The services of a sample, APIs first, and who calls whom: `callers[root]` call `root`."""

    vocabulary: Vocabulary
    services: tuple[Service, ...]
    callers: dict[str, tuple[str, ...]]

    def service(self, name: str) -> Service:
        """Return the service of that name."""
        return next(s for s in self.services if s.name == name)


def draw_system(
    rng: Random, vocabulary: Vocabulary, n_services: int, mean_rate: float, rates: tuple[float, ...] = ()
) -> System:
    """Draw a system of `n_services` whose services write `mean_rate` records a minute on average.

    Rates are spread log-uniformly between 2 and 300 a minute and then scaled to the mean, unless `rates` gives them.
    """
    n_apis = max(1, round(n_services * 0.55))
    names = rng.sample(vocabulary.apis, min(n_apis, len(vocabulary.apis)))
    names += rng.sample(vocabulary.workers, n_services - len(names))
    spread = list(rates) or [math.exp(rng.uniform(math.log(2), math.log(300))) for _ in names]
    scale = 1.0 if rates else min(1.0, mean_rate * n_services / sum(spread))
    season = _season(rng)
    services = tuple(
        _service(rng, vocabulary, name, max(2.0, r * scale), season, is_api=name in vocabulary.apis)
        for name, r in zip(names, spread, strict=True)
    )
    callers = {s: tuple(t for t in names[: names.index(s)] if rng.random() < 0.6) for s in names}
    return System(vocabulary, services, callers)


def _season(rng: Random) -> Season:
    return Season(
        rng.uniform(0.1, 0.65), rng.uniform(0.0, 0.2), rng.uniform(9, 20), rng.uniform(0, 12), rng.uniform(0.4, 1.0)
    )


def _service(rng: Random, vocabulary: Vocabulary, name: str, rate: float, season: Season, *, is_api: bool) -> Service:
    language = "java" if rng.random() < 0.3 else "python"
    activities = tuple(_activity(rng, vocabulary, name) for _ in range(rng.randint(3, 9)))
    rare = tuple(Phrase(rng.choice(MESSAGES), words_for(rng, vocabulary)) for _ in range(rng.randint(4, 14)))
    warnings = [(WARN, Phrase(m, words_for(rng, vocabulary))) for m in rng.sample(WARNINGS, 8)]
    errors = [(ERROR, Phrase(m, words_for(rng, vocabulary))) for m in rng.sample(ONE_OFF_ERRORS, 8)]
    beats = tuple(
        Beat(Phrase(m), rng.choice((15, 30, 60, 60, 120, 300))) for m in rng.sample(BACKGROUND, rng.randint(1, 3))
    )
    dependencies = tuple(rng.sample(vocabulary.dependencies, 2))
    draw = (
        bug_failure(rng, vocabulary, name, language, rng.choice(vocabulary.bugs))
        if rng.random() < 0.5
        else dependency_failure(rng, vocabulary, name, language, dependencies[1])
    )
    return Service(
        name=name,
        is_api=is_api,
        language=language,
        package=vocabulary.package,
        rate_per_min=rate,
        dispersion=rng.uniform(5.0, 40.0),
        wander=rng.uniform(0.01, 0.05),
        # workers follow the day less than what people touch
        season=season if is_api else Season(season.amplitude * 0.4, 0.05, season.peak_h + 2, season.second_h, 1.0),
        activities=activities,
        weights=tuple(1.0 / (i + 1) ** 0.8 for i in range(len(activities))),
        rare=rare,
        rare_weights=tuple(1.0 / (i + 1) ** 1.5 for i in range(len(rare))),
        one_offs=tuple(warnings + errors),
        # beats must not outweigh the traffic of a quiet service
        beats=tuple(b for b in beats if 60 / b.period_s <= rate / 2),
        sporadic=draw,
        sporadic_share=rng.choice((0.0, 0.0005, 0.002)),
        client_error_share=rng.uniform(0.005, 0.05),
        access_style=rng.randrange(3),
        dependencies=dependencies,
    )


def _activity(rng: Random, vocabulary: Vocabulary, service: str) -> Activity:
    words = words_for(rng, vocabulary)
    steps = tuple(
        Phrase(m, words_for(rng, vocabulary)) for m in rng.sample(MESSAGES, rng.randint(1, 3)) if "{took}" not in m
    )
    timed = rng.choice([m for m in MESSAGES if "{took}" in m])
    tail = rng.choice(("/{id}", "/{uuid}", "/{id}/" + words["others"], ""))
    return Activity(
        name=f"{words['base']}_{words['noun']}",
        method=rng.choice(("GET", "GET", "POST", "PUT", "DELETE")),
        path=Phrase(f"/api/v1/{words['nouns']}{tail}"),
        logger=f"{vocabulary.package}.{service}.{words['noun']}",
        steps=steps,
        done=Phrase(timed, words),
        operations=tuple(_operation(rng, vocabulary, service) for _ in range(rng.choice((1, 1, 2)))),
        own_ms=rng.uniform(2, 20),
    )


def _operation(rng: Random, vocabulary: Vocabulary, service: str) -> Operation:
    words = words_for(rng, vocabulary)
    layer = rng.choice(LAYERS)
    dependency = rng.choice(vocabulary.dependencies)
    return Operation(
        name=f"{words['base']}_{words['noun']}",
        layer=layer,
        logger=f"{vocabulary.package}.{layer}.{words['noun'] if layer != 'infrastructure' else dependency.client}",
        client=dependency.client,
        target=dependency.name,
        # one in eight waits for something slow, as every call of a language model does
        median_ms=rng.uniform(800, 2500) if rng.random() < 0.12 else math.exp(rng.uniform(math.log(6), math.log(160))),
        sigma=rng.uniform(0.25, 0.6),
    )
