"""`evaluate counts`: the product's decisions on simulated counts a minute, two weeks of each of seven kinds, beside
baselines.

All series share one clock, so that one `SeriesBank` judges them together. Seeds from `FIRST_SEED` on are for
reporting; the detector was tuned on others. An oracle that knows the true rates shows what is there to be found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fm_anomaly.core.detectors.bank import DEFAULTS, BankParams, SeriesBank
from fm_anomaly.core.measurements import Scores
from fm_anomaly.evaluation.event_scoring import SeriesScore, Totals, score_series_events, totals
from fm_anomaly.evaluation.oracle import oracle
from fm_anomaly.evaluation.resampling import bootstrap
from fm_anomaly.evaluation.series_rivals import RIVALS
from fm_anomaly.evaluation.simulated_counts import KINDS, CountSeries, simulate_all

FIRST_SEED = 5_000
"""Seeds from here on are for reporting; the detector is tuned on those below."""
N_SEEDS = 12
HEAD: tuple[str, ...] = ("series", "timestamp", "value", "score", "decision")
_SLOW_RIVALS = ("HalfSpaceTrees",)


@dataclass(frozen=True, slots=True)
class CountsReport:
    """Outcome by series, the size of every event by series, and the baselines' totals."""

    series: list[SeriesScore]
    truths: list[CountSeries]
    baselines: dict[str, Totals]
    scores: list[Scores]

    @property
    def totals(self) -> Totals:
        """Figures over all series."""
        return totals(self.series)

    @property
    def rows(self) -> list[tuple[str, str, float, float, int]]:
        """A row a point, for `-o`."""
        return [
            (truth.name, str(at), x, score, int(decision))
            for truth, scored in zip(self.truths, self.scores, strict=True)
            for at, x, score, decision in zip(
                truth.times_us.astype("datetime64[us]").tolist(),
                truth.counts.tolist(),
                scored.score.tolist(),
                scored.decision.tolist(),
                strict=True,
            )
        ]

    def by_kind(self) -> dict[str, Totals]:
        """Return the figures of each kind of series."""
        return {
            kind: totals(s for s, t in zip(self.series, self.truths, strict=True) if t.kind == kind) for kind in KINDS
        }

    def by_event(self) -> dict[str, tuple[int, int]]:
        """Return (found, injected) of each kind of event; surges and ramps to at least twofold also apart."""
        tally: dict[str, list[int]] = {}
        for scored, truth in zip(self.series, self.truths, strict=True):
            for event in (*scored.found, *scored.missed):
                names = [event.kind]
                factor = truth.factors[[e.last for e in truth.events].index(event.last)]
                if event.kind in ("surge", "ramp") and factor >= 2.0:
                    names.append(f"{event.kind} to 2x and more")
                for name in names:
                    pair = tally.setdefault(name, [0, 0])
                    pair[0] += event in scored.found
                    pair[1] += 1
        return {name: (pair[0], pair[1]) for name, pair in sorted(tally.items())}

    def spike_delay(self) -> float:
        """Return the median delay of found spikes, in buckets."""
        delays = [
            delay
            for scored in self.series
            for event, delay in zip(scored.found, scored.delays, strict=True)
            if event.kind == "spike"
        ]
        return float(median(delays)) if delays else 0.0


def run(seeds: Sequence[int] | None = None, baselines: bool = True) -> CountsReport:
    """Evaluate one series a seed and kind; by default the reporting seeds, about a minute."""
    truths = simulate_all(seeds if seeds is not None else range(FIRST_SEED, FIRST_SEED + N_SEEDS))
    scores = judge(truths)
    series = [_score(truth, scored.decision) for truth, scored in zip(truths, scores, strict=True)]
    rivals = {}
    if baselines:
        for name, fire in RIVALS.items():
            if name not in _SLOW_RIVALS:
                rivals[name] = totals(_score(t, fire(t.times_us, t.counts)) for t in truths)
        rivals["oracle that knows the rate"] = totals(_score(t, oracle(t)) for t in truths)
    return CountsReport(series, truths, rivals, scores)


def judge(truths: Sequence[CountSeries], params: BankParams = DEFAULTS) -> list[Scores]:
    """Return the scores of series of one clock, judged by one bank of minutes."""
    bank = SeriesBank(len(truths), params)
    counts = np.stack([truth.counts for truth in truths])
    decades = np.zeros(counts.shape)
    decisions = np.zeros(counts.shape, dtype=np.bool_)
    for i, at in enumerate(truths[0].times_us.tolist()):
        seen = bank.step(at, counts[:, i])
        decades[:, i], decisions[:, i] = seen.decades, seen.is_decision
    values = 1.0 - 2.0 ** (-decades / bank.limit)  # `tails.score_value`
    return [Scores(values[i], decisions[i]) for i in range(len(truths))]


def _score(truth: CountSeries, decisions: NDArray[np.bool_]) -> SeriesScore:
    return score_series_events(truth.name, decisions, truth.times_us, truth.events)


def to_dict(report: CountsReport) -> dict[str, Any]:
    """Return the report as plain values for `--json`."""
    return {
        "schema": "fm-anomaly/evaluate-counts/1",
        "recall": report.totals.recall,
        "false_per_series_day": report.totals.false_per_day,
        "spike_delay_buckets": report.spike_delay(),
        "by_kind": {
            k: {"recall": t.recall, "false_per_series_day": t.false_per_day} for k, t in report.by_kind().items()
        },
        "by_event": {name: {"found": found, "injected": of} for name, (found, of) in report.by_event().items()},
        "baselines": {
            name: {"recall": t.recall, "false_per_series_day": t.false_per_day} for name, t in report.baselines.items()
        },
    }


def render(report: CountsReport) -> str:
    """Return the report as a table for the terminal."""
    t = report.totals
    lines = [f"{'kind of series':<24} {'events':>6} {'recall':>7} {'false a day':>12}"]
    lines += [f"{k:<24} {b.n_events:>6} {b.recall:>7.2f} {b.false_per_day:>12.3f}" for k, b in report.by_kind().items()]
    lines += ["", f"{'kind of event':<24} {'events':>6} {'recall':>7}"]
    lines += [f"{name:<24} {of:>6} {found / of:>7.2f}" for name, (found, of) in report.by_event().items()]
    recall = bootstrap(report.series, lambda s: totals(s).recall)
    false = bootstrap(report.series, lambda s: totals(s).false_per_day)
    lines += [
        "",
        f"found {t.n_found} of {t.n_events}, recall {t.recall:.3f} at {t.false_per_day:.3f} false alerts a series-day; "
        f"median delay of spikes {report.spike_delay():.0f} buckets",
        f"90 % of bootstraps over series: recall {recall[0]:.2f} to {recall[1]:.2f}, "
        f"false {false[0]:.3f} to {false[1]:.3f}",
    ]
    if report.baselines:
        lines += ["", "baselines: recall at false alerts a series-day"]
        lines += [f"{b.recall:>8.3f} at {b.false_per_day:.3f}  {name}" for name, b in report.baselines.items()]
    return "\n".join(lines)
