"""`config show`: every setting with its value and where it came from."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fm_anomaly.cli.options import EXIT_OK, Parser, action, command, no_action

if TYPE_CHECKING:
    from fm_anomaly.cli.options import Commands

_EXAMPLES = """\
  fm-anomaly config show
  FM_ANOMALY_PARSING_TZ=Europe/Paris fm-anomaly config show
  fm-anomaly config show --config prod.toml --changed

settings come from, each overruling the one before:
  1. the defaults
  2. fm_anomaly.toml in this folder, or --config FILE (also FM_ANOMALY_CONFIG):
         tenant = "payments"
         [parsing]
         tz = "Europe/Paris"
  3. the environment: FM_ANOMALY_ and the key in capitals, dots as _: FM_ANOMALY_PARSING_TZ
  4. options of the command, such as --tz
"""


def add(commands: Commands) -> None:
    """Add `config` with its one sub-command."""
    parser = command(commands, "config", no_action, "show the settings in force, and where each came from", _EXAMPLES)
    actions = parser.add_subparsers(metavar="ACTION", required=True, parser_class=Parser)
    show = action(actions, "show", run, "print each value with its origin", f"examples:\n{_EXAMPLES}")
    show.add_argument("--config", metavar="FILE", help="settings file (default: fm_anomaly.toml here, if there is one)")
    show.add_argument("--changed", action="store_true", help="only what differs from the defaults")


def run(args: argparse.Namespace) -> int:
    """Print the settings, one a line, under their sections."""
    from fm_anomaly.cli.console import print_plain
    from fm_anomaly.config import DEFAULT, load_settings

    settings = load_settings(args.config).settings
    shown = [s for s in settings if s.origin != DEFAULT or not args.changed]
    width = max((len(s.key.rpartition(".")[2]) + 3 + len(s.shown()) for s in shown), default=0)
    width = min(width, 60)
    section = ""
    for setting in sorted(shown, key=lambda s: (s.key.count("."), s.key.rpartition(".")[0])):
        of, _, name = setting.key.rpartition(".")
        if of != section:
            print_plain(f"\n[{of}]")
            section = of
        print_plain(f"{name + ' = ' + setting.shown():<{width}}  # {setting.origin}")
    if not shown:
        print_plain("all settings have their default")
    return EXIT_OK
