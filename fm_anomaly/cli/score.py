"""`score`: a numeric series in, the same series with a score and a decision for each point out."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import TYPE_CHECKING

from fm_anomaly.cli.options import EXIT_OK, command
from fm_anomaly.errors import UsageError

if TYPE_CHECKING:
    from fm_anomaly.cli.options import Commands

_EXAMPLES = """\
  fm-anomaly score requests.csv -o scored.csv

SERIES.csv has the columns timestamp and value, in any case; others are ignored. OUT.csv has one row a point:
timestamp, value, score (0 to 1, from what came before it alone) and decision (1 where an alert begins).
"""


def add(commands: Commands) -> None:
    """Add `score`."""
    parser = command(commands, "score", run, "score each point of a numeric series by what came before it", _EXAMPLES)
    parser.add_argument("series", metavar="SERIES.csv", help="columns timestamp and value, in the order of time")
    parser.add_argument("-o", "--output", metavar="OUT.csv", required=True, help="file to write")


def run(args: argparse.Namespace) -> int:
    """Score and write; what was decided is told on stderr."""
    from fm_anomaly.cli.console import print_notice
    from fm_anomaly.cli.wording import plural
    from fm_anomaly.core.measurements import score_series
    from fm_anomaly.ingest.measurements import read_series

    output = Path(args.output)
    if not output.absolute().parent.is_dir():
        raise UsageError(f"folder of {args.output!r} does not exist; make it first")
    series = read_series(Path(args.series))
    scores = score_series(series.times_us, series.values)
    aside = output.with_name(f".{output.name}.part")
    with aside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["timestamp", "value", "score", "decision"])
        rows = zip(series.stamps, series.values.tolist(), scores.score.tolist(), scores.decision.tolist(), strict=True)
        for stamp, value, score, decision in rows:
            writer.writerow([stamp, repr(value) if value == value else "", f"{score:.6f}", int(decision)])
    aside.replace(output)
    n = int(scores.decision.sum())
    print_notice(f"{plural(len(series.stamps), 'point')}, {plural(n, 'alert')} in {args.output}")
    return EXIT_OK
