"""`diff`: what is new, gone, more or less in one log than in another, and which lines explain it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fm_anomaly.cli.options import EXIT_OK, add_reading, command
from fm_anomaly.errors import UsageError

if TYPE_CHECKING:
    from rich.text import Text

    from fm_anomaly.cli.inputs import Reading
    from fm_anomaly.cli.options import Commands
    from fm_anomaly.core.diffing import Diff, TemplateChange
    from fm_anomaly.core.pipeline import PipelineParams

SCHEMA = "fm-anomaly/diff/1"
_EXAMPLES = """\
  fm-anomaly diff good.log bad.log
  fm-anomaly diff passed-build.log.gz failed-build.log.gz --json
  fm-anomaly diff app.log --before 09:00..12:00 --during 12:30..12:45
"""
_STYLE = {"new": "bold red", "up": "bold yellow", "gone": "bold cyan", "down": "cyan"}


def add(commands: Commands) -> None:
    """Add `diff`."""
    parser = command(commands, "diff", run, "compare two logs, or two spans of one", _EXAMPLES)
    parser.add_argument(
        "files", metavar="FILE", nargs="+", help="the good log and the bad one; or one log, with --before and --during"
    )
    parser.add_argument("--before", metavar="A..B", help="span of one log that was well: 09:00..12:00")
    parser.add_argument("--during", metavar="C..D", help="span of the same log to explain: 12:30..12:45")
    parser.add_argument("--json", action="store_true", help="print JSON; lines are 1-based numbers in the second log")
    parser.add_argument(
        "-n", "--limit", type=int, default=20, metavar="N", help="changes and lines to show (default: 20)"
    )
    add_reading(parser)


def run(args: argparse.Namespace) -> int:
    """Compare, and print the changes and the explaining lines."""
    from fm_anomaly.cli.console import print_lines
    from fm_anomaly.cli.inputs import dated, open_files, settings_of, warn_of

    has_spans = args.before is not None or args.during is not None
    if has_spans and (args.before is None or args.during is None or len(args.files) != 1):
        raise UsageError("spans compare one log with itself: diff FILE --before A..B --during C..D")
    if not has_spans and len(args.files) != 2:
        raise UsageError(f"diff compares two logs, {len(args.files)} given; or one, with --before A..B --during C..D")
    readings, progress = [], []
    for path in args.files:
        (reading, *more), shown = open_files(args, [path], "diff")
        if more:
            raise UsageError(f"{path!r} holds {1 + len(more)} logs; diff compares one with one: name the file")
        readings.append(reading)
        progress.append(shown)
    params, _ = dated(settings_of(args).pipeline, readings)
    found = _spans(args, readings[0], params) if has_spans else _texts(readings, params)
    for shown in progress:
        shown.close()
    warn_of(readings)
    names = [r.name for r in readings]
    if args.json:
        json.dump(to_dict(found, names), sys.stdout)
        sys.stdout.write("\n")
    else:
        print_lines(_lines(found, names, args.limit))
    return EXIT_OK


def to_dict(found: Diff, names: list[str]) -> dict[str, Any]:
    """Return the object of `diff --json`."""
    return {
        "schema": SCHEMA,
        "source": {
            "names": names,
            "before_records": found.n_before,
            "after_records": found.n_after,
            "exposure": found.exposure,
        },
        "changes": [
            {
                "kind": c.kind,
                "template_id": c.template_id,
                "template": c.text,
                "service": c.service,
                "severity": c.severity.name.lower(),
                "before": c.n_before,
                "after": c.n_after,
                "lift": c.lift,
                "p_value": c.p_value,
                "first_line": c.first_line,
                "lines": c.n_explaining,
            }
            for c in found.changes
        ],
        "lines": list(found.lines),
        "line_texts": list(found.line_texts),
    }


def _texts(readings: list[Reading], params: PipelineParams) -> Diff:
    from fm_anomaly.core.diff_sources import diff_texts

    return diff_texts(readings[0].chunks(), readings[1].chunks(), parsing=params.parsing)


def _spans(args: argparse.Namespace, reading: Reading, params: PipelineParams) -> Diff:
    from fm_anomaly.core.diff_sources import diff_spans

    first_us = _first_time(reading, params)
    before, during = (_span(text, params.parsing.tz, first_us) for text in (args.before, args.during))
    found = diff_spans(reading.chunks(), before, during, parsing=params.parsing)
    for name, n in (("--before", found.n_before), ("--during", found.n_after)):
        if not n:
            raise UsageError(
                f"no record in the span of {name}; fm-anomaly doctor {args.files[0]} says from when to when it goes"
            )
    return found


def _span(text: str, tz: str, first_us: int) -> tuple[int, int]:
    from fm_anomaly.cli.spans import bounds_us, typed_time

    start, dots, end = text.partition("..")
    if not dots:
        raise UsageError(f"span {text!r} has no .. in it; write 09:00..12:00")
    bounds = bounds_us((typed_time(start, tz), typed_time(end, tz)), first_us)
    if bounds[0] is None or bounds[1] is None or bounds[0] >= bounds[1]:
        raise UsageError(f"span {text!r} ends before it begins")
    return bounds[0], bounds[1]


def _first_time(reading: Reading, params: PipelineParams) -> int:
    """Return the log's first event time: times of day are those of its first day."""
    from fm_anomaly.core.parsing import SourceParser

    if "-" in reading.file.paths:
        raise UsageError("spans need a file, for it is read twice; save standard input to one first")
    parser = SourceParser(reading.name, params.parsing)
    for chunk in reading.file.chunks():
        for frame in (parser.feed(chunk), parser.flush()):
            times = frame["ts_us"].drop_nulls()
            if times.len():
                return int(times[0])
    raise UsageError(f"{reading.name} tells no time, so it has no spans; compare two files instead")


