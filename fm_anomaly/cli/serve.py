"""`serve`: the service: logs in over HTTP, alerts out, on this machine unless said otherwise."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fm_anomaly.cli.options import EXIT_OK, command

if TYPE_CHECKING:
    from pathlib import Path

    from fm_anomaly.api.serving import ServeParams
    from fm_anomaly.cli.options import Commands
    from fm_anomaly.service.feeds import FeedParams

DEFAULT_DATA = "fm_anomaly_data"
_EXAMPLES = """\
  fm-anomaly serve
  curl -H 'Content-Type: text/plain' --data-binary @app.log 127.0.0.1:8010/api/v1/logs
  curl 127.0.0.1:8010/api/v1/alerts
"""


def add(commands: Commands) -> None:
    """Add `serve`."""
    parser = command(commands, "serve", run, "take logs in over HTTP and serve alerts, on this machine", _EXAMPLES)
    parser.add_argument(
        "--data", metavar="DIR", help=f"folder of the store, log and snapshots (default: {DEFAULT_DATA}, made when new)"
    )
    parser.add_argument(
        "--host", metavar="ADDRESS", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)"
    )
    parser.add_argument("--port", metavar="N", type=int, default=8010, help="port (default: 8010)")
    parser.add_argument("--db", metavar="URL", help="the store elsewhere: postgresql://user:password@host/database")
    parser.add_argument("--tenant", metavar="NAME", help="whose logs and alerts (default: that of the settings)")
    parser.add_argument("--config", metavar="FILE", help="settings (default: fm_anomaly.toml here, if there is one)")
    parser.add_argument(
        "--durability",
        choices=("fsync", "os"),
        default="fsync",
        help="what an answer promises: kept through loss of power, or through the end of the process only",
    )
    parser.add_argument(
        "--snapshot-every", metavar="S", type=float, default=150.0, help="seconds between snapshots (default: 150)"
    )
    parser.add_argument(
        "--allow-anonymous", action="store_true", help="listen on an address of the network without any key"
    )
    parser.add_argument("--tls-cert", metavar="FILE", help="serve HTTPS: certificate chain, PEM")
    parser.add_argument("--tls-key", metavar="FILE", help="its key, PEM, unencrypted")
    parser.add_argument(
        "--log-level",
        choices=("debug", "info", "warning", "error"),
        default="info",
        help="of our own log on stderr (default: info); SIGUSR1, or the API, makes it debug for a while",
    )
    parser.add_argument(
        "--traces", action="store_true", help="OpenTelemetry traces, to where OTEL_EXPORTER_OTLP_ENDPOINT says"
    )
    _add_feeds(parser)


def _add_feeds(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--syslog-udp", metavar="HOST:PORT", help="listen for syslog over UDP (best effort)")
    parser.add_argument("--syslog-tcp", metavar="HOST:PORT", help="listen for syslog over TCP")
    parser.add_argument(
        "--syslog-allow",
        metavar="NETWORK",
        action="append",
        help="network whose syslog is taken, such as 10.0.0.0/8; may be repeated (default: this machine)",
    )
    parser.add_argument(
        "--follow", metavar="PATH", action="append", default=[], help="take what is added to a file; may be repeated"
    )
    parser.add_argument(
        "--follow-from-start", action="store_true", help="of files not followed before, take what they hold already"
    )


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted or terminated."""
    from fm_anomaly.api import serve

    params = _params(args)
    _warn_of_new(params.data_dir, is_named=args.data is not None)
    serve(params, lambda address: _greet(address, params))
    return EXIT_OK


def _params(args: argparse.Namespace) -> ServeParams:
    import os
    from dataclasses import replace
    from pathlib import Path

    from fm_anomaly.api.serving import ServeParams
    from fm_anomaly.config import load_settings
    from fm_anomaly.core.quotas import Quotas
    from fm_anomaly.logs import configure
    from fm_anomaly.notify import target
    from fm_anomaly.service.applying import ApplierParams
    from fm_anomaly.service.category_runs import CategoryRunParams
    from fm_anomaly.service.notifying import NotifyingParams
    from fm_anomaly.service.restoring import SnapshotParams
    from fm_anomaly.service.running import ServiceParams
    from fm_anomaly.service.tidying import TidyingParams
    from fm_anomaly.storage.segment_format import parse_key
    from fm_anomaly.storage.segments import SegmentParams

    configure(args.log_level)
    settings = load_settings(args.config, options={"tenant": args.tenant})
    key = os.environ.get("FM_ANOMALY_SEGMENT_KEY")
    service = ServiceParams(
        applier=ApplierParams(pipeline=settings.pipeline),
        segments=replace(SegmentParams(), durability=args.durability, key=parse_key(key) if key else None),
        snapshots=SnapshotParams(every_s=args.snapshot_every),
    )
    return ServeParams(
        data_dir=Path(args.data or DEFAULT_DATA),
        host=args.host,
        port=args.port,
        tenant=settings.pipeline.tenant,
        db=args.db,
        token=os.environ.get("FM_ANOMALY_TOKEN") or None,
        allow_anonymous=args.allow_anonymous,
        tls_cert=Path(args.tls_cert) if args.tls_cert else None,
        tls_key=Path(args.tls_key) if args.tls_key else None,
        tenants=frozenset(settings.tenants),
        quotas=Quotas(settings.limits, {name: each.limits for name, each in settings.tenants.items()}),
        log_level=args.log_level,
        has_traces=args.traces,
        service=service,
        feeds=_feeds(args, settings.pipeline.parsing.tz),
        categories=CategoryRunParams(settings.categories, tz=settings.pipeline.parsing.tz),
        notify=NotifyingParams(tuple(target(each, os.environ) for each in settings.receivers), settings.notify),
        tidying=TidyingParams(settings.retention, {name: each.retention for name, each in settings.tenants.items()}),
    )


def _feeds(args: argparse.Namespace, tz: str) -> FeedParams:
    from pathlib import Path

    from fm_anomaly.service.feeds import FeedParams
    from fm_anomaly.service.following import FollowParams
    from fm_anomaly.service.syslog_listeners import LOOPBACK, SyslogParams, networks_of

    peers = networks_of(args.syslog_allow) if args.syslog_allow else LOOPBACK
    paths = tuple(str(Path(path).absolute()) for path in args.follow)
    return FeedParams(
        SyslogParams(args.syslog_udp, args.syslog_tcp, peers, tz), FollowParams(paths, args.follow_from_start)
    )


def _warn_of_new(folder: Path, *, is_named: bool) -> None:
    """Say that a named folder is new: a slip of the finger would otherwise look like lost alerts."""
    from fm_anomaly.cli.console import print_notice

    if is_named and not folder.exists():
        print_notice(f"{folder} is new: it begins with nothing learned and no alerts. Is the name right?")


def _greet(address: str, params: ServeParams) -> None:
    from fm_anomaly.cli.console import print_notice

    token = " -H 'Authorization: Bearer '$FM_ANOMALY_TOKEN" if params.token is not None else ""
    print_notice(f"fm-anomaly listens on {address}, data in {params.data_dir} (Ctrl-C ends it)")
    print_notice("send a first line:")
    print_notice(f"  curl{token} -H 'Content-Type: text/plain' -d 'ERROR hello from curl' {address}/api/v1/logs")
    print_notice(f"  curl{token} {address}/api/v1/intake")
