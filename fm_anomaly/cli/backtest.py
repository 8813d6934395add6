"""`backtest`: would it have fired? What a history would have told at three sensitivities, before one is chosen."""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from fm_anomaly.cli.options import EXIT_OK, add_files, add_reading, command
from fm_anomaly.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fm_anomaly.cli.options import Commands
    from fm_anomaly.core.pipeline import PipelineParams
    from fm_anomaly.evaluation.backtest import Outcome
    from fm_anomaly.evaluation.truth import Truth

_EXAMPLES = """\
  fm-anomaly backtest app.log                      what would a week of it have told?
  fm-anomaly backtest logs/ --budget 5/day         with a ceiling on notifications a service and day
  fm-anomaly backtest sample/ --truth truth.json   recall, precision, time to detect
"""
_MAX_SHOWN = 12


def add(commands: Commands) -> None:
    """Add `backtest`."""
    parser = command(
        commands,
        "backtest",
        run,
        "would it have fired? what these logs would have told, at three sensitivities",
        _EXAMPLES,
    )
    add_files(parser)
    parser.add_argument(
        "--budget", metavar="N/day", help="ceiling on notifications a service and day (default: alerts.budget, 5)"
    )
    parser.add_argument("--truth", metavar="FILE", help="truth.json of a generated sample: recall, precision, delay")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_reading(parser)


def run(args: argparse.Namespace) -> int:
    """Scan three times, and print what differs."""
    from fm_anomaly.cli.console import print_lines, print_plain
    from fm_anomaly.evaluation import backtest

    if "-" in args.files:
        raise UsageError("backtest reads its logs once a sensitivity, standard input cannot: save it to a file first")
    budget = budget_of(args.budget)
    truth = _truth(args.truth)
    outcomes = backtest.run(lambda name: _open(args, name, budget), truth)
    if args.json:
        json.dump(backtest.to_dict(outcomes), sys.stdout, ensure_ascii=True)
        print_plain("")
    else:
        print_lines(_lines(outcomes, args.files))
    return EXIT_OK


def budget_of(text: str | None) -> float | None:
    """Return the notifications a service and day that `text` allows.

    >>> budget_of("5/day"), budget_of("2.5"), budget_of(None)
    (5.0, 2.5, None)

    Raises
    ------
    UsageError
        It is no number, or a number a time other than the day.
    """
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(?:/(?:day|d))?", text)
    if found is None:
        raise UsageError(f"--budget {text!r} is no number a day: write 5/day")
    return float(found[1])


def _truth(path: str | None) -> Truth | None:
    from fm_anomaly.evaluation.truth import Truth

    if path is None:
        return None
    try:
        return Truth.load(Path(path))
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise UsageError(f"--truth {path!r} cannot be read ({exc}); give the truth.json of a generated sample") from exc


def _open(args: argparse.Namespace, name: str, budget: float | None) -> tuple[Sequence[Any], PipelineParams, int]:
    from fm_anomaly.cli.inputs import dated, open_files, settings_of

    params = settings_of(args).pipeline
    if budget is not None:
        params = replace(params, alerts=replace(params.alerts, budget=budget))
    readings, _ = open_files(args, args.files, f"backtest, {name}")
    params, default_us = dated(params, readings)
    return readings, params, default_us


def _lines(outcomes: Sequence[Outcome], files: Sequence[str]) -> list[Any]:
    from rich.text import Text

    from fm_anomaly.core.display import terminal
    from fm_anomaly.core.reasons import duration

    usual = outcomes[len(outcomes) // 2]
    span = duration(usual.last_us - usual.first_us)
    lines = [Text(terminal(f"backtest {' '.join(files)}   {usual.n_lines:,} lines · {span}"), style="bold"), Text("")]
    lines += [Text(row) for row in _table(outcomes)]
    lines += [Text(""), Text(f"by service and kind, {usual.name} (alerts, of them notified)", style="bold")]
    for service, kind, n, told in usual.by_service_and_kind()[:_MAX_SHOWN]:
        lines.append(Text(terminal(f"  {service[:24]:24} {kind:14} {n:5} {told:5}")))
    lines += [Text(""), Text("incidents, and the sensitivities that show them", style="bold")]
    shown = _incidents(outcomes)
    for first, names, incident in shown[:_MAX_SHOWN]:
        text = f"  {first[:16].replace('T', ' ')}  {incident['severity']:8} {incident['services'][0][:16]:16} "
        lines.append(Text(terminal(f"{text}{incident['title'][:60]:60} {names}")))
    if len(shown) > _MAX_SHOWN:
        lines.append(Text(f"  … {len(shown) - _MAX_SHOWN} more (--json has all)"))
    if not shown:
        lines.append(Text("  none"))
    return lines


def _table(outcomes: Sequence[Outcome]) -> list[str]:
    rows: list[tuple[str, list[str]]] = [
        ("", [o.name for o in outcomes]),
        ("false alarms a series-day, aimed at", [f"{o.false_alarms_per_series_day:g}" for o in outcomes]),
        ("incidents", [str(len(o.incidents)) for o in outcomes]),
        ("alerts a day", [f"{len(o.alerts) / o.days:.1f}" for o in outcomes]),
        ("notifications a day", [f"{o.n_notified / o.days:.1f}" for o in outcomes]),
    ]
    judged = [o.judged for o in outcomes if o.judged is not None]
    if len(judged) == len(outcomes):
        delays = [f"{median(j.delays_s):.0f} s" if j.delays_s else "–" for j in judged]
        worst = [f"{max(j.delays_s):.0f} s" if j.delays_s else "–" for j in judged]
        rows += [
            ("recall", [f"{j.recall:.0%} of {j.n_planted}" for j in judged]),
            ("precision", [f"{j.precision:.0%}" for j in judged]),
            ("time to detect, median", delays),
            ("time to detect, worst", worst),
        ]
    return [f"{title:36}" + "".join(f"{cell:>12}" for cell in cells) for title, cells in rows]


def _incidents(outcomes: Sequence[Outcome]) -> list[tuple[str, str, Any]]:
    """Return (start, names of the sensitivities that show it, incident) of every incident, once, by start."""
    seen: dict[tuple[str, str], tuple[str, list[str], Any]] = {}
    for outcome in outcomes:
        for incident in outcome.incidents:
            key = (incident["services"][0], incident["start"])
            _, names, _ = seen.setdefault(key, (incident["start"], [], incident))
            names.append(outcome.name)
    return [(start, ", ".join(names), incident) for start, names, incident in sorted(seen.values(), key=lambda e: e[0])]
