"""`backfill`: teach a service from the logs of before, before it goes live."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fm_anomaly.cli.options import EXIT_OK, add_files, add_reading, command
from fm_anomaly.cli.serve import DEFAULT_DATA

if TYPE_CHECKING:
    from fm_anomaly.cli.options import Commands

_EXAMPLES = """\
  fm-anomaly backfill /var/log/app/ --data /var/lib/fm_anomaly
  fm-anomaly serve --data /var/lib/fm_anomaly       goes on from there
"""


def add(commands: Commands) -> None:
    """Add `backfill`."""
    parser = command(
        commands,
        "backfill",
        run,
        "teach a service from the logs of before, before it goes live; nobody is told",
        _EXAMPLES,
    )
    add_files(parser)
    parser.add_argument(
        "--data", metavar="DIR", default=DEFAULT_DATA, help=f"folder of `serve --data` (default: {DEFAULT_DATA})"
    )
    parser.add_argument("--db", metavar="URL", help="the store elsewhere: postgresql://user:password@host/database")
    add_reading(parser)


def run(args: argparse.Namespace) -> int:
    """Read the files, and say what was learned."""
    from dataclasses import replace
    from pathlib import Path

    from fm_anomaly.cli.console import print_plain
    from fm_anomaly.cli.inputs import dated, open_files, settings_of, warn_of
    from fm_anomaly.cli.wording import plural
    from fm_anomaly.core.reasons import duration
    from fm_anomaly.service.applying import ApplierParams
    from fm_anomaly.service.backfilling import backfill
    from fm_anomaly.service.running import ServiceParams
    from fm_anomaly.storage import default_path, open_store
    from fm_anomaly.storage.sealing import key_from_outside
    from fm_anomaly.storage.segments import SegmentParams

    folder = Path(args.data)
    settings = settings_of(args)
    readings, progress = open_files(args, args.files, "backfill")
    params, default_us = dated(settings.pipeline, readings)
    segments = replace(SegmentParams(), key=key_from_outside())
    service = replace(ServiceParams(), applier=ApplierParams(pipeline=params), segments=segments)
    try:
        with open_store(args.db or default_path(folder)) as store:
            told = backfill(folder, store, readings, service, tenant=params.tenant, default_us=default_us)
    finally:
        progress.close()
    warn_of(readings)
    span = duration(told.last_us - told.first_us)
    print_plain(f"learned   {plural(told.n_records, 'record')} of {plural(told.n_services, 'service')} over {span}")
    print_plain(f"found     {plural(told.n_alerts, 'alert')} of that time, in the store; nobody is told")
    print_plain(f"next      fm-anomaly serve --data {args.data}")
    return EXIT_OK
