"""`parse`: one row a record, in input order, as Parquet, CSV or JSON lines; or templates for a column of messages.

Ids are those that stand at the end, for templates merge while a log is read: rows wait in a temporary folder,
with a number instead of an id, until all have been seen.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fm_anomaly.cli.options import EXIT_OK, add_files, add_reading, command
from fm_anomaly.errors import UsageError

if TYPE_CHECKING:
    from fm_anomaly.cli.options import Commands

_EXAMPLES = """\
  fm-anomaly parse app.log -o app.parquet
  fm-anomaly parse app.log.gz worker.log -o rows.csv
  fm-anomaly parse --message-column message IN.csv -o OUT.csv
"""
SUFFIXES = (".parquet", ".csv", ".jsonl")


def add(commands: Commands) -> None:
    """Add `parse`."""
    parser = command(
        commands, "parse", run, "write one row a record: time, severity, service, event type, parameters", _EXAMPLES
    )
    add_files(parser)
    parser.add_argument("-o", "--output", metavar="OUT", required=True, help="file to write: .parquet, .csv or .jsonl")
    parser.add_argument(
        "--message-column", metavar="NAME", help="FILE is a CSV: give the messages in this column their templates"
    )
    add_reading(parser)


def run(args: argparse.Namespace) -> int:
    """Parse and write; the number of rows is told on stderr."""
    from fm_anomaly.cli.console import print_notice
    from fm_anomaly.cli.wording import plural

    output = Path(args.output)
    if output.suffix not in SUFFIXES:
        raise UsageError(f"output {args.output!r} has none of the endings {', '.join(SUFFIXES)}; name the file so")
    if not output.absolute().parent.is_dir():
        raise UsageError(f"folder of {args.output!r} does not exist; make it first")
    if args.message_column is not None:
        from fm_anomaly.cli.message_column import write_templates

        if len(args.files) != 1 or output.suffix != ".csv":
            raise UsageError(
                "--message-column reads one CSV and writes one: parse --message-column NAME IN.csv -o OUT.csv"
            )
        n = write_templates(args, args.files[0], output)
    else:
        from fm_anomaly.cli.record_rows import write_rows

        n = write_rows(args, output)
    print_notice(f"{plural(n, 'row')} in {args.output}")
    return EXIT_OK
