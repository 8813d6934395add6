"""`lines`: the records of one event type, or of one service, around a time; redacted unless asked otherwise."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fm_anomaly.cli.options import EXIT_OK, add_files, add_reading, command
from fm_anomaly.errors import UsageError

if TYPE_CHECKING:
    from fm_anomaly.cli.inputs import Reading
    from fm_anomaly.cli.options import Commands
    from fm_anomaly.cli.records import Miner
    from fm_anomaly.core.pipeline import PipelineParams

_EXAMPLES = """\
  fm-anomaly lines t:9f3a2c                             in the files of the last scan
  fm-anomaly lines t:9f3a2c app.log --around 12:30:03   the 20 nearest to that time
  fm-anomaly lines --of api --around 12:30 -n 50        any record of one service
"""

_MAX_NAMED = 12
_ROW = ("ts_us", "source", "line", "raw")
_Row = tuple[int, str, int, str]  # event time µs, source, line, text


def add(commands: Commands) -> None:
    """Add `lines`."""
    parser = command(commands, "lines", run, "show the lines of an event type", _EXAMPLES)
    parser.add_argument("template", metavar="t:ID", nargs="?", help="id of the event type, or its first characters")
    add_files(parser, optional=True)
    parser.add_argument("--of", metavar="SERVICE", help="only records of that service")
    parser.add_argument("--around", metavar="TIME", help="those nearest to this time: 12:30:03, 2026-03-02T12:30:03")
    parser.add_argument("-n", "--limit", type=int, default=20, metavar="N", help="how many (default: 20)")
    parser.add_argument("--unredacted", action="store_true", help="as they stand in the file; local files only")
    add_reading(parser)


def run(args: argparse.Namespace) -> int:
    """Find the records and print them in the order of time."""
    from fm_anomaly.cli.console import print_plain
    from fm_anomaly.cli.inputs import dated, open_files, settings_of, warn_of
    from fm_anomaly.cli.last_scan import recall

    if args.template is not None and not args.template.startswith("t:"):
        args.files = [args.template, *args.files]
        args.template = None
    if args.template is None and args.of is None:
        raise UsageError("lines of what? give an event type, t:ID (fm-anomaly templates lists them), or --of SERVICE")
    paths = args.files or recall(args)
    if args.unredacted and "-" in paths:
        raise UsageError("--unredacted shows lines of local files only; save standard input to a file first")
    readings, progress = open_files(args, paths, "lines")
    params, default_us = dated(settings_of(args).pipeline, readings)
    try:
        rows = _nearest(args, readings, params, default_us)
    finally:
        progress.close()
    warn_of(readings)
    if args.unredacted:
        rows = _as_in_the_files(rows, readings)
    for line in _shown(rows, many=len(readings) > 1):
        print_plain(line)
    return EXIT_OK


def _nearest(args: argparse.Namespace, readings: list[Reading], params: PipelineParams, default_us: int) -> list[_Row]:
    """Return the records asked for, nearest to --around or the first ones, in the order of time.

    Which templates an id stands for is known only at the end, for templates merge: until then the nearest of
    every template are kept.
    """
    import polars as pl

    from fm_anomaly.cli.records import Miner
    from fm_anomaly.cli.spans import typed_time

    around = typed_time(args.around, params.parsing.tz) if args.around else None
    miner = Miner(params, default_us)
    kept: pl.DataFrame | None = None
    around_us: int | None = None
    n_seen = 0
    services: set[str] = set()
    for mined in miner.walk(readings):
        if around is not None and around_us is None:
            around_us = around.near(int(mined.frame["ts_us"][0]))
        far = pl.lit(0, dtype=pl.Int64) if around_us is None else (pl.col("ts_us") - around_us).abs()
        part = mined.frame.select(
            *_ROW, "service", far.alias("far"), pl.Series("template", mined.template)
        ).with_row_index("n", offset=n_seen)
        n_seen += part.height
        if args.of is not None:
            services.update(part["service"].unique().drop_nulls().to_list())
            part = part.filter(pl.col("service") == args.of).with_columns(template=pl.lit(0, dtype=pl.Int64))
        both = part if kept is None else pl.concat([kept, part])
        kept = both.sort("far", "n").group_by("template", maintain_order=True).head(args.limit).select(both.columns)
    if args.of is not None and args.of not in services:
        raise UsageError(_no_service(args.of, sorted(services)))
    if kept is None:
        return []
    if args.of is None:
        kept = kept.filter(pl.Series(miner.store.canonical(kept["template"].to_numpy())).is_in(_found(miner, args)))
    nearest = kept.sort("far", "n").head(args.limit)
    return nearest.sort("ts_us", "n").select(_ROW).rows()


def _no_service(name: str, services: list[str]) -> str:
    more = f" and {len(services) - _MAX_NAMED} more" if len(services) > _MAX_NAMED else ""
    there = f"there are {', '.join(services[:_MAX_NAMED])}{more}" if services else "they hold no record"
    return f"no service {name!r} in these files; {there}"


def _found(miner: Miner, args: argparse.Namespace) -> list[int]:
    """Return the templates that the id stands for; one id may stand in several services."""
    found = miner.store.resolve(args.template)
    ids = sorted({miner.store.templates[index].template_id for index in found})
    if not found:
        raise UsageError(f"no event type {args.template!r} in these files; fm-anomaly templates FILE lists them")
    if len(ids) > 1:
        listed = ", ".join(f"t:{template_id}" for template_id in ids[:5])
        raise UsageError(f"{args.template!r} is the beginning of {len(ids)} ids ({listed}); give more characters")
    return found


def _as_in_the_files(rows: list[_Row], readings: list[Reading]) -> list[_Row]:
    """Return the rows with the text of their first line as it stands in the file."""
    wanted = {(source, line) for _, source, line, _ in rows}
    texts: dict[tuple[str, int], str] = {}
    for reading in readings:
        numbers = {line for source, line in wanted if source == reading.name}
        if not numbers:
            continue
        for number, text in enumerate(_lines_of(reading), start=1):
            if number in numbers:
                texts[(reading.name, number)] = text.decode("utf-8", "replace").rstrip("\r")
            if number > max(numbers):
                break
    return [(ts, source, line, texts.get((source, line), raw)) for ts, source, line, raw in rows]


def _lines_of(reading: Reading) -> Iterator[bytes]:
    held = b""
    for chunk in reading.file.chunks():
        parts = (held + chunk).split(b"\n")
        held = parts.pop()
        yield from parts
    if held:
        yield held


def _shown(rows: list[_Row], *, many: bool) -> Iterator[str]:
    from fm_anomaly.core.display import terminal

    width = max((len(f"{line}") for _, _, line, _ in rows), default=1)
    for _, source, line, text in rows:
        where = f"{source}:{line}" if many else f"{line:>{width}}"
        for i, part in enumerate(text.split("\n")):
            yield f"{terminal(where) if i == 0 else ' ' * len(where)}  {terminal(part)}"
