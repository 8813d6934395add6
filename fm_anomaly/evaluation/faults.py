"""The incidents that are planted into a sample: drawn sizes, where they fall, and whom they hit.

What makes each one detectable, however it is drawn (r is the service's expected records a minute at that hour):

outage       a dependency is down: 40–95 % of the flows of one or two services fail, at least `MIN_ERRORS` errors never
             seen before, some or all with tracebacks.
new_error    a deploy brings a bug: 4–40 % of the flows fail until the rollback, at least `MIN_ERRORS` errors.
latency      durations of one service climb to 4–12× over 10–25 min, and stay there; timed records:
             at least `MIN_TIMED_PER_MIN`.
silence      a service writes nothing at all, heartbeats included, for so long that `MIN_MISSING` records are missing.
volume_drop  flows fall to 3–20 % while heartbeats go on; at least `MIN_MISSING` records missing, r ≥ 10.
burst        one message that was always there comes at 4 r (and 60) a minute or more, for 2–8 min.
cascade      one error is logged by three layers of the root, and as an upstream error by those who call it.

Planted only where they are asked for:

missed_job   a job that has run `MIN_RUNS` times or more, every 5 to 60 min, does not run once to four times; of three
             such one is started and then hangs.
silent_worker  a worker hangs: no jobs, at least `MIN_UNDONE` records missing; or as many as of a volume_drop,
             and its heartbeats, if they are few, go on.
slow_latency durations of one service climb to 3–8× over 30–50 min.

None falls into the first hours of a sample (nothing is learned yet), and two never lie closer than `GAP_MIN` minutes.
One-off errors, blips, the chronic error, cron jobs and plain deploys (`noise.py`) are no incidents, and smaller.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from fm_anomaly.evaluation.failures import Failure, bug_failure, caller_failure, dependency_failure
from fm_anomaly.evaluation.phrases import Phrase
from fm_anomaly.evaluation.system import Service, System
from fm_anomaly.evaluation.truth import DRAWN, FaultKind

MIN_ERRORS = 25
MIN_MISSING = 80
MIN_TIMED_PER_MIN = 5.0
MIN_RUNS = 30
MIN_UNDONE = 40
BEATS_SHARE = 0.3
"""Heartbeats that go on in a worker that hangs are at most this share of its records."""
GAP_MIN = 60
MINUTE_US = 60_000_000


@dataclass(frozen=True, slots=True)
class Job:
    """A job that the fault's root runs all through the sample, at `offset_us` past each `period_us`."""

    text: str
    noun: str
    n_items: int
    length_us: int
    period_us: int
    offset_us: int
    jitter_s: float
    is_hung: bool
    """Whether the first run that is missed is started, and then says no more."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One planted incident as the traffic sees it. Factors are 1 and shares 0 where it does not touch them.

    `failures` and `shares` are by service: how its flows fail, and which share of them. `rate` multiplies flows,
    `slow` durations (reached after `ramp_us`); `burst` comes `burst_per_min` times a minute on top; `job` does not run.
    `is_mute` says that nothing at all is written.
    """

    kind: FaultKind
    start_us: int
    end_us: int
    root: str
    services: tuple[str, ...]
    description: str
    failures: Mapping[str, Failure] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)
    trace_share: float = 0.0
    n_layers: int = 1
    rate: float = 1.0
    slow: float = 1.0
    ramp_us: int = 1
    burst: Phrase | None = None
    burst_per_min: float = 0.0
    job: Job | None = None
    is_mute: bool = False

    def slow_at(self, us: int) -> float:
        """Return the factor on durations at `us`: a straight climb over the ramp, then level."""
        return 1.0 + (self.slow - 1.0) * min(1.0, (us - self.start_us) / self.ramp_us)


@dataclass(frozen=True, slots=True)
class _Site:
    """Where a fault is tried: its start, the room it has, and what is known of the traffic there."""

    rng: Random
    system: System
    since_us: int
    start_us: int
    room_min: float
    lines_per_flow: Mapping[str, float]
    timed_per_flow: float

    def rate(self, service: Service) -> float:
        return service.rate_per_min * service.season.factor(self.start_us)

    def flows(self, service: Service) -> float:
        return self.rate(service) / self.lines_per_flow[service.name]

    def shuffled(self) -> list[Service]:
        return self.rng.sample(self.system.services, len(self.system.services))

    def end_us(self, minutes: float) -> int:
        return self.start_us + int(minutes * MINUTE_US)


