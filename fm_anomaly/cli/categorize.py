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
"""
_NAME = "error-categories"


def add(commands: Commands) -> None:
    """Add `categorize`."""
    parser = command(commands, "categorize", run, "cluster the error types of logs into named categories", _EXAMPLES)
    add_files(parser)
    parser.add_argument("--models", metavar="DIR", default="models", help="where the model is kept (default: models)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_reading(parser)
    parser.set_defaults(state=None, since=None, until=None)


def run(args: argparse.Namespace) -> int:
    """Scan, fit, save the model, and print the categories."""
    try:
        import sklearn  # noqa: F401 - told here, in one sentence, and not from the middle of the fit
    except ModuleNotFoundError as exc:
        raise UsageError(f"categorize needs the package {exc.name!r}: pip install '.[categories]'") from exc
    from dataclasses import asdict

    from fm_anomaly.cli.console import print_lines
    from fm_anomaly.cli.scan import report_of
    from fm_anomaly.core.categories import fit, from_templates
    from fm_anomaly.storage.model_registry import save_model

    report = report_of(args, "categorize")
    model = fit(from_templates(report["templates"]))
    folder = save_model(Path(args.models), _NAME, model, params=asdict(model.params), metrics=model.metrics)
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
                f"  {plural(category.n_templates, 'event type')} of {terminal(', '.join(category.services[:4]))}",
                "dim",
            ),
        )
        for example in category.examples[:2]:
            yield Text(f"{'':<13}{terminal(clipped(example, 140))}", style="dim")
    yield Text.assemble(("model      ", "dim"), terminal(folder))
