"""The sample generator: writes the logs of a drawn system over days, with planted incidents and the truth about them.

Seeded and byte-for-byte repeatable: every draw comes from `random.Random` (Mersenne twister, whose ``random`` and
``getrandbits`` are the same in all versions of Python), seeded with text, so that PYTHONHASHSEED plays no part. It
imports nothing of `core`: what it tests must not share code with it.

Traffic of a service: flows a minute are Poisson around a rate that is the product of the season (hour, weekday), a slow
log-normal wander, and a gamma factor drawn each minute; so counts are negative binomial, and bursty as real ones are.
"""

from __future__ import annotations

import gzip
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from fm_anomaly.evaluation import noise
from fm_anomaly.evaluation.authors import Author, draw_strike
from fm_anomaly.evaluation.faults import MINUTE_US, Fault, Job, draw_faults
from fm_anomaly.evaluation.flows import write_flow
from fm_anomaly.evaluation.rendering import STRUCTURED, Format, renderer
from fm_anomaly.evaluation.system import DAY_US, Service, System, draw_system
from fm_anomaly.evaluation.truth import DRAWN, FaultKind, KnownError, PlantedIncident, SampleFile, Truth, iso_from_us
from fm_anomaly.evaluation.vocabulary import VOCABULARIES

TRUTH_NAME = "truth.json"


@dataclass(frozen=True, slots=True)
class GeneratorParams:
    """What a sample is made from; a value of None (or of no length) is drawn from the seed.

    `start` is ISO 8601 UTC; `kinds` plants one incident of each kind named, and wins over `n_incidents`; `rates` are
    records a minute of each service, APIs first; `max_lines` scales drawn rates down, roughly, not below 2 a minute.
    """

    seed: int = 0
    days: float = 2.0
    start: str | None = None
    vocabulary: str | None = None
    format: Format | str | None = None
    n_services: int | None = None
    n_incidents: int | None = None
    kinds: tuple[FaultKind | str, ...] = ()
    rates: tuple[float, ...] = ()
    max_lines: int = 300_000
    is_merged: bool | None = None
    is_compressed: bool = False


@dataclass(slots=True)
class _Tally:
    """Lines, errors and tracebacks that a fault wrote."""

    n_lines: int = 0
    n_errors: int = 0
    n_tracebacks: int = 0


@dataclass(slots=True)
class _Sample:
    """A sample in the making: what was drawn, the authors by service, and what was noted on the way."""

    params: GeneratorParams
    fmt: Format
    is_merged: bool
    system: System
    span: noise.Span
    authors: dict[str, Author]
    faults: tuple[Fault, ...]
    tallies: tuple[_Tally, ...]
    mutes: dict[str, list[noise.Span]]
    known: list[KnownError] = field(default_factory=list)
    events: list[dict[str, str]] = field(default_factory=list)


def generate(params: GeneratorParams, out_dir: Path) -> Truth:
    """Write a sample's log files and its `truth.json` into `out_dir` (made if absent), and return the truth.

    Cost: about 10 µs a line and 0.6 kB of memory for each line of the sample.

    Raises
    ------
    KeyError, ValueError
        If `params.vocabulary`, its format or a kind is none that exists.
    OSError
        If `out_dir` cannot be written.
    """
    rng = Random(f"sample/{params.seed}")
    sample = _draw(rng, params)
    for service in sample.system.services:
        _write_service(rng, sample, service)
    _write_jobs(rng, sample)
    _mute_and_restart(rng, sample)
    out_dir.mkdir(parents=True, exist_ok=True)
    truth = _truth(sample, _write_files(sample, out_dir))
    (out_dir / TRUTH_NAME).write_text(truth.to_json(), encoding="utf-8", newline="\n")
    return truth