def _lines(found: Diff, names: list[str], limit: int) -> Iterator[Text]:
    from rich.text import Text

    from fm_anomaly.cli.wording import clipped, plural
    from fm_anomaly.core.display import terminal

    what = " → ".join(terminal(name) for name in names)
    sizes = f"{found.n_before:,} → {plural(found.n_after, 'record')}"
    yield Text.assemble(("diff ", "dim"), (what, "bold"), f"   {sizes}   exposure × {found.exposure:.3g}")
    yield Text()
    counts = {kind: sum(c.kind == kind for c in found.changes) for kind in _STYLE}
    if not found.changes:
        yield Text("NO CHANGE  every event type is as frequent as before", style="bold green")
    else:
        yield Text(" · ".join(f"{n} {kind}" for kind, n in counts.items() if n).upper(), style="bold")
    for change in found.changes[:limit]:
        yield _change(change)
    if len(found.changes) > limit:
        yield Text(f"and {len(found.changes) - limit:,} more (--limit N shows more, --json has all)", style="dim")
    if found.lines:
        yield Text()
        yield Text(plural(len(found.lines), "LINE THAT EXPLAINS IT", "LINES THAT EXPLAIN IT"), style="bold")
    for number, text in list(zip(found.lines, found.line_texts, strict=True))[:limit]:
        yield Text.assemble((f"{number:>8}  ", "dim"), terminal(clipped(text, 200)))
    if len(found.lines) > limit:
        yield Text(f"and {len(found.lines) - limit:,} more (--limit N shows more, --json has all)", style="dim")


def _change(change: TemplateChange) -> Text:
    from rich.text import Text

    from fm_anomaly.cli.wording import clipped
    from fm_anomaly.core.display import terminal
    from fm_anomaly.core.frames import Severity

    lift = "" if change.kind in ("new", "gone") else f"×{change.lift:.3g}, "
    severity = "" if change.severity == Severity.UNSPECIFIED else f"  {change.severity.name.lower()}"
    return Text.assemble(
        (f"{change.kind.upper():<5}", _STYLE[change.kind]),
        f"{change.n_before:>7,} → {change.n_after:<7,}",
        (f"{terminal(change.service)}  " if change.service else "", "cyan"),
        terminal(clipped(change.text, 110)),
        (severity, "red" if change.severity >= Severity.ERROR else "dim"),
        (f"  line {change.first_line:,}, {lift}p {change.p_value:.2g}", "dim"),
    )
