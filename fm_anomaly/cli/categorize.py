"""`categorize`: the batch job that clusters errors into named categories, and keeps the model.

Of logs, of the store, or of failure texts (`labels`). The run before is known again, people's edits are done.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fm_anomaly.cli.options import EXIT_OK, add_files, add_reading, command
from fm_anomaly.errors import UsageError

if TYPE_CHECKING:
    from fm_anomaly.cli.options import Commands
    from fm_anomaly.core.category_values import DistinctError

_EXAMPLES = """\
  fm-anomaly categorize app.log
  fm-anomaly categorize logs/ --since 7d --models ./models --json
  fm-anomaly categorize --store anomalies --since 7d
  fm-anomaly categorize --input failures.jsonl --output labels.csv     one {"id", "text"} a line
"""
NAME = "error-categories"
_AGO = re.compile(r"(\d{1,6})\s*([smhdw])")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def add(commands: Commands) -> None:
    """Add `categorize`."""
    parser = command(commands, "categorize", run, "cluster the errors of logs into named categories", _EXAMPLES)
    add_files(parser, optional=True)
    parser.add_argument("--store", metavar="DIR|URL", help="take the errors of a store instead of logs")
    parser.add_argument(
        "--since", metavar="TIME", help="errors from this time on: 7d or 12h before the last one, or 2026-03-02T12:30"
    )
    parser.add_argument("--models", metavar="DIR", default="models", help="where the model is kept (default: models)")
    parser.add_argument("--min-count", metavar="N", type=int, default=2, help="lone errors seen less stay out (2)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    labels = parser.add_argument_group("failure texts instead of logs")
    labels.add_argument("--input", metavar="JSONL", help='one {"id", "text"} a line; a text may have many lines')
    labels.add_argument("--output", metavar="CSV", help="file to write: id, group, category, name")
    labels.add_argument("--online", action="store_true", help="label each text by those before it alone")
    add_reading(parser)


def run(args: argparse.Namespace) -> int:
    """Gather errors, fit, save the model, and print the categories; or label failure texts."""
    try:
        import sklearn  # noqa: F401 - told here, in one sentence, and not from the middle of the fit
    except ModuleNotFoundError as exc:
        raise UsageError(f"categorize needs the package {exc.name!r}: pip install '.[categories]'") from exc
    if args.input is not None or args.output is not None or args.online:
        return _label(args)
    if bool(args.files) == (args.store is not None):
        raise UsageError("categorize needs logs (FILE …), --store or --input; see: fm-anomaly categorize --help")
    return _categorize(args)


def _label(args: argparse.Namespace) -> int:
    if args.input is None or args.output is None:
        raise UsageError("failure texts need both files: categorize --input texts.jsonl --output labels.csv")
    if args.files or args.store:
        raise UsageError("categorize reads logs, a store or --input, not both: leave the others out")
    from fm_anomaly.cli.console import print_notice
    from fm_anomaly.cli.labels import write_labels
    from fm_anomaly.cli.wording import plural

    n = write_labels(Path(args.input), Path(args.output), is_online=args.online)
    print_notice(f"{plural(n, 'text')} labelled in {args.output}")
    return EXIT_OK


def _categorize(args: argparse.Namespace) -> int:
    from fm_anomaly.categorizing import categorize
    from fm_anomaly.cli.category_table import lines, plain
    from fm_anomaly.cli.console import print_lines, print_notice
    from fm_anomaly.core.category_values import CategoriesParams

    errors = _of_store(args) if args.store else _of_logs(args)
    params = CategoriesParams(min_count=max(1, args.min_count))
    made = categorize(errors, Path(args.models), NAME, params, on_refused=print_notice)
    if args.json:
        json.dump({"model": str(made.folder), **plain(made.model)}, sys.stdout)
        sys.stdout.write("\n")
        return EXIT_OK
    print_lines(lines(made.model, str(made.folder)))
    return EXIT_OK


def _of_logs(args: argparse.Namespace) -> list[DistinctError]:
    from fm_anomaly.cli.console import print_notice
    from fm_anomaly.cli.inputs import dated, open_files, settings_of, warn_of
    from fm_anomaly.cli.wording import plural
    from fm_anomaly.core.error_collection import ErrorCollector
    from fm_anomaly.core.sources import Source, SourceName

    settings = settings_of(args)
    readings, progress = open_files(args, args.files, "categorize")
    params, default_us = dated(settings.pipeline, readings)
    collector = ErrorCollector()
    try:
        for reading in readings:
            source = Source(SourceName(reading.name, reading.service), params.parsing, default_us)
            for data in reading.chunks():
                collector.observe(source.feed(data))
            collector.observe(source.flush())
    finally:
        progress.close()
    warn_of(readings)
    if collector.n_beyond:
        print_notice(f"{plural(collector.n_beyond, 'error')} of ever new wordings left out: a value is not masked")
    return collector.errors(_since_us(args.since, collector.last_us(), params.parsing.tz))


def _of_store(args: argparse.Namespace) -> list[DistinctError]:
    from fm_anomaly.categorizing import errors_of_store
    from fm_anomaly.cli.inputs import settings_of
    from fm_anomaly.storage.connection import default_path, open_store
    from fm_anomaly.storage.errors import last_error_us

    settings = settings_of(args)
    is_folder = "://" not in args.store
    if is_folder and not default_path(Path(args.store)).is_file():
        raise UsageError(f"no store in {args.store!r}: fill one with fm-anomaly scan FILE --store {args.store}")
    tenant = settings.pipeline.tenant
    with open_store(default_path(Path(args.store)) if is_folder else args.store) as store:
        since_us = _since_us(args.since, last_error_us(store, tenant), settings.pipeline.parsing.tz)
        return errors_of_store(store, tenant, since_us)


def _since_us(text: str | None, last_us: int, tz: str) -> int | None:
    from fm_anomaly.cli.spans import typed_time

    if text is None:
        return None
    ago = _AGO.fullmatch(text.strip())
    if ago is not None:
        return last_us - int(ago[1]) * _UNIT_S[ago[2]] * 1_000_000
    return typed_time(text, tz).near(last_us)
