"""`scan` and `demo`: read logs to their end, print what went wrong, or write it as JSON or HTML."""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fm_anomaly.cli.options import (
    EXIT_FINDINGS,
    EXIT_OK,
    SEVERITIES,
    add_files,
    add_reading,
    add_span,
    command,
)
from fm_anomaly.errors import UsageError

if TYPE_CHECKING:
    from fm_anomaly.cli.inputs import Reading
    from fm_anomaly.cli.options import Commands, Parser
    from fm_anomaly.core.pipeline import Pipeline
    from fm_anomaly.ingest.position import Position

_SCAN = """\
  fm-anomaly scan app.log
  fm-anomaly scan /var/log/app/ --tz Europe/Paris --html report.html
  kubectl logs deploy/api | fm-anomaly scan -
  fm-anomaly scan build.log --fail-on high          in CI: exit code 3 on a finding
  fm-anomaly scan app.log --state ~/.app-state      go on where the last run left off
  fm-anomaly scan app.log --json | jq '.incidents[].title'
"""
_DEMO = """\
  fm-anomaly demo
  fm-anomaly demo --html demo.html
"""


def add(commands: Commands) -> None:
    """Add `demo` and `scan`."""
    demo = command(
        commands,
        "demo",
        run_demo,
        "scan a log that comes with fm-anomaly: four services, a day, planted incidents",
        _DEMO,
    )
    _add_output(demo)
    demo.set_defaults(tz=None, service=None, tenant=None, config=None, since=None, until=None, state=None)
    scan = command(commands, "scan", run_scan, "find what went wrong in logs", _SCAN)
    add_files(scan)
    _add_output(scan)
    add_reading(scan)
    add_span(scan)
    scan.add_argument("--state", metavar="DIR", help="keep what was learned in DIR, and go on from there next time")


def _add_output(parser: Parser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object (docs/schemas/scan.schema.json)")
    parser.add_argument("--html", metavar="FILE", help="also write a self-contained report")
    parser.add_argument("--fail-on", choices=SEVERITIES, help="exit with 3 if an incident is at least that severe")
    parser.add_argument("--all", action="store_true", help="show every incident, not only the first eight")
    parser.add_argument("-v", "--verbose", action="store_true", help="show sample lines of each incident")
    parser.add_argument(
        "--models", metavar="DIR", default="models", help="label alerts by the categories kept here (default: models)"
    )
    parser.add_argument("--store", metavar="DIR", help="also save what was found, for `fm-anomaly serve --data DIR`")


def run_demo(args: argparse.Namespace) -> int:
    """Scan the bundled sample."""
    from fm_anomaly.evaluation.bundled import demo_files

    args.files = [str(path) for path in demo_files()[0]]
    return run_scan(args)


def run_scan(args: argparse.Namespace) -> int:
    """Scan, print, write, and say by the exit code whether anything was found."""
    from fm_anomaly.cli.last_scan import remember

    result = _labelled(report_of(args), Path(args.models))
    remember(args, args.files)
    if args.html:
        _write_html(Path(args.html), result)
    if args.store:
        _store(Path(args.store), args.tenant or "default", result)
    _print(result, args)
    return exit_code(result, args.fail_on)


def _labelled(report: dict[str, Any], models: Path) -> dict[str, Any]:
    """Return the report with the group and category of each alert's error, where a model is in use."""
    from fm_anomaly.storage.model_registry import Registry

    name = "error-categories"
    version = Registry(models).active(name) if report["incidents"] else None
    if version is None:
        return report
    from fm_anomaly.categorizing import model_in_use
    from fm_anomaly.cli.console import print_notice
    from fm_anomaly.core.category_labels import Labeller, with_labels
    from fm_anomaly.errors import ModelError

    try:
        model = model_in_use(models, name)
    except (ModelError, UsageError, ImportError) as exc:
        print_notice(f"no categories: {exc}")
        return report
    return with_labels(report, Labeller(model, version))


def exit_code(report: dict[str, Any], fail_on: str | None) -> int:
    """Return 3 if an incident is at least as severe as `fail_on`, else 0."""
    if fail_on is None:
        return EXIT_OK
    limit = SEVERITIES.index(fail_on)
    found = any(SEVERITIES.index(incident["severity"]) >= limit for incident in report["incidents"])
    return EXIT_FINDINGS if found else EXIT_OK


def report_of(args: argparse.Namespace, label: str = "scan") -> dict[str, Any]:
    """Return the object of `scan --json` for what `args` name; progress and notices go to stderr.

    Raises
    ------
    UsageError
        A file cannot be read, an option cannot be used, or the saved state does not fit.
    """
    from fm_anomaly.cli import saved_state
    from fm_anomaly.cli.inputs import dated, open_files, settings_of, warn_of
    from fm_anomaly.cli.spans import PipelineWithin, span_us
    from fm_anomaly.cli.wording import plural
    from fm_anomaly.scanning import scan

    if args.state and (args.since or args.until):
        raise UsageError("--state goes on where it left off, so it cannot be combined with --since or --until")
    params = settings_of(args).pipeline
    span = span_us(args, params.parsing.tz)
    saved = saved_state.load(Path(args.state), params) if args.state else None
    pipeline, places = saved if saved else (None, {})
    readings, progress = open_files(args, args.files, label, places)
    params, default_us = dated(params, readings)
    if span is not None:
        pipeline = PipelineWithin(span, params)
    keep = partial(_keep, Path(args.state), readings, places) if args.state else None
    try:
        done = scan(readings, params, pipeline=pipeline, default_us=default_us, before_end=keep)
    finally:
        progress.close()
    report = done.to_dict()
    if isinstance(pipeline, PipelineWithin):
        report["intake"]["outside"] = pipeline.n_outside
        report["intake"]["health"].append(f"{plural(pipeline.n_outside, 'record')} outside --since/--until left out")
    report["intake"]["health"] += warn_of(readings)
    return report


def _keep(folder: Path, readings: list[Reading], places: dict[str, Position], pipeline: Pipeline) -> None:
    """Save the state as it stands before the end of input is judged."""
    from fm_anomaly.cli import saved_state

    read = {r.name: position for r in readings if (position := r.file.position()) is not None}
    saved_state.save(folder, pipeline, {**places, **read})


def _write_html(path: Path, report: dict[str, Any]) -> None:
    from fm_anomaly.cli.report import html_report

    try:
        path.write_text(html_report(report), encoding="utf-8")
    except OSError as exc:
        reason = (exc.strerror or str(exc)).lower()
        raise UsageError(f"cannot write {path}: {reason}; give --html a file in a folder that is yours") from exc


def _store(folder: Path, tenant: str, report: dict[str, Any]) -> None:
    from fm_anomaly.storage import default_path, open_store, save_scan

    with open_store(default_path(folder)) as store:
        save_scan(store, tenant, report)


def _print(report: dict[str, Any], args: argparse.Namespace) -> None:
    if args.json:
        json.dump(report, sys.stdout, ensure_ascii=True)
        sys.stdout.write("\n")
        return
    from fm_anomaly.cli.card import scan_lines
    from fm_anomaly.cli.console import print_lines

    print_lines(scan_lines(report, show_all=args.all, verbose=args.verbose))
    if args.html:
        from fm_anomaly.cli.console import print_plain

        print_plain(f"report     {args.html}")
