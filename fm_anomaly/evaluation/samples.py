"""The evaluation over generated samples: of many seeds, how much of what was planted does a scan find, and what else?

The scan is given as a callable from log files to the dict of ``scan --json``; this module makes samples, scores and
sums up. It knows nothing of how a scan works.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from fm_anomaly.evaluation.generator import GeneratorParams, generate
from fm_anomaly.evaluation.rendering import Format
from fm_anomaly.evaluation.truth import FaultKind, Match, Truth, score
from fm_anomaly.evaluation.vocabulary import VOCABULARIES

FIRST_SEED = 3_000
"""Seeds from here on are for reporting; detectors are developed on those below."""

Scan = Callable[[list[Path]], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class ScannedSample:
    """One sample's truth and how the scan of it matched."""

    truth: Truth
    match: Match


@dataclass(frozen=True, slots=True)
class SamplesReport:
    """Scanned samples, in the order of their seeds, and the figures over all of them."""

    samples: tuple[ScannedSample, ...]

    @property
    def n_planted(self) -> int:
        """Planted incidents of all samples."""
        return sum(len(s.truth.incidents) for s in self.samples)

    @property
    def found_share(self) -> float:
        """Share of the planted incidents that were found; 1 where none was planted."""
        return sum(len(s.match.found) for s in self.samples) / self.n_planted if self.n_planted else 1.0

    @property
    def root_share(self) -> float:
        """Share of the found incidents with the root service named; 1 where none was found."""
        found = [f for s in self.samples for f in s.match.found]
        return sum(f.is_root_named for f in found) / len(found) if found else 1.0

    @property
    def days(self) -> float:
        """Sample-days scanned."""
        return sum(s.truth.days for s in self.samples)

    @property
    def false_per_10_days(self) -> float:
        """False incidents in ten sample-days."""
        return 10.0 * sum(len(s.match.false) for s in self.samples) / self.days if self.days else 0.0

    @property
    def split_share(self) -> float:
        """Incidents beyond the first for each planted one that was found, on average; 0 is best."""
        n_found = sum(len(s.match.found) for s in self.samples)
        return sum(s.match.split for s in self.samples) / n_found if n_found else 0.0

    def found_by_kind(self) -> dict[str, tuple[int, int]]:
        """Return (found, planted) of each kind that was planted, in the order of `FaultKind`."""
        found = [f.planted.kind for s in self.samples for f in s.match.found]
        planted = [p.kind for s in self.samples for p in s.truth.incidents]
        return {str(k): (found.count(k), planted.count(k)) for k in FaultKind if k in planted}

    def table(self) -> str:
        """Return the report as plain text: a line a kind, then the figures over all, then misses and false ones."""
        rows = [f"{'kind':<12} {'found':>7}  planted"]
        rows += [f"{kind:<12} {n:>7}  {of:>7}" for kind, (n, of) in self.found_by_kind().items()]
        rows += [
            "",
            f"samples {len(self.samples)}, {self.days:.1f} days, {sum(s.truth.n_lines for s in self.samples):,} lines",
            f"found {self.found_share:.1%} of {self.n_planted}, root named in {self.root_share:.1%} of them",
            f"false {self.false_per_10_days:.2f} in 10 sample-days, {1 + self.split_share:.2f} incidents a matter",
        ]
        return "\n".join([*rows, *self._misses(), *self._false()])

    def _misses(self) -> list[str]:
        return [
            f"missed  seed {s.truth.seed} {p.start[:19]} {p.kind} {p.root}: {p.description}"
            for s in self.samples
            for p in s.match.missed
        ]

    def _false(self) -> list[str]:
        return [
            f"false   seed {s.truth.seed} {f['start'][:19]} {f['kind']} {','.join(f['services'])}: {f['title']}"
            for s in self.samples
            for f in s.match.false
        ]


def sample_params(seed: int, vocabularies: Sequence[str], max_lines: int = 200_000) -> GeneratorParams:
    """Return the parameters of the evaluation's sample of that seed.

    Vocabularies and formats take turns, every fifth sample has no incident in it, and lengths are one or two days;
    services, rates and incidents are drawn by the generator.
    """
    rng = Random(f"evaluation/{seed}")
    formats = list(Format)
    return GeneratorParams(
        seed=seed,
        days=rng.choice((1.0, 1.5, 2.0)),
        vocabulary=vocabularies[seed % len(vocabularies)],
        format=formats[seed // len(vocabularies) % len(formats)],
        n_incidents=0 if seed % 5 == 4 else rng.randint(1, 5),
        max_lines=max_lines,
    )


def absence_params(seed: int, vocabularies: Sequence[str], max_lines: int = 200_000) -> GeneratorParams:
    """Return the parameters of a sample in which something fails to come: missed jobs, hung workers, slow latency."""
    kinds = (FaultKind.MISSED_JOB, FaultKind.SILENT_WORKER, FaultKind.SLOW_LATENCY, FaultKind.MISSED_JOB)
    plain = sample_params(seed, vocabularies, max_lines)
    return replace(plain, days=max(plain.days, 1.5), n_incidents=None, kinds=kinds)


Plan = Callable[[int, Sequence[str], int], GeneratorParams]
PLANS: dict[str, Plan] = {"samples": sample_params, "absences": absence_params}


def run(
    seeds: Iterable[int],
    scan: Scan,
    vocabularies: Sequence[str] = tuple(VOCABULARIES),
    *,
    plan: Plan = sample_params,
    max_lines: int = 200_000,
    keep_in: Path | None = None,
    on_sample: Callable[[ScannedSample], None] | None = None,
) -> SamplesReport:
    """Make, scan and score one sample a seed.

    Parameters
    ----------
    scan
        From the log files of one sample, sorted by name, to the dict of ``scan --json``.
    plan
        What the sample of a seed is made of: `sample_params` or `absence_params`.
    keep_in
        A folder to keep the samples in, one folder a seed; None makes and deletes them one by one.
    on_sample
        Called after each sample, for progress.
    """
    done = []
    for seed in seeds:
        params = plan(seed, vocabularies, max_lines)
        if keep_in is not None:
            sample = scan_sample(params, scan, keep_in / str(seed))
        else:
            with tempfile.TemporaryDirectory(prefix="fm-anomaly-sample-") as folder:
                sample = scan_sample(params, scan, Path(folder))
        done.append(sample)
        if on_sample is not None:
            on_sample(sample)
    return SamplesReport(tuple(done))


def scan_sample(params: GeneratorParams, scan: Scan, folder: Path) -> ScannedSample:
    """Make one sample in `folder`, scan it and score the answer."""
    truth = generate(params, folder)
    return ScannedSample(truth, score(scan(sorted(folder / f.name for f in truth.files)), truth))