def draw_faults(
    rng: Random,
    system: System,
    span_us: tuple[int, int],
    kinds: Sequence[FaultKind],
    lines_per_flow: Mapping[str, float],
    timed_per_flow: float,
) -> tuple[Fault, ...]:
    """Plant one fault of each of `kinds`, in a drawn order, in even slots of the span after its first hours.

    A kind for which the traffic of a slot is too thin is replaced by another; where none fits, the slot stays empty.
    """
    start, end = span_us
    lead = max(min(2 * 3_600_000_000, (end - start) // 4), (end - start) * 15 // 100)
    slot = (end - 20 * MINUTE_US - start - lead) // max(1, len(kinds))
    faults = []
    for i, kind in enumerate(rng.sample(kinds, len(kinds))):
        room_us = slot - GAP_MIN * MINUTE_US
        if room_us < 15 * MINUTE_US:
            break
        begin = start + lead + i * slot + int(rng.random() * max(0, room_us - 45 * MINUTE_US))
        room_min = (start + lead + i * slot + room_us - begin) / MINUTE_US
        site = _Site(rng, system, start, begin, min(75.0, room_min), lines_per_flow, timed_per_flow)
        others = [k for k in DRAWN if k is not kind]
        tries = (_DRAWS[k](site) for k in (kind, *rng.sample(others, len(others))))
        fault = next((f for f in tries if f is not None), None)
        if fault is not None:
            faults.append(fault)
    return tuple(faults)


def _log_uniform(rng: Random, low: float, high: float) -> float:
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def _outage(site: _Site) -> Fault | None:
    rng, share = site.rng, site.rng.uniform(0.4, 0.95)
    for service in site.shuffled():
        need = MIN_ERRORS / (site.flows(service) * share)
        minutes = max(_log_uniform(rng, 2, 20), need)
        if minutes > min(40.0, site.room_min):
            continue
        dependency = service.dependencies[0]
        hit = [service, *[s for s in site.system.services if s is not service and dependency in s.dependencies[:1]]][:2]
        vocabulary = site.system.vocabulary
        return Fault(
            FaultKind.OUTAGE,
            site.start_us,
            site.end_us(minutes),
            service.name,
            tuple(s.name for s in hit),
            f"{dependency.name} ({dependency.host}:{dependency.port}) down, {share:.0%} of {service.name} fails",
            failures={s.name: dependency_failure(rng, vocabulary, s.name, s.language, dependency) for s in hit},
            shares={s.name: share for s in hit},
            trace_share=rng.choice((0.3, 0.6, 1.0)),
        )
    return None


def _new_error(site: _Site) -> Fault | None:
    rng, drawn = site.rng, _log_uniform(site.rng, 0.04, 0.4)
    for service in site.shuffled():
        # a share that would show too rarely in thin traffic is raised as far as is allowed
        share = min(0.4, max(drawn, 1.2 * MIN_ERRORS / (site.flows(service) * site.room_min)))
        minutes = max(rng.uniform(10, 45), MIN_ERRORS / (site.flows(service) * share))
        if minutes > site.room_min:
            continue
        bug = rng.choice(site.system.vocabulary.bugs)
        failure = bug_failure(rng, site.system.vocabulary, service.name, service.language, bug)
        return Fault(
            FaultKind.NEW_ERROR,
            site.start_us,
            site.end_us(minutes),
            service.name,
            (service.name,),
            f"a deploy of {service.name} brings {failure.error_type} in {share:.0%} of its flows, then rolled back",
            failures={service.name: failure},
            shares={service.name: share},
            trace_share=rng.choice((0.5, 1.0)),
        )
    return None


def _latency(site: _Site) -> Fault | None:
    rng, slow, ramp = site.rng, _log_uniform(site.rng, 4, 12), site.rng.uniform(10, 25)
    return _slower(site, FaultKind.LATENCY, slow, ramp, ramp + rng.uniform(15, 40))


def _slow_latency(site: _Site) -> Fault | None:
    rng, slow, ramp = site.rng, _log_uniform(site.rng, 3, 8), site.rng.uniform(30, 50)
    return _slower(site, FaultKind.SLOW_LATENCY, slow, ramp, ramp + rng.uniform(10, 25))


def _slower(site: _Site, kind: FaultKind, slow: float, ramp: float, minutes: float) -> Fault | None:
    for service in site.shuffled():
        if site.flows(service) * site.timed_per_flow < MIN_TIMED_PER_MIN or minutes > site.room_min:
            continue
        return Fault(
            kind,
            site.start_us,
            site.end_us(minutes),
            service.name,
            (service.name,),
            f"durations of {service.name} climb to {slow:.1f}x within {ramp:.0f} min",
            slow=slow,
            ramp_us=int(ramp * MINUTE_US),
        )
    return None


def _silence(site: _Site) -> Fault | None:
    for service in site.shuffled():
        minutes = max(site.rng.uniform(8, 40), MIN_MISSING / site.rate(service))
        if site.rate(service) < 3 or minutes > site.room_min:
            continue
        return Fault(
            FaultKind.SILENCE,
            site.start_us,
            site.end_us(minutes),
            service.name,
            (service.name,),
            f"{service.name} hangs and writes nothing for {minutes:.0f} min",
            rate=0.0,
            is_mute=True,
        )
    return None


def _volume_drop(site: _Site) -> Fault | None:
    rate = site.rng.uniform(0.03, 0.2)
    for service in site.shuffled():
        minutes = max(site.rng.uniform(12, 40), 1.3 * MIN_MISSING / site.rate(service))
        if site.rate(service) < 10 or minutes > site.room_min:
            continue
        return Fault(
            FaultKind.VOLUME_DROP,
            site.start_us,
            site.end_us(minutes),
            service.name,
            (service.name,),
            f"traffic of {service.name} falls to {rate:.0%}, heartbeats go on",
            rate=rate,
        )
    return None


def _burst(site: _Site) -> Fault | None:
    rng, minutes = site.rng, site.rng.uniform(2, 8)
    service = rng.choice(site.system.services)
    per_min = min(900.0, max(60.0, site.rate(service) * _log_uniform(rng, 4, 9)))
    # a message that every flow of the commonest activities says: it is known long before
    phrase = next((a.steps[0] for a in service.activities[:3] if a.steps), service.rare[0])
    if minutes > site.room_min or per_min < 3 * site.rate(service):
        return None
    return Fault(
        FaultKind.BURST,
        site.start_us,
        site.end_us(minutes),
        service.name,
        (service.name,),
        f"{service.name} says one message {per_min:.0f} times a minute: {phrase.text}",
        burst=phrase,
        burst_per_min=per_min,
    )


def _cascade(site: _Site) -> Fault | None:
    rng, share = site.rng, site.rng.uniform(0.4, 0.9)
    for service in site.shuffled():
        minutes = max(_log_uniform(rng, 3, 20), MIN_ERRORS / (site.flows(service) * share))
        others = [s.name for s in site.system.services if s is not service]
        callers = site.system.callers[service.name] or tuple(others[:1])
        if minutes > min(40.0, site.room_min) or not callers:
            continue
        vocabulary = site.system.vocabulary
        dependency = rng.choice(service.dependencies)
        failures = {service.name: dependency_failure(rng, vocabulary, service.name, service.language, dependency)}
        shares = {service.name: share}
        for caller in callers[:3]:
            language = site.system.service(caller).language
            failures[caller] = caller_failure(rng, vocabulary, caller, language, service.name)
            shares[caller] = share * rng.uniform(0.4, 0.9)
        return Fault(
            FaultKind.CASCADE,
            site.start_us,
            site.end_us(minutes),
            service.name,
            tuple(failures),
            f"{dependency.name} fails {service.name} through three layers, and with it {', '.join(callers[:3])}",
            failures=failures,
            shares=shares,
            trace_share=rng.choice((0.3, 1.0)),
            n_layers=3,
        )
    return None


def _missed_job(site: _Site) -> Fault | None:
    rng, vocabulary = site.rng, site.system.vocabulary
    period = rng.choice((5, 10, 15, 20, 30, 60))
    service = rng.choice(site.system.services)
    n_missed = min(rng.randint(2 if period < 15 else 1, 4), int(site.room_min // period))
    begun = site.start_us + -site.start_us % (period * MINUTE_US) + rng.randrange(period) * MINUTE_US
    if n_missed < 1 or (begun - site.since_us) < MIN_RUNS * period * MINUTE_US:
        return None
    noun = rng.choice(vocabulary.nouns)
    job = Job(
        f"{rng.choice(vocabulary.jobs)} of {noun}",
        noun,
        rng.randint(0, 10),
        int(rng.uniform(1, 40) * 1_000_000),
        period * MINUTE_US,
        begun % (period * MINUTE_US),
        rng.uniform(1, 0.04 * period * 60),
        rng.random() < 1 / 3,
    )
    how = "hangs" if job.is_hung else "is not started"
    return Fault(
        FaultKind.MISSED_JOB,
        begun,
        begun + n_missed * period * MINUTE_US,
        service.name,
        (service.name,),
        f"{job.text}, every {period} min in {service.name}, {how}: {n_missed} runs are missed",
        job=job,
    )


def _silent_worker(site: _Site) -> Fault | None:
    for service in site.shuffled():
        beats = sum(60 / beat.period_s for beat in service.beats)
        is_mute = site.rng.random() < 0.5 or beats > BEATS_SHARE * site.rate(service)
        least = MIN_UNDONE if is_mute else 1.3 * MIN_MISSING
        minutes = max(site.rng.uniform(10, 60), least / site.rate(service))
        if service.is_api or minutes > site.room_min:
            continue
        still = "and writes nothing" if is_mute else "and does nothing, its heartbeats go on"
        return Fault(
            FaultKind.SILENT_WORKER,
            site.start_us,
            site.end_us(minutes),
            service.name,
            (service.name,),
            f"the worker {service.name} hangs {still}, for {minutes:.0f} min at {site.rate(service):.1f} a minute",
            rate=0.0,
            is_mute=is_mute,
        )
    return None


_DRAWS: dict[FaultKind, Callable[[_Site], Fault | None]] = {
    FaultKind.OUTAGE: _outage,
    FaultKind.NEW_ERROR: _new_error,
    FaultKind.LATENCY: _latency,
    FaultKind.SILENCE: _silence,
    FaultKind.VOLUME_DROP: _volume_drop,
    FaultKind.BURST: _burst,
    FaultKind.CASCADE: _cascade,
    FaultKind.MISSED_JOB: _missed_job,
    FaultKind.SILENT_WORKER: _silent_worker,
    FaultKind.SLOW_LATENCY: _slow_latency,
}
