"""`evaluate`: quality on labelled logs, beside baselines."""

from __future__ import annotations

import argparse
import csv
import importlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fm_anomaly.cli.options import EXIT_BELOW_FLOOR, EXIT_OK, command
from fm_anomaly.errors import UsageError

if TYPE_CHECKING:
    from fm_anomaly.cli.options import Commands

_BENCHMARKS = {
    "all": "one table of all that are there, with floors: exit code 1 where a figure is below its own",
    "loghub": "grouping of messages into event types (GA, FGA), against Drain3",
    "cidiff": "lines that explain a failed build (F1)",
    "hdfs": "unusual sessions in raw lines, online and without labels (AP, F1), against baselines",
    "bgl-categories": "error categories of alert lines against people's (GA, ARI)",
    "error-groups": "groups of error lines against event types (homogeneity, completeness)",
    "samples": "planted incidents of our own generator: found, false",
    "absences": "the same with missed jobs, workers that hang and slow latency",
    "nab": "decisions on metrics with anomaly windows (NAB's standard profile)",
    "cloudmon": "decisions on labelled rates: recall, false alerts a series-day",
    "counts": "decisions on simulated counts a minute: recall, false alerts a series-day",
}
_SELF_MADE = ("samples", "absences", "counts")
_EXAMPLES = """\
  fm-anomaly evaluate all --data data/          folders named nab, cloudmon, hdfs, loghub, cidiff, where present
  fm-anomaly evaluate loghub --data loghub/     a folder a system, each with its _structured.csv
  fm-anomaly evaluate cidiff --data cidiff/
  fm-anomaly evaluate hdfs --data hdfs/ -o blocks.csv
  fm-anomaly evaluate bgl-categories --data loghub/
  fm-anomaly evaluate samples --seeds 30
  fm-anomaly evaluate nab --data nab/ -o scored.csv
  fm-anomaly evaluate counts
"""


def add(commands: Commands) -> None:
    """Add `evaluate`."""
    parser = command(commands, "evaluate", run, "measure quality on labelled logs", _EXAMPLES)
    listed = "; ".join(f"{name}: {what}" for name, what in _BENCHMARKS.items())
    parser.add_argument("benchmark", choices=list(_BENCHMARKS), help=listed)
    parser.add_argument(
        "--data", metavar="DIR", help="folder in the benchmark's public layout (not for samples, absences, counts)"
    )
    parser.add_argument(
        "--seeds", metavar="N", type=int, default=30, help="samples, absences, all: how many logs to draw (default: 30)"
    )
    parser.add_argument("-o", "--output", metavar="OUT.csv", help="nab, cloudmon, counts, hdfs: write a row a point")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Run a benchmark and print its table."""
    from fm_anomaly.cli.console import print_plain

    if args.benchmark == "all":
        return _all(args)
    if args.benchmark in ("samples", "absences"):
        table, figures = _samples(args.benchmark, args.seeds)
    else:
        benchmark = importlib.import_module(f"fm_anomaly.evaluation.{args.benchmark.replace('-', '_')}")
        report = benchmark.run() if args.benchmark in _SELF_MADE else benchmark.run(_folder(args))
        table, figures = benchmark.render(report), benchmark.to_dict(report)
        if args.output is not None:
            _write_rows(args, benchmark, report)
    if args.json:
        json.dump(figures, sys.stdout, default=str)
        sys.stdout.write("\n")
    else:
        print_plain(table)
    return EXIT_OK


def _all(args: argparse.Namespace) -> int:
    """Print the table of all corpora; return `EXIT_BELOW_FLOOR` where one figure is below its floor."""
    from fm_anomaly.cli.console import print_notice, print_plain
    from fm_anomaly.evaluation import overview

    rows = list(overview.rows(None if args.data is None else _folder(args), _scan, args.seeds, print_notice))
    if args.json:
        json.dump(overview.to_dict(rows), sys.stdout, default=str)
        sys.stdout.write("\n")
    else:
        print_plain(overview.render(rows))
    return EXIT_OK if all(row.holds for row in rows) else EXIT_BELOW_FLOOR


def _write_rows(args: argparse.Namespace, benchmark: Any, report: Any) -> None:
    """Write the rows that a benchmark judged; those that have none say so."""
    if not hasattr(benchmark, "HEAD"):
        raise UsageError(f"evaluate {args.benchmark} judges no rows: leave -o out")
    path = Path(args.output)
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(benchmark.HEAD)
            writer.writerows(report.rows)
    except OSError as exc:
        raise UsageError(f"cannot write {path}: {(exc.strerror or str(exc)).lower()}; choose another -o") from exc


def _samples(name: str, n_seeds: int) -> tuple[str, dict[str, Any]]:
    """Scan `n_seeds` generated logs; each sample is told on stderr as it is done."""
    from fm_anomaly.cli.console import print_notice
    from fm_anomaly.evaluation import samples

    def tell(sample: samples.ScannedSample) -> None:
        found, planted = len(sample.match.found), len(sample.truth.incidents)
        print_notice(f"seed {sample.truth.seed}: found {found} of {planted}, {len(sample.match.false)} false")

    seeds = range(samples.FIRST_SEED, samples.FIRST_SEED + n_seeds)
    report = samples.run(seeds, _scan, plan=samples.PLANS[name], on_sample=tell)
    figures = {
        "samples": len(report.samples),
        "days": report.days,
        "planted": report.n_planted,
        "found_share": report.found_share,
        "root_share": report.root_share,
        "false_per_10_days": report.false_per_10_days,
        "split_share": report.split_share,
        "found_by_kind": report.found_by_kind(),
    }
    return report.table(), figures


def _scan(paths: list[Path]) -> dict[str, Any]:
    from fm_anomaly.ingest.files import find_sources
    from fm_anomaly.scanning import scan

    return scan(find_sources([str(path) for path in paths])).to_dict()


def _folder(args: argparse.Namespace) -> Path:
    if args.data is None:
        raise UsageError(f"evaluate {args.benchmark} reads a data set that you have: give its folder with --data DIR")
    folder = Path(args.data)
    if not folder.is_dir():
        raise UsageError(f"--data {args.data!r} is not a folder; unpack the data set and name that folder")
    return folder
