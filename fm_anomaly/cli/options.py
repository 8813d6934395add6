"""Options that several commands share, exit codes, and help that keeps its layout.

Loads nothing but argparse: every command's parser is built for every call.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

    Commands = argparse._SubParsersAction["Parser"]
    Run = Callable[[argparse.Namespace], int]

EXIT_OK = 0
EXIT_USAGE = 2
EXIT_FINDINGS = 3
EXIT_BELOW_FLOOR = 1
SEVERITIES = ("low", "medium", "high", "critical")


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Examples keep their lines; options get a wider column."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=100)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one sentence and a next step, exit code 2."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong on stderr and exit with 2."""
        self.exit(EXIT_USAGE, f"fm-anomaly: {message}; see: {self.prog} --help\n")


def command(commands: Commands, name: str, run: Run, summary: str, examples: str) -> Parser:
    """Add a command with its one-line summary and its examples."""
    parser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=f"examples:\n{examples}",
        formatter_class=HelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def add_files(parser: Parser, *, optional: bool = False) -> None:
    """Add FILES: files, folders, patterns, compressed and rotated ones, - for standard input."""
    text = "files, folders or patterns; .gz and .zst too; app.log.1 and app.log make one log; - reads standard input"
    if optional:
        text += " (default: those of the last scan)"
    parser.add_argument("files", metavar="FILE", nargs="*" if optional else "+", help=text)


def add_reading(parser: Parser) -> None:
    """Add what decides how logs are read."""
    group = parser.add_argument_group("reading")
    group.add_argument("--tz", metavar="ZONE", help="zone of times without one: Europe/Paris, +02:00 (default: UTC)")
    group.add_argument("--service", metavar="NAME", help="service of records that name none (default: the file's name)")
    group.add_argument("--tenant", metavar="NAME", help="whose logs these are (default: default)")
    group.add_argument("--config", metavar="FILE", help="settings (default: fm_anomaly.toml here, if there is one)")


def add_span(parser: Parser) -> None:
    """Add --since and --until."""
    parser.add_argument(
        "--since", metavar="TIME", help="from this time on: 12:30, 2026-03-02T12:30, or 2h before the end"
    )
    parser.add_argument("--until", metavar="TIME", help="up to this time")


def action(actions: Commands, name: str, run: Run, summary: str, epilog: str | None = None) -> Parser:
    """Add an action of a command, such as `keys create`, with its one-line summary."""
    description = summary[0].upper() + summary[1:] + "."
    parser = actions.add_parser(
        name, help=summary, description=description, epilog=epilog, formatter_class=HelpFormatter
    )
    parser.set_defaults(run=run)
    return parser


def no_action(args: argparse.Namespace) -> int:
    """Stand where argparse asks for what to run; it requires an action before it comes to that."""
    raise AssertionError("argparse requires an action")