def _draw(rng: Random, params: GeneratorParams) -> _Sample:
    # every draw happens whether its value is given or not: giving one must not change the others
    drawn = (rng.choice(list(VOCABULARIES)), rng.choice(list(Format)), rng.randint(2, 7), rng.randrange(500))
    vocabulary = VOCABULARIES[params.vocabulary or drawn[0]]
    fmt = Format(params.format or drawn[1])
    # only records that name their service share a file, unless asked for
    is_merged = rng.random() < 0.5 and fmt in (Format.PLAIN, Format.LOGFMT)
    is_merged = is_merged if params.is_merged is None else params.is_merged
    n_services = len(params.rates) or params.n_services or drawn[2]
    start = _start_us(params.start, drawn[3])
    span = (start, start + int(params.days * DAY_US))
    mean_rate = 0.8 * params.max_lines / (params.days * 1440) / n_services
    system = draw_system(rng, vocabulary, n_services, mean_rate, params.rates)
    authors = {}
    for s in system.services:
        own = Random(f"{params.seed}/{s.name}")
        authors[s.name] = Author(s, fmt, renderer(fmt, s.name, Random(f"look/{params.seed}"), is_shared=is_merged), own)
    lines_per_flow = {s.name: _lines_per_flow(s, fmt) for s in system.services}
    faults = draw_faults(rng, system, span, _kinds(rng, params), lines_per_flow, 2.5 if fmt in STRUCTURED else 1.0)
    mutes: dict[str, list[noise.Span]] = {s.name: [] for s in system.services}
    tallies = tuple(_Tally() for _ in faults)
    return _Sample(params, fmt, is_merged, system, span, authors, faults, tallies, mutes)


def _start_us(start: str | None, day: int) -> int:
    if start is None:
        return (20_089 + day) * DAY_US  # some midnight from 1 January 2025 on
    at = datetime.fromisoformat(start)
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()) * 1_000_000


def _kinds(rng: Random, params: GeneratorParams) -> tuple[FaultKind, ...]:
    most = max(1, round(params.days * 2.5))
    n = rng.choice((0, *range(1, most + 1), *range(1, most + 1)))
    every = rng.sample(DRAWN, len(DRAWN))
    if params.kinds:
        return tuple(FaultKind(k) for k in params.kinds)
    n = n if params.n_incidents is None else params.n_incidents
    return tuple(every[i % len(every)] for i in range(n))


def _lines_per_flow(service: Service, fmt: Format) -> float:
    """Measure what a flow of the service writes on average, by writing some to nobody."""
    author = Author(service, fmt, lambda *_: "", Random(f"measure/{service.name}"))
    for _ in range(200):
        write_flow(author, 0, author.rng.choices(service.activities, service.weights)[0], 1.0, None)
    return author.n_lines / 200


def _write_service(rng: Random, sample: _Sample, service: Service) -> None:
    author, span = sample.authors[service.name], sample.span
    _write_traffic(sample, service)
    noise.write_beats(author, span)
    noise.write_rare(author, span)
    noise.write_foreign(author, span)
    noise.write_one_offs(author, span, rng.uniform(0.5, 4.0))
    noise.write_blips(author, span, rng.uniform(0.5, 3.0))


def _write_traffic(sample: _Sample, service: Service) -> None:
    author = sample.authors[service.name]
    rng, shape = author.rng, service.dispersion
    faults = [(f, t) for f, t in zip(sample.faults, sample.tallies, strict=True) if service.name in f.services]
    base = service.rate_per_min / _lines_per_flow(service, sample.fmt)
    level = 0.0
    for minute in range(sample.span[0], sample.span[1], MINUTE_US):
        level = 0.98 * level + rng.gauss(0.0, service.wander)
        mean = base * service.season.factor(minute) * math.exp(level) * rng.gammavariate(shape, 1.0 / shape)
        near = [(f, t) for f, t in faults if f.start_us < minute + MINUTE_US and minute < f.end_us]
        for _ in range(noise.poisson(rng, mean)):
            _write_one(author, minute + int(rng.random() * MINUTE_US), near)
        for fault, tally in near:
            if fault.burst is not None:
                _write_burst(author, minute, fault, tally)


