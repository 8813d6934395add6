"""What happens in a sample without being an incident: beats, cron jobs, deploys, chronic errors, one-offs, blips.

Each function writes into an `Author` over a span; times are µs since the epoch, UTC. Sizes are kept below those of
`faults.py`: a one-off error comes once to three times, a blip has at most six warnings, a daily job at most doubles
the traffic (its first run could not be told from a burst otherwise), an hourly job may do more.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from random import Random

from fm_anomaly.evaluation.authors import Author, draw_strike
from fm_anomaly.evaluation.failures import plural
from fm_anomaly.evaluation.phrases import Phrase, address, email, hex_digits, token, uuid4
from fm_anomaly.evaluation.rendering import ERROR, INFO, WARN, Format
from fm_anomaly.evaluation.system import DAY_US, Service
from fm_anomaly.evaluation.truth import iso_from_us
from fm_anomaly.evaluation.vocabulary import Vocabulary

S_US = 1_000_000
MINUTE_US = 60 * S_US
Span = tuple[int, int]


def poisson(rng: Random, mean: float) -> int:
    """Draw from a Poisson distribution: Knuth's product below 30, the rounded normal above."""
    if mean > 30:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit, product, n = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        n += 1
    return n


def arrivals(rng: Random, span: Span, per_min: float) -> Iterator[int]:
    """Yield the times of a Poisson process of rate `per_min` a minute over the span, in order."""
    us = span[0] + int(rng.expovariate(per_min) * MINUTE_US)
    while us < span[1]:
        yield us
        us += int(rng.expovariate(per_min) * MINUTE_US) + 1


def write_beats(author: Author, span: Span) -> None:
    """Write heartbeats, GC and pool lines at their beats, and the probes of a health check."""
    rng, service = author.rng, author.service
    for beat in service.beats:
        us = span[0] + int(rng.random() * beat.period_s * S_US)
        while us < span[1]:
            text = beat.phrase.fill(rng)
            author.say(us + int(rng.random() * 0.02 * beat.period_s * S_US), INFO, f"{service.package}.runtime", text)
            us += int(beat.period_s * S_US)
    if service.is_api and service.rate_per_min >= 8:
        _write_probes(author, span)


def _write_probes(author: Author, span: Span) -> None:
    rng, step = author.rng, author.rng.choice((20, 30, 60)) * S_US
    for us in range(span[0] + int(rng.random() * step), span[1], step):
        probe = f'{address(rng)}:{40_000 + int(rng.random() * 9000)} - "GET /health HTTP/1.1" 200'
        if author.is_structured:
            author.say_raw(us, f"INFO:     {probe} OK")
        else:
            author.say(us, INFO, "access", probe)


def write_rare(author: Author, span: Span) -> None:
    """Write the long tail of ordinary messages: some come every few minutes, some once a day; and some with secrets."""
    rng, service = author.rng, author.service
    logger = f"{service.package}.{service.name}"
    for us in arrivals(rng, span, min(1.5, service.rate_per_min * 0.04)):
        phrase = rng.choices(service.rare, service.rare_weights)[0]
        author.say(us, INFO, logger, phrase.fill(rng, rng.lognormvariate(3, 0.5)))
    for us in arrivals(rng, span, 2 / 60):
        text = rng.choice(
            (
                f"login of {email(rng)} accepted from {address(rng)}",
                f"calling provider with header Authorization: {token(rng)}",
                "configuration read, " + "password" + "=" + hex_digits(rng, 12) + f" timeout={rng.randrange(5, 60)}",
            )
        )
        author.say(us, INFO, logger, text)


def write_foreign(author: Author, span: Span) -> None:
    """Write what stands between the records of a structured stream: bare text, and another logger's form."""
    rng, service = author.rng, author.service
    if author.fmt is not Format.FAULTMAVEN:
        return
    for us in arrivals(rng, span, min(1.0, service.rate_per_min * 0.01)):
        if rng.random() < 0.5:
            target = service.dependencies[0].name
            author.say_raw(us, f"Executing recovery strategy 'reconnect' for layer 'infrastructure' of {target}")
        else:
            at = iso_from_us(us).replace("T", " ").replace(".", ",")[:23]
            author.say_raw(
                us, f"{at} - {service.package}.auth - INFO - Token refreshed for session sess-{hex_digits(rng, 4)}"
            )


def write_chronic(author: Author, span: Span, phrase: Phrase, per_min: float) -> None:
    """Write the error that everybody knows, at its steady rate."""
    rng, service = author.rng, author.service
    for us in arrivals(rng, span, per_min):
        ctx = {"correlation_id": uuid4(rng)} if author.is_structured else {}
        author.say(us, ERROR, f"{service.package}.{service.name}.jobs", phrase.fill(rng), ctx=ctx)


