"""`serve`: the alerts and incidents that scans have stored, over HTTP."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fm_anomaly.cli.options import EXIT_OK, command

if TYPE_CHECKING:
    from fm_anomaly.cli.options import Commands

_EXAMPLES = """\
  fm-anomaly scan app.log --store ./anomalies
  fm-anomaly serve --data ./anomalies
  curl 127.0.0.1:8010/api/v1/alerts
"""


def add(commands: Commands) -> None:
    """Add `serve`."""
    parser = command(commands, "serve", run, "serve stored alerts and incidents over HTTP, on this machine", _EXAMPLES)
    parser.add_argument(
        "--data", metavar="DIR", default="fm_anomaly_data", help="the folder of scan --store (default: fm_anomaly_data)"
    )
    parser.add_argument(
        "--host", metavar="ADDRESS", default="127.0.0.1", help="a loopback address (default: 127.0.0.1)"
    )
    parser.add_argument("--port", metavar="N", type=int, default=8010, help="port (default: 8010)")
    parser.add_argument("--tenant", metavar="NAME", default="default", help="whose alerts (default: default)")


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted."""
    from fm_anomaly.api import serve
    from fm_anomaly.cli.console import print_notice

    print_notice(f"serving {args.data} on http://{args.host}:{args.port}/api/v1/alerts (Ctrl-C ends it)")
    serve(args.data, args.host, args.port, args.tenant)
    return EXIT_OK
