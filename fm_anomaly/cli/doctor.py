"""`doctor`: what is received and how well: formats, zones, clocks, rejects, redactions, templates, learning."""

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

_MAX_SERVICES = 30
_EXAMPLES = """\
  fm-anomaly doctor app.log
  fm-anomaly doctor /var/log/app/ --json
"""


def add(commands: Commands) -> None:
    """Add `doctor`."""
    parser = command(
        commands, "doctor", run, "say what is received, how well it is understood, and what to change", _EXAMPLES
    )
    add_files(parser)
    parser.add_argument("--json", action="store_true", help="print JSON: source, intake and services of scan --json")
    add_reading(parser)
    add_span(parser)
    parser.set_defaults(state=None)


def run(args: argparse.Namespace) -> int:
    """Scan, and print how well it went."""
    from fm_anomaly.cli.card import head_lines
    from fm_anomaly.cli.console import print_lines
    from fm_anomaly.cli.scan import report_of

    report = report_of(args, "doctor")
    if args.json:
        keys = ("schema", "tool", "source", "intake", "services")
        json.dump({key: report[key] for key in keys}, sys.stdout)
        sys.stdout.write("\n")
        return EXIT_OK
    print_lines(list(head_lines(report, "doctor"))[:1])
    print_lines(_lines(report))
    return EXIT_OK


def _lines(report: dict[str, Any]) -> Iterator[Text]:
    from rich.text import Text

    yield from _section("formats", _shares(report["intake"]["formats"]))
    yield from _section("times", _times(report))
    yield from _section("lines", _accounting(report["intake"]))
    yield from _section("redacted", [f"{n:,} × {kind}" for kind, n in report["intake"]["redacted"].items()])
    yield from _section("services", list(_services(report)))
    sentences = report["intake"]["health"] + list(_advice(report))
    yield Text()
    if not sentences:
        yield Text("all well", style="bold green")
    for sentence in sentences:
        yield Text.assemble(("! ", "bold yellow"), _safe(sentence))


def _section(name: str, facts: list[str]) -> Iterator[Text]:
    from rich.text import Text

    for i, fact in enumerate(facts or ["none"]):
        yield Text.assemble((f"{name if i == 0 else '':<11}", "dim"), _safe(fact))


def _safe(text: str) -> str:
    from fm_anomaly.core.display import terminal

    return terminal(text)


def _shares(tally: dict[str, int]) -> list[str]:
    from fm_anomaly.cli.wording import share

    total = sum(tally.values())
    by_size = sorted(tally.items(), key=lambda item: (-item[1], item[0]))
    return [f"{share(n, total):>7}  {name}  ({n:,})" for name, n in by_size]


def _times(report: dict[str, Any]) -> list[str]:
    from fm_anomaly.cli.card import face_of
    from fm_anomaly.cli.wording import parse_time, plural, share, span

    source, intake, face = report["source"], report["intake"], face_of(report)
    if not source["first"]:
        return ["no record tells its time: rates and silences cannot be judged"]
    lasted = (parse_time(source["last"]) - parse_time(source["first"])).total_seconds()
    zone = source["zone"]
    facts = [f"{face.show(source['first'])} – {face.show(source['last'])} ({span(lasted)})"]
    zones = {name: n for name, n in intake.get("zones", {}).items() if name != "none"}
    facts += [f"zone {name} stated by {plural(n, 'record')}" for name, n in zones.items()]
    if zone["assumed"]:
        n = intake.get("zones", {}).get("none", 0)
        facts.append(f"no zone stated by {plural(n, 'record')}: {zone['name']} assumed (--tz)")
    for key, text in (
        ("timeless", "without a time: they take that of the record before"),
        ("bad_times", "with an impossible time"),
        ("future", "from more than a day ahead of the log's clock: their own time is not believed"),
    ):
        if intake.get(key):
            facts.append(f"{plural(intake[key], 'record')} {text}")
    facts.append(f"{plural(intake['late'], 'record')} late ({share(intake['late'], intake['records'])})")
    return facts


def _accounting(intake: dict[str, Any]) -> list[str]:
    facts = [
        f"{intake['lines']:,} lines = {intake['records']:,} records + {intake['continuations']:,} continuations + "
        f"{intake['blanks']:,} blank + {intake['rejects']:,} set aside + {intake['skipped_own']:,} our own",
        f"{intake['records']:,} records = {intake['counted']:,} counted + {intake['late']:,} late"
        + (f" + {intake['outside']:,} outside the span asked for" if intake.get("outside") else ""),
    ]
    facts += [f"set aside: {n:,} × {reason}" for reason, n in intake["rejects_by_reason"].items()]
    if intake["tracebacks"]:
        facts.append(f"{intake['tracebacks']:,} tracebacks joined")
    if intake["truncated"]:
        facts.append(f"{intake['truncated']:,} lines longer than the limit were cut (parsing.max_line_bytes)")
    if intake.get("repaired"):
        facts.append(f"{intake['repaired']:,} lines with broken UTF-8 or NUL bytes were repaired")
    return facts


def _services(report: dict[str, Any]) -> Iterator[str]:
    from fm_anomaly.cli.wording import clipped, plural, span

    for service in report["services"][:_MAX_SERVICES]:
        sizes = (
            plural(service["records"], "record"),
            plural(service["errors"], "error"),
            plural(service["templates"], "event type"),
        )
        yield f"{clipped(service['service'], 24):<24}  {', '.join(sizes)}; health {service['health']}"
        ready = service.get("ready", {})
        learned = [name.replace("_", " ") for name, is_ready in ready.items() if is_ready]
        learning = [name.replace("_", " ") for name, is_ready in ready.items() if not is_ready]
        yield (
            f"{'':<24}  {span(service['learned_s'])} learned; judged: {', '.join(learned) or 'nothing yet'}"
            + (f"; still learning: {', '.join(learning)}" if learning else "")
        )
    if len(report["services"]) > _MAX_SERVICES:
        yield f"and {len(report['services']) - _MAX_SERVICES:,} more (--json has all)"


def _advice(report: dict[str, Any]) -> Iterator[str]:
    """Yield what could be done about what was found."""
    from fm_anomaly.cli.card import is_timeless, timeless_sentence

    source, intake = report["source"], report["intake"]
    if not intake["records"]:
        yield "no record was read: is this a log?"
        return
    if is_timeless(intake):
        yield (
            f"{timeless_sentence(intake)}, so nothing can be judged over time: compare with a good run, "
            "fm-anomaly diff good.log bad.log"
        )
    if source["zone"]["assumed"]:
        zone = source["zone"]["name"]
        yield f"times without a zone were read as {zone}: say --tz, or parsing.tz in fm_anomaly.toml, if that is wrong"
    if intake["rejects"] > 0.05 * intake["lines"]:
        yield f"{intake['rejects']:,} of {intake['lines']:,} lines were set aside: see the reasons above"
    if intake["late"] > 0.01 * intake["records"]:
        yield "many records come late: windows.lateness_s waits longer for them"
