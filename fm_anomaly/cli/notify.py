"""`notify`: the receivers of alerts: list them, send a test, look at dead letters and send them again."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, TypeVar

from fm_anomaly.cli.options import EXIT_FINDINGS, EXIT_OK, Parser, action, command, no_action

if TYPE_CHECKING:
    from collections.abc import Callable

    from fm_anomaly.cli.options import Commands
    from fm_anomaly.config import Settings
    from fm_anomaly.core.notices import Notice
    from fm_anomaly.notify import Receiver
    from fm_anomaly.storage.outbox import Outbox

_T = TypeVar("_T")

_EXAMPLES = """\
  fm-anomaly notify list
  fm-anomaly notify test pager
  fm-anomaly notify dead --data ./anomalies
  fm-anomaly notify resend 4f1c2ab09d3e5f66.pager --data ./anomalies

receivers stand in fm_anomaly.toml, and nowhere else:
  [receivers.pager]
  kind = "alertmanager"                # or webhook, slack
  url = "http://127.0.0.1:9093"
  [receivers.chat]
  kind = "slack"
  url_env = "CHAT_URL"                 # secrets by the name of an environment variable
  min_severity = "high"
"""


def add(commands: Commands) -> None:
    """Add `notify` with its actions."""
    parser = command(commands, "notify", no_action, "receivers of alerts: list, test, dead letters", _EXAMPLES)
    actions = parser.add_subparsers(metavar="ACTION", required=True, parser_class=Parser)
    listing = action(actions, "list", run_list, "list the receivers, and what waits for each")
    test = action(actions, "test", run_test, "send a test alert to one receiver, and its end; exit code 3 if refused")
    test.add_argument("name", metavar="NAME", help="the receiver's name in the settings")
    dead = action(actions, "dead", run_dead, "list what could not be told and was given up")
    resend = action(actions, "resend", run_resend, "send a dead letter again, as its alert stands by now")
    resend.add_argument("id", metavar="ID", help="from `notify dead`; `all` for all of them")
    for each in (listing, test, dead, resend):
        each.add_argument("--config", metavar="FILE", help="settings file (default: fm_anomaly.toml here)")
    for each in (listing, dead, resend):
        each.add_argument(
            "--data", metavar="DIR", default="fm_anomaly_data", help="the folder of `serve` (default: fm_anomaly_data)"
        )
        each.add_argument("--db", metavar="URL", help="the store elsewhere, as for `serve`")
        each.add_argument("--tenant", metavar="NAME", help="whose alerts (default: that of the settings)")


def run_list(args: argparse.Namespace) -> int:
    """Print one line a receiver."""
    from fm_anomaly.cli.console import print_plain

    settings = _settings(args)
    counts = {}
    if args.db or _has_store(args.data):
        counts = {each.receiver: each for each in _with_outbox(args, lambda outbox: outbox.counts())}
    for receiver in settings.receivers:
        said = [f"{receiver.name:<16} {receiver.kind.value:<13} from {receiver.min_severity.value:<9}"]
        said.append(f"services {', '.join(receiver.services)}" if receiver.services else "all services")
        if (count := counts.get(receiver.name)) is not None:
            said.append(f"· {count.pending:,} waiting, {count.held:,} firing, {count.dead:,} dead")
        print_plain(" ".join(said))
    if not settings.receivers:
        print_plain("no receivers: add [receivers.NAME] to fm_anomaly.toml; `fm-anomaly notify --help` shows how")
    return EXIT_OK


def run_test(args: argparse.Namespace) -> int:
    """Send a test alert and its end to one receiver, and say what it answered."""
    import os
    import time

    from fm_anomaly.cli.console import print_plain
    from fm_anomaly.notify import target
    from fm_anomaly.notify.testing import send_test

    settings = _settings(args)
    receiver = _receiver(settings, args.name)
    answers = send_test(target(receiver, os.environ), settings.notify, time.time_ns() // 1_000)
    for said, answer in answers:
        print_plain(f"{receiver.name}: {said}: {'taken' if answer.is_ok else 'NOT taken, ' + answer.error}")
    return EXIT_OK if all(answer.is_ok for _, answer in answers) else EXIT_FINDINGS


def run_dead(args: argparse.Namespace) -> int:
    """Print one line a dead letter, newest first."""
    from fm_anomaly.cli.console import print_plain
    from fm_anomaly.core.display import clip, terminal
    from fm_anomaly.storage.timestamps import to_iso

    rows = _with_outbox(args, lambda outbox: outbox.dead(_tenant(args)))
    for row in rows:
        title = _title(row.notice) if _is_readable(row.payload) else row.alert_id
        print_plain(
            f"{row.id}  {to_iso(row.created_us)}  {row.action:<7}  {terminal(clip(title, 80))}\n"
            f"    {terminal(clip(row.last_error, 200))}  ({row.attempts} tries)"
        )
    if not rows:
        print_plain("no dead letters")
    return EXIT_OK


def run_resend(args: argparse.Namespace) -> int:
    """Make dead letters pending again; the running service sends them."""
    from fm_anomaly.cli.console import print_plain

    tenant = _tenant(args)

    def again(outbox: Outbox) -> int:
        if args.id != "all":
            outbox.resend(tenant, args.id)
            return 1
        ids = [row.id for row in outbox.dead(tenant, limit=10_000)]
        for each in ids:
            outbox.resend(tenant, each)
        return len(ids)

    n = _with_outbox(args, again)
    print_plain(f"{n} will be sent again by the running service, as {'it stands' if n == 1 else 'they stand'} by now")
    return EXIT_OK


def _settings(args: argparse.Namespace) -> Settings:
    from fm_anomaly.config import load_settings

    return load_settings(args.config)


def _tenant(args: argparse.Namespace) -> str:
    return args.tenant or _settings(args).pipeline.tenant


def _receiver(settings: Settings, name: str) -> Receiver:
    from fm_anomaly.errors import UsageError

    for receiver in settings.receivers:
        if receiver.name == name:
            return receiver
    known = ", ".join(receiver.name for receiver in settings.receivers) or "none"
    raise UsageError(f"no receiver is called {name!r}; the settings have: {known}")


def _has_store(data: str) -> bool:
    from pathlib import Path

    from fm_anomaly.storage import default_path

    return default_path(Path(data)).exists()


def _with_outbox(args: argparse.Namespace, do: Callable[[Outbox], _T]) -> _T:
    from pathlib import Path

    from fm_anomaly.errors import UsageError
    from fm_anomaly.storage import default_path, open_store
    from fm_anomaly.storage.outbox import Outbox

    if not args.db and not _has_store(args.data):
        raise UsageError(f"there is no store in {args.data}; name the folder of `serve` with --data")
    with open_store(args.db or default_path(Path(args.data))) as store:
        return do(Outbox(store))


def _title(notice: Notice) -> str:
    return f"{notice.severity.value} {notice.headline}"


def _is_readable(payload: dict[str, object]) -> bool:
    from fm_anomaly.core.notices import SCHEMA

    return payload.get("schema") == SCHEMA