def write_one_offs(author: Author, span: Span, per_day: float) -> None:
    """Write rare errors and warnings: each is said once (rarely two or three times), at most a few of a kind a day."""
    rng, service = author.rng, author.service
    logger = f"{service.package}.{service.name}"
    for us in arrivals(rng, span, per_day / 1440):
        level, phrase = rng.choice(service.one_offs)
        for i in range(rng.choices((1, 2, 3), (80, 15, 5))[0]):
            author.say(us + i * int(rng.random() * 20 * S_US), level, logger, phrase.fill(rng))
    for us in arrivals(rng, span, 2 / 1440):
        strike = draw_strike(rng, service.sporadic, 0.5, 1)
        message = strike.failure.text.fill(rng)
        trace = strike.failure.traceback(message) if strike.has_trace else None
        author.say(us, ERROR, logger, strike.failure.intro + message, trace=trace)


def write_blips(author: Author, span: Span, per_day: float) -> None:
    """Write short stumbles: two to six warnings of retries within some 20 s, then all is well."""
    rng, service = author.rng, author.service
    target = service.dependencies[0].host
    for us in arrivals(rng, span, per_day / 1440):
        for i in range(rng.randint(2, 6)):
            text = f"connection to {target} reset by peer, retry {1 + i % 3} of 3"
            author.say(us + int(rng.random() * 20 * S_US), WARN, f"{service.package}.{service.name}", text)


def cron_times(rng: Random, span: Span, period_us: int, offset_us: int, jitter_s: float = 4.0) -> Iterator[int]:
    """Yield the starts of a job that runs every `period_us` at `offset_us` past it, up to `jitter_s` late each time."""
    first = span[0] - span[0] % period_us + offset_us
    for us in range(first, span[1], period_us):
        if us >= span[0]:
            yield us + int(rng.random() * jitter_s * S_US)


def write_cron_run(author: Author, us: int, job: str, noun: str, n_items: int, length_us: int) -> None:
    """Write one run of a cron job: its start, `n_items` lines over `length_us`, its end."""
    rng = author.rng
    logger = f"{author.service.package}.cron"
    write_cron_start(author, us, job)
    for i in range(n_items):
        at = us + (i + 1) * length_us // (n_items + 2) + int(rng.random() * 200_000)
        author.say(at, INFO, logger, f"{job}: {noun} {1000 + int(rng.random() * 90000)} handled")
    author.say(us + length_us, INFO, logger, f"{job} finished, {n_items} {plural(noun)} in {length_us / S_US:.1f}s")


def write_cron_start(author: Author, us: int, job: str) -> None:
    """Write that a cron job has been started."""
    author.say(us, INFO, f"{author.service.package}.cron", f"{job} started by scheduler")


def write_restart(author: Author, us: int, version: str) -> int:
    """Write a deploy: the going down, a lull of some seconds, the coming up with `version`; return when it is up."""
    rng, service = author.rng, author.service
    up = us + int(rng.uniform(4, 15) * S_US)
    pid = rng.randrange(2, 400)
    down = ("Shutting down", "Waiting for connections to close.", f"Finished server process [{pid}]")
    rise = (f"Started server process [{pid + 7}]", "Waiting for application startup.", "Application startup complete.")
    for base, texts in ((us, down), (up, rise)):
        for i, text in enumerate(texts):
            if author.is_structured:
                author.say_raw(base + i * 90_000, f"INFO:     {text}")
            else:
                author.say(base + i * 90_000, INFO, f"{service.package}.server", text)
    text = f"starting {service.name} version {version} (build {hex_digits(rng, 7)})"
    author.say(up + 300_000, INFO, f"{service.package}.server", text)
    return up + 300_001


def chronic_of(rng: Random, vocabulary: Vocabulary, service: Service) -> tuple[Phrase, float]:
    """Draw the chronic error of a service: its message and its rate a minute, 0.3 to 1.2 and at most a fifth of all."""
    noun = rng.choice(vocabulary.nouns)
    phrase = Phrase(rng.choice(vocabulary.chronic), {"noun": noun})
    return phrase, min(rng.uniform(0.3, 1.2), service.rate_per_min / 5)


def daily_offset_us(rng: Random) -> int:
    """Draw the time of day of a daily job: on a full or half hour of the night or the early morning."""
    return rng.randrange(2, 16) * DAY_US // 48
