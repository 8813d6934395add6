"""`audit`: who did what, and whether the record of it is whole."""

from __future__ import annotations

import argparse
import heapq
from itertools import islice
from typing import TYPE_CHECKING

from fm_anomaly.cli.options import EXIT_FINDINGS, EXIT_OK, Parser, action, command, no_action

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fm_anomaly.cli.options import Commands
    from fm_anomaly.storage import Store
    from fm_anomaly.storage.audit import AuditRow
    from fm_anomaly.storage.audit_head import Heads, Verified

_EXAMPLES = """\
  fm-anomaly audit show
  fm-anomaly audit show --tenant shop --limit 200
  fm-anomaly audit verify                       exit code 3 where a row was changed, dropped or moved
  fm-anomaly audit verify --accept "restored from the backup of Monday"

The file audit.head in the data folder remembers the newest rows, signed by this installation's key. Back it up and
restore it together with the store, the file first.
"""


def add(commands: Commands) -> None:
    """Add `audit show | verify`."""
    parser = command(commands, "audit", no_action, "who did what, and whether the record of it is whole", _EXAMPLES)
    actions = parser.add_subparsers(metavar="ACTION", required=True, parser_class=Parser)
    show = action(actions, "show", run_show, "list who did what, newest first")
    show.add_argument(
        "--tenant", metavar="NAME", help="whose (default: that of the settings, and * of the installation)"
    )
    show.add_argument("--limit", metavar="N", type=int, default=50, help="how many rows (default: 50)")
    check = action(actions, "verify", run_verify, "check every row of every tenant; exit code 3 if one is not whole")
    check.add_argument("--accept", metavar="REASON", help="take the store as it is from now on, and note it")
    for each in (show, check):
        each.add_argument(
            "--data", metavar="DIR", default="fm_anomaly_data", help="folder of `serve` (default: fm_anomaly_data)"
        )
        each.add_argument("--db", metavar="URL", help="the store elsewhere, as for `serve`")
        each.add_argument("--config", metavar="FILE", help="settings (default: fm_anomaly.toml here, if there is one)")


def run_show(args: argparse.Namespace) -> int:
    """Print one line a row."""
    from fm_anomaly.cli.console import print_plain
    from fm_anomaly.cli.keys import open_existing
    from fm_anomaly.config import load_settings
    from fm_anomaly.core.display import clip, terminal
    from fm_anomaly.storage.tables import ANY
    from fm_anomaly.storage.timestamps import to_iso

    tenants = [args.tenant] if args.tenant else [str(load_settings(args.config)["tenant"]), ANY]
    with open_existing(args) as store:
        chains = [_newest_first(store, tenant) for tenant in tenants]
        for row in islice(heapq.merge(*chains, key=lambda row: -row.at_us), max(args.limit, 0)):
            of = f"{row.tenant:<8} " if not args.tenant else ""
            said = f"{row.audit_no:>6}  {terminal(of)}{to_iso(row.at_us)}  {row.action:<14} {row.outcome:<8}"
            print_plain(f"{said} {terminal(row.subject):<24} {terminal(row.actor)}  {terminal(clip(row.details, 160))}")
    return EXIT_OK


def _newest_first(store: Store, tenant: str) -> Iterator[AuditRow]:
    from fm_anomaly.storage.audit import audit_page

    cursor = None
    while True:
        page = audit_page(store, tenant, limit=500, cursor=cursor)
        yield from page.items
        cursor = page.next_cursor
        if cursor is None:
            return


def run_verify(args: argparse.Namespace) -> int:
    """Check all chains, and say what is wrong."""
    from pathlib import Path

    from fm_anomaly.cli.console import print_plain
    from fm_anomaly.cli.keys import open_existing
    from fm_anomaly.errors import AuditError
    from fm_anomaly.storage.audit_head import FILE_NAME, read_heads, verify
    from fm_anomaly.storage.installation_key import default_key_file, make_key

    path, key = Path(args.data) / FILE_NAME, make_key(default_key_file())
    heads: Heads | None
    try:
        heads, trouble = read_heads(path, key), ""
    except AuditError as exc:
        heads, trouble = None, str(exc)
    with open_existing(args) as store:
        found = verify(store, heads)
        if trouble:
            found.tell(trouble)
        _say(found, str(path))
        if args.accept is None or not found.problems:
            return EXIT_FINDINGS if found.problems else EXIT_OK
        _accept(store, path, key, heads or {}, found, args.accept)
        print_plain("taken as it is from now on; a row of the audit says so")
    return EXIT_OK


def _say(found: Verified, path: str) -> None:
    from fm_anomaly.cli.console import print_notice, print_plain

    for problem in found.problems:
        print_plain(f"NOT WHOLE  {problem}")
    if not found.problems:
        print_plain(f"whole: {found.n_rows:,} rows of {found.n_chains:,} tenants")
    if not found.has_file:
        print_notice(f"no {path} to compare with: rows that are missing at the end may not be found")


def _accept(store: Store, path: Path, key: bytes, heads: Heads, found: Verified, reason: str) -> None:
    from fm_anomaly.api.clock import now_us
    from fm_anomaly.cli.keys import who
    from fm_anomaly.storage.audit import Deed, note_alone
    from fm_anomaly.storage.audit_head import stored_heads, write_heads
    from fm_anomaly.storage.tables import ANY

    details = {"reason": reason, "problems": found.problems}
    note_alone(store, ANY, Deed(now_us(), who(), "audit_accepted", details=details))
    with store.reading() as connection:
        write_heads(path, key, stored_heads(connection, heads))
