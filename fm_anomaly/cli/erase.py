"""`erase`: take everything of a tenant out of a stopped service: store, log and learned state."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fm_anomaly.cli.options import EXIT_OK, command
from fm_anomaly.cli.serve import DEFAULT_DATA

if TYPE_CHECKING:
    from fm_anomaly.cli.options import Commands

_EXAMPLES = """\
  fm-anomaly erase shop            says what there is
  fm-anomaly erase shop --yes      erases it; one row of the audit remains, and its keys without names, revoked

Stop the service first. Backups, receivers of alerts and files of `scan` are not touched.
"""


def add(commands: Commands) -> None:
    """Add `erase`."""
    parser = command(commands, "erase", run, "take everything of a tenant out of a stopped service", _EXAMPLES)
    parser.add_argument("tenant", metavar="TENANT", help="whose logs, alerts, keys and learned state")
    parser.add_argument("--yes", action="store_true", help="do it: there is no way back")
    parser.add_argument(
        "--data", metavar="DIR", default=DEFAULT_DATA, help=f"folder of `serve --data` (default: {DEFAULT_DATA})"
    )
    parser.add_argument("--db", metavar="URL", help="the store elsewhere, as for `serve`")
    parser.add_argument("--config", metavar="FILE", help="settings (default: fm_anomaly.toml here, if there is one)")


def run(args: argparse.Namespace) -> int:
    """Say what there is, or erase it."""
    from fm_anomaly.cli.console import print_notice, print_plain
    from fm_anomaly.cli.keys import open_existing
    from fm_anomaly.core.display import terminal
    from fm_anomaly.storage.erasing import rows_by_table

    with open_existing(args) as store:
        found = rows_by_table(store, args.tenant)
        told = ", ".join(f"{n:,} {name}" for name, n in found.items()) or "nothing"
        print_plain(f"{terminal(args.tenant)}: {told}")
        if not args.yes:
            print_notice("nothing was erased: say --yes, with the service stopped")
            return EXIT_OK
        n = _erase(args, store)
    print_plain(f"erased: {n:,} rows of the store, its part of the log and of the learned state")
    return EXIT_OK


def _erase(args: argparse.Namespace, store: object) -> int:
    from dataclasses import replace
    from pathlib import Path
    from typing import cast

    from fm_anomaly.api.clock import now_us
    from fm_anomaly.cli.keys import who
    from fm_anomaly.config import load_settings
    from fm_anomaly.service.applying import ApplierParams
    from fm_anomaly.service.erasing import erase_tenant
    from fm_anomaly.service.holding import alone_in
    from fm_anomaly.service.running import ServiceParams
    from fm_anomaly.storage import Store
    from fm_anomaly.storage.installation_key import default_key_file, make_key
    from fm_anomaly.storage.sealing import key_from_outside
    from fm_anomaly.storage.segments import SegmentParams

    params = ServiceParams(
        applier=ApplierParams(pipeline=load_settings(args.config).pipeline),
        segments=replace(SegmentParams(), key=key_from_outside()),
    )
    folder = Path(args.data)
    with alone_in(folder):
        return erase_tenant(
            folder, cast(Store, store), args.tenant, params, make_key(default_key_file()), by=who(), now_us=now_us()
        )
