"""`templates`: the event types of logs with counts, first and last seen, and the health of the mining."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fm_anomaly.cli.options import EXIT_OK, add_files, add_reading, add_span, command

if TYPE_CHECKING:
    from rich.text import Text

    from fm_anomaly.cli.options import Commands

_EXAMPLES = """\
  fm-anomaly templates app.log
  fm-anomaly templates app.log --errors --sort last
  fm-anomaly templates app.log --json | jq -r '.templates[] | [.count, .template] | @tsv'
"""
_SORTS = ("count", "errors", "first", "last")


def add(commands: Commands) -> None:
    """Add `templates`."""
    parser = command(commands, "templates", run, "list the event types of logs", _EXAMPLES)
    add_files(parser)
    parser.add_argument("--errors", action="store_true", help="only those that were errors")
    parser.add_argument("--sort", choices=_SORTS, default="count", help="by this, largest or newest first")
    parser.add_argument("-n", "--limit", type=int, metavar="N", help="at most N of them (default: 50 on a terminal)")
    parser.add_argument("--json", action="store_true", help="print JSON: templates and services of scan --json")
    add_reading(parser)
    add_span(parser)
    parser.set_defaults(state=None)


def run(args: argparse.Namespace) -> int:
    """Scan, and print the templates."""
    from fm_anomaly.cli.card import face_of, head_lines
    from fm_anomaly.cli.console import print_lines
    from fm_anomaly.cli.last_scan import remember
    from fm_anomaly.cli.scan import report_of

    report = report_of(args, "templates")
    remember(args, args.files)
    rows = [t for t in report["templates"] if t["errors"] or not args.errors]
    rows.sort(key=lambda t: t["template_id"])
    rows.sort(key=lambda t: t[args.sort] or "", reverse=True)
    limit = args.limit or (50 if sys.stdout.isatty() and not args.json else len(rows))
    if args.json:
        json.dump({"schema": report["schema"], "services": report["services"], "templates": rows[:limit]}, sys.stdout)
        sys.stdout.write("\n")
        return EXIT_OK
    print_lines(head_lines(report, "templates"))
    print_lines(_lines(rows, limit, face_of(report)))
    return EXIT_OK


def _lines(rows: list[dict[str, Any]], limit: int, face: Any) -> Iterator[Text]:
    from rich.text import Text

    from fm_anomaly.cli.card import short_ids
    from fm_anomaly.cli.wording import clipped
    from fm_anomaly.core.display import terminal

    short = short_ids([row["template_id"] for row in rows])
    width = max((len(short[row["template_id"]]) for row in rows), default=6) + 2
    services = max((len(clipped(row["service"], 16)) for row in rows), default=7)
    times = 15 if face.has_dates else 8
    yield Text()
    yield Text(
        f"{'id':<{width}}  {'count':>9}  {'errors':>7}  {'first':<{times}}  {'last':<{times}}  "
        f"{'service':<{services}}  event type",
        style="dim",
    )
    for row in rows[:limit]:
        yield Text.assemble(
            (f"t:{short[row['template_id']]:<{width - 2}}", "bold"),
            f"  {row['count']:>9,}  ",
            (f"{row['errors'] or '':>7,}" if row["errors"] else " " * 7, "red"),
            f"  {face.show(row['first']):<{times}}  {face.show(row['last']):<{times}}  ",
            (f"{terminal(clipped(row['service'], 16)):<{services}}", "cyan"),
            f"  {terminal(clipped(row['template'], 160))}",
            (f"  ({terminal(row['event_key'])})" if row["event_key"] else "", "dim"),
        )
    if len(rows) > limit:
        yield Text(f"and {len(rows) - limit:,} more (--limit N shows more, --json has all)", style="dim")