def _write_one(author: Author, us: int, near: list[tuple[Fault, _Tally]]) -> None:
    rng, service = author.rng, author.service
    activity = rng.choices(service.activities, service.weights)[0]
    slow, strike, blamed = 1.0, None, None
    for fault, tally in near:
        if not fault.start_us <= us < fault.end_us:
            continue
        if rng.random() >= fault.rate:
            return
        share = fault.shares.get(service.name, 0.0)
        if rng.random() < share:
            n_layers = fault.n_layers if service.name == fault.root else 1
            strike, blamed = draw_strike(rng, fault.failures[service.name], fault.trace_share, n_layers), tally
        elif fault.slow > 1.0:
            slow, blamed = fault.slow_at(us), tally
    if strike is None and rng.random() < service.sporadic_share:
        strike = draw_strike(rng, service.sporadic, 0.5, 1)
    if blamed is None:
        write_flow(author, us, activity, slow, strike)
        return
    before = author.n_lines, author.n_errors, author.n_tracebacks
    write_flow(author, us, activity, slow, strike)
    _count(blamed, author, before)


def _write_burst(author: Author, minute: int, fault: Fault, tally: _Tally) -> None:
    rng, phrase = author.rng, fault.burst
    before = author.n_lines, author.n_errors, author.n_tracebacks
    activity = next((a for a in author.service.activities if phrase in a.steps), author.service.activities[0])
    for _ in range(noise.poisson(rng, fault.burst_per_min)):
        us = minute + int(rng.random() * MINUTE_US)
        if phrase is not None and fault.start_us <= us < fault.end_us:
            author.say(us, 1, activity.logger, phrase.fill(rng))
    _count(tally, author, before)


def _count(tally: _Tally, author: Author, before: tuple[int, int, int]) -> None:
    tally.n_lines += author.n_lines - before[0]
    tally.n_errors += author.n_errors - before[1]
    tally.n_tracebacks += author.n_tracebacks - before[2]


