"""A plain log of three hours with one outage of three minutes in it: the sample that must give exactly one incident.

Three services, some 22,000 lines, even traffic, one chronic error at a low rate, and one dependency that is down for a
few minutes: errors never seen before, some with tracebacks. Words, services, rates, times and the look of the lines are
drawn again for each seed. Like the generator, it imports nothing of `core`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random

from fm_anomaly.evaluation.failures import Failure, dependency_failure, words_for
from fm_anomaly.evaluation.noise import Span, arrivals
from fm_anomaly.evaluation.phrases import Phrase
from fm_anomaly.evaluation.rendering import ERROR, INFO, Format, renderer
from fm_anomaly.evaluation.system import DAY_US
from fm_anomaly.evaluation.truth import FaultKind, KnownError, PlantedIncident, SampleFile, Truth, iso_from_us
from fm_anomaly.evaluation.vocabulary import MESSAGES, VOCABULARIES, Vocabulary

MINUTE_US = 60_000_000


@dataclass(frozen=True, slots=True)
class OutageParams:
    """Sizes of the sample: its lines in all, its hours, and what goes wrong in it."""

    n_lines: int = 22_000
    hours: float = 3.0
    outage_min: float = 3.0
    n_errors: int = 135
    n_tracebacks: int = 39
    chronic_per_min: float = 0.6


def draw_outage_params(rng: Random) -> OutageParams:
    """Draw sizes around the default ones."""
    n_errors = rng.randint(90, 220)
    return OutageParams(
        n_lines=rng.randint(18_000, 26_000),
        outage_min=rng.uniform(2.0, 5.0),
        n_errors=n_errors,
        n_tracebacks=n_errors * rng.randint(15, 45) // 100,
        chronic_per_min=rng.uniform(0.4, 0.9),
    )


def outage(
    seed: int, vocabulary: str | None, out_dir: Path, params: OutageParams | None = None, name: str = "outage"
) -> Truth:
    """Write `<name>.log` and `<name>.truth.json` into `out_dir` (made if absent), and return the truth.

    Parameters
    ----------
    seed
        Draws everything; equal arguments give equal bytes.
    vocabulary
        A name of `VOCABULARIES`; None draws one.
    params
        Sizes; None draws them too.

    Raises
    ------
    KeyError
        If there is no such vocabulary.
    """
    rng = Random(f"outage/{seed}")
    drawn, sizes = rng.choice(list(VOCABULARIES)), draw_outage_params(rng)
    sample = _Sample(rng, seed, VOCABULARIES[vocabulary or drawn], params or sizes)
    planted, known = sample.write_outage(), sample.write_chronic()
    sample.write_ordinary()
    body = "\n".join([*(text for _, _, text in sorted(sample.lines)), ""])
    truth = Truth(
        seed=seed,
        vocabulary=sample.words.name,
        format=str(Format.PLAIN),
        start=iso_from_us(sample.span[0]),
        end=iso_from_us(sample.span[1]),
        services=sample.services,
        files=(SampleFile(f"{name}.log", "", body.count("\n")),),
        incidents=(planted,),
        known=(known,),
    )
    out_dir.mkdir(parents=True, exist_ok=True)
    (out_dir / f"{name}.log").write_bytes(body.encode())
    (out_dir / f"{name}.truth.json").write_text(truth.to_json(), encoding="utf-8", newline="\n")
    return truth


class _Sample:
    """The log in the making: what was drawn, and its lines as (time in µs, sequence number, text)."""

    def __init__(self, rng: Random, seed: int, words: Vocabulary, sizes: OutageParams) -> None:
        self.rng, self.words, self.sizes = rng, words, sizes
        self.services = (rng.choice(words.apis), *rng.sample(words.workers, 2))
        start = (20_089 + rng.randrange(600)) * DAY_US + rng.randrange(24) * 60 * MINUTE_US
        self.span: Span = (start, start + int(sizes.hours * 60) * MINUTE_US)
        self.lines: list[tuple[int, int, str]] = []
        # one look for all services: each gets the same draws
        self._render = {s: renderer(Format.PLAIN, s, Random(f"look/{seed}"), is_shared=True) for s in self.services}

    def write_outage(self) -> PlantedIncident:
        rng, sizes = self.rng, self.sizes
        begin = self.span[0] + int(rng.uniform(0.4, 0.9) * (self.span[1] - self.span[0]))
        end = begin + int(sizes.outage_min * MINUTE_US)
        root, dependency = rng.choice(self.services), rng.choice(self.words.dependencies)
        failure = dependency_failure(rng, self.words, root, "python", dependency)
        with_trace = set(rng.sample(range(sizes.n_errors), sizes.n_tracebacks))
        for i in range(sizes.n_errors):
            self._write_error(int(rng.uniform(begin, end)), root, failure, has_trace=i in with_trace)
        return PlantedIncident(
            number=1,
            kind=str(FaultKind.OUTAGE),
            start=iso_from_us(begin),
            end=iso_from_us(end),
            root=root,
            services=(root,),
            description=f"{dependency.name} ({dependency.host}:{dependency.port}) down for {root}",
            n_lines=self._n_lines(),
            n_errors=sizes.n_errors,
            n_tracebacks=sizes.n_tracebacks,
        )

    def _write_error(self, us: int, service: str, failure: Failure, *, has_trace: bool) -> None:
        message = failure.text.fill(self.rng)
        self._say(us, service, ERROR, failure.intro + message, failure.traceback(message) if has_trace else None)

    def write_chronic(self) -> KnownError:
        rng, service = self.rng, self.rng.choice(self.services[1:])
        phrase = Phrase(rng.choice(self.words.chronic), words_for(rng, self.words))
        for us in arrivals(rng, self.span, self.sizes.chronic_per_min):
            self._say(us, service, ERROR, phrase.fill(rng))
        return KnownError(service, phrase.text, round(self.sizes.chronic_per_min, 3))

    def write_ordinary(self) -> None:
        """Fill up with ordinary messages, two or three kinds a service, spread evenly over the span."""
        rng = self.rng
        kinds = []
        for service in self.services:
            for shape in rng.sample(MESSAGES, rng.randint(2, 3)):
                kinds.append((service, Phrase(shape, words_for(rng, self.words)), rng.uniform(0.3, 1.0)))
        weights = [weight for _, _, weight in kinds]
        for service, phrase, _ in rng.choices(kinds, weights, k=self.sizes.n_lines - self._n_lines()):
            us = int(rng.uniform(*self.span))
            self._say(us, service, INFO, phrase.fill(rng, rng.lognormvariate(3.5, 0.4)))

    def _say(self, us: int, service: str, level: int, text: str, trace: str | None = None) -> None:
        self.lines.append((us, len(self.lines), self._render[service](us, level, service, text, {}, {}, trace)))

    def _n_lines(self) -> int:
        return sum(text.count("\n") + 1 for _, _, text in self.lines)
