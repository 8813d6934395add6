"""`categorize`: the batch job that clusters error templates into named categories, and keeps the model."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fm_anomaly.cli.options import EXIT_OK, add_files, add_reading, command
from fm_anomaly.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.text import Text

    from fm_anomaly.cli.options import Commands
    from fm_anomaly.core.categories import CategoryModel

_EXAMPLES = """\
  fm-anomaly categorize app.log
  fm-anomaly categorize logs/ --models ./models --json
  fm-anomaly categorize --input failures.jsonl --output labels.csv     one {"id", "text"} a line
"""
_NAME = "error-categories"


def add(commands: Commands) -> None:
    """Add `categorize`."""
    parser = command(commands, "categorize", run, "cluster the errors of logs into named categories", _EXAMPLES)
    add_files(parser, optional=True)
    parser.add_argument("--models", metavar="DIR", default="models", help="where the model is kept (default: models)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    labels = parser.add_argument_group("failure texts instead of logs")
    labels.add_argument("--input", metavar="JSONL", help='one {"id", "text"} a line; a text may have many lines')
    labels.add_argument("--output", metavar="CSV", help="file to write: id, group, category, name")
    labels.add_argument("--online", action="store_true", help="label each text by those before it alone")
    add_reading(parser)
    parser.set_defaults(state=None, since=None, until=None)


def run(args: argparse.Namespace) -> int:
    """Scan, fit, save the model, and print the categories; or label failure texts."""
    try:
        import sklearn  # noqa: F401 - told here, in one sentence, and not from the middle of the fit
    except ModuleNotFoundError as exc:
        raise UsageError(f"categorize needs the package {exc.name!r}: pip install '.[categories]'") from exc
    if args.input is not None or args.output is not None or args.online:
        return _label(args)
    if not args.files:
        raise UsageError("categorize needs logs (FILE …) or --input JSONL; see: fm-anomaly categorize --help")
    return _categorize(args)


def _label(args: argparse.Namespace) -> int:
    if args.input is None or args.output is None:
        raise UsageError("failure texts need both files: categorize --input texts.jsonl --output labels.csv")
    if args.files:
        raise UsageError(f"categorize reads logs or --input, not both: leave out {args.files[0]!r}")
    from fm_anomaly.cli.console import print_notice
    from fm_anomaly.cli.labels import write_labels
    from fm_anomaly.cli.wording import plural

    n = write_labels(Path(args.input), Path(args.output), is_online=args.online)
    print_notice(f"{plural(n, 'text')} labelled in {args.output}")
    return EXIT_OK


def _categorize(args: argparse.Namespace) -> int:
    from dataclasses import asdict

    from fm_anomaly.cli.console import print_lines
    from fm_anomaly.cli.scan import report_of
    from fm_anomaly.core.categories import fit, from_templates
    from fm_anomaly.storage.model_registry import Registry

    report = report_of(args, "categorize")
    model = fit(from_templates(report["templates"]))
    registry = Registry(Path(args.models))
    told = {"params": asdict(model.params), "metrics": model.metrics}
    folder = registry.save(_NAME, model.to_state(), kind="error-categories", **told)
    if args.json:
        json.dump({"model": str(folder), "categories": [asdict(c) for c in model.categories]}, sys.stdout)
        sys.stdout.write("\n")
        return EXIT_OK
    print_lines(_lines(model, str(folder)))
    return EXIT_OK


def _lines(model: CategoryModel, folder: str) -> Iterator[Text]:
    from rich.text import Text

    from fm_anomaly.cli.wording import clipped, plural
    from fm_anomaly.core.display import terminal

    found = plural(len(model.categories), "ERROR CATEGORY", "ERROR CATEGORIES")
    yield Text.assemble((found, "bold"), f"  of {plural(int(model.metrics['n_errors'] or 0), 'error type')}")
    for category in model.categories:
        yield Text.assemble(
            (f"{category.count:>9,} ×  ", "bold"),
            terminal(category.name),
            (
                f"  {plural(category.n_groups, 'group')} of {terminal(', '.join(category.services[:4]))}",
                "dim",
            ),
        )
        for example in category.examples[:2]:
            yield Text(f"{'':<13}{terminal(clipped(example, 140))}", style="dim")
    yield Text.assemble(("model      ", "dim"), terminal(folder))