def _write_jobs(rng: Random, sample: _Sample) -> None:
    """Write the chronic error and the cron jobs: a small one several times a day or an hour, and a daily one."""
    services, vocabulary = sample.system.services, sample.system.vocabulary
    service = services[-1]
    phrase, per_min = noise.chronic_of(rng, vocabulary, service)
    noise.write_chronic(sample.authors[service.name], sample.span, phrase, per_min)
    sample.known.append(KnownError(service.name, phrase.text, round(per_min, 3)))
    small, daily = rng.sample(vocabulary.jobs, 2)
    noun = rng.choice(vocabulary.nouns)
    runner = rng.choice(services)
    period = rng.choice((15, 30, 60)) * MINUTE_US
    n_items = rng.randint(5, 40)
    for us in noise.cron_times(rng, sample.span, period, rng.randrange(period // MINUTE_US) * MINUTE_US):
        _run_cron(sample, runner, us, small, (noun, n_items, rng.randint(20, 70) * 1_000_000))
    runner = max(services, key=lambda s: s.rate_per_min)
    minutes = rng.uniform(1.5, 5.0)
    n_items = round(minutes * runner.rate_per_min * 0.4)
    for us in noise.cron_times(rng, sample.span, DAY_US, noise.daily_offset_us(rng)):
        _run_cron(sample, runner, us, daily, (noun, n_items, int(minutes * MINUTE_US)))
        sample.events.append({"kind": "cron", "service": runner.name, "at": iso_from_us(us)})
    for fault in sample.faults:
        if fault.job is not None:
            _write_missed_job(sample, fault, fault.job)


def _write_missed_job(sample: _Sample, fault: Fault, job: Job) -> None:
    """Write the runs of a fault's job, but those that it misses."""
    author = sample.authors[fault.root]
    for us in noise.cron_times(author.rng, sample.span, job.period_us, job.offset_us, job.jitter_s):
        planned = us - (us - job.offset_us) % job.period_us
        if not fault.start_us <= planned < fault.end_us:
            noise.write_cron_run(author, us, job.text, job.noun, job.n_items, job.length_us)
        elif job.is_hung and planned == fault.start_us:
            noise.write_cron_start(author, us, job.text)


def _run_cron(sample: _Sample, runner: Service, us: int, job: str, run: tuple[str, int, int]) -> None:
    noise.write_cron_run(sample.authors[runner.name], us, job, *run)


def _mute_and_restart(rng: Random, sample: _Sample) -> None:
    """Cut out silences and lulls, then write the lines of the deploys: they are what breaks a lull."""
    deploys = sorted(_deploys(rng, sample))
    restarts = []
    for us, name in deploys:
        author = sample.authors[name]
        n = len(author.lines)
        up = noise.write_restart(author, us, f"1.{rng.randrange(9)}.{rng.randrange(30)}")
        restarts.append((name, author.lines[n:]))
        del author.lines[n:]
        sample.mutes[name].append((us, up))
        sample.events.append({"kind": "deploy", "service": name, "at": iso_from_us(us)})
    for fault in sample.faults:
        if fault.is_mute:
            sample.mutes[fault.root].append((fault.start_us, fault.end_us))
    end = sample.span[1]
    for name, author in sample.authors.items():
        lines = [line for line in author.lines if line[0] < end]
        for down, up in sample.mutes[name]:
            lines = [line for line in lines if not down <= line[0] < up]
        author.lines = lines
    for name, lines in restarts:
        sample.authors[name].lines.extend(lines)


def _deploys(rng: Random, sample: _Sample) -> Iterable[tuple[int, str]]:
    quiet = 30 * MINUTE_US
    for service in sample.system.services:
        for us in noise.arrivals(rng, sample.span, rng.uniform(0.2, 1.2) / 1440):
            if all(us < f.start_us - quiet or us > f.end_us + quiet for f in sample.faults):
                yield us, service.name
    for fault in sample.faults:
        if fault.kind is FaultKind.NEW_ERROR:
            yield fault.start_us - 20_000_000, fault.root
            yield fault.end_us, fault.root


def _write_files(sample: _Sample, out_dir: Path) -> tuple[SampleFile, ...]:
    names = [s.name for s in sample.system.services]
    if sample.is_merged:
        merged = [(order, i, seq, text) for i, n in enumerate(names) for order, seq, text in sample.authors[n].lines]
        merged.sort()
        texts = [text for _, _, _, text in merged]
        return (_write_file(sample.params, out_dir, sample.system.vocabulary.name, "", texts),)
    files = []
    for name in names:
        texts = [text for _, _, text in sorted(sample.authors[name].lines)]
        files.append(_write_file(sample.params, out_dir, name, name, texts))
    return tuple(files)


def _write_file(params: GeneratorParams, out_dir: Path, stem: str, service: str, texts: list[str]) -> SampleFile:
    body = "\n".join([*texts, ""])
    name = f"{stem}.log.gz" if params.is_compressed else f"{stem}.log"
    raw = body.encode()
    # no time and no name in the gzip header: the same bytes whenever it is made
    (out_dir / name).write_bytes(gzip.compress(raw, 9, mtime=0) if params.is_compressed else raw)
    return SampleFile(name, service, body.count("\n"))


def _truth(sample: _Sample, files: tuple[SampleFile, ...]) -> Truth:
    planted = tuple(
        PlantedIncident(
            i + 1,
            str(f.kind),
            iso_from_us(f.start_us),
            iso_from_us(f.end_us),
            f.root,
            f.services,
            f.description,
            t.n_lines,
            t.n_errors,
            t.n_tracebacks,
        )
        for i, (f, t) in enumerate(zip(sample.faults, sample.tallies, strict=True))
    )
    return Truth(
        seed=sample.params.seed,
        vocabulary=sample.system.vocabulary.name,
        format=str(sample.fmt),
        start=iso_from_us(sample.span[0]),
        end=iso_from_us(sample.span[1]),
        services=tuple(s.name for s in sample.system.services),
        files=files,
        incidents=planted,
        known=tuple(sample.known),
        events=tuple(sorted(sample.events, key=lambda e: (e["at"], e["service"], e["kind"]))),
    )
