"""Writes deploy/grafana/*.json: two dashboards of Grafana, one about the service itself and one of what logs say.

Run as `python scripts/dashboards.py [FOLDER]`; the same bytes each time. A test holds that the files are what this
writes, and that each metric in them is exported.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_WIDTH, _HEIGHT = 8, 7
_P = "faultmaven_anomaly_"


@dataclass(frozen=True)
class Panel:
    """One panel: title, unit of Grafana, expressions with the legend of their series; `says` is its description."""

    title: str
    unit: str
    queries: Sequence[tuple[str, str]]
    says: str = ""
    kind: str = "timeseries"


def rate(metric: str, by: str, window: str = "5m") -> str:
    """Return the rate of a counter, summed by labels."""
    return f'sum by ({by}) (rate({_P}{metric}{{instance=~"$instance"}}[{window}]))'


def gauge(metric: str) -> str:
    """Return a gauge of the chosen instances."""
    return f'{_P}{metric}{{instance=~"$instance"}}'


SERVICE: Sequence[tuple[str, Sequence[Panel]]] = (
    (
        "Does it hear, does it keep up, does it tell?",
        (
            Panel("Behind", "s", [(gauge("lag_seconds"), "{{instance}}")], "Age of the oldest entry not worked on."),
            Panel(
                "Nothing came for",
                "s",
                [(gauge("input_age_seconds"), "{{protocol}}")],
                "By protocol that has brought something since the start.",
            ),
            Panel(
                "Waits to be told",
                "s",
                [(gauge("outbox_oldest_seconds"), "{{receiver}}")],
                "Age of the oldest change of an alert that a receiver has not taken.",
            ),
        ),
    ),
    (
        "What comes in",
        (
            Panel("Lines by protocol", "short", [(rate("intake_lines_total", "protocol"), "{{protocol}}")]),
            Panel("What became of lines", "short", [(rate("intake_lines_total", "became"), "{{became}}")]),
            Panel("Bytes", "Bps", [(rate("intake_bytes_total", "protocol"), "{{protocol}}")]),
            Panel(
                "Not taken",
                "short",
                [
                    (rate("busy_refusals_total", "instance"), "busy {{instance}}"),
                    (rate("disk_refusals_total", "instance"), "disk {{instance}}"),
                    (rate("syslog_dropped_total", "instance"), "syslog {{instance}}"),
                    (rate("syslog_dropped_by_kernel_total", "instance"), "syslog, kernel {{instance}}"),
                ],
            ),
            Panel("Share of lines in a known format", "percentunit", [(gauge("parse_share"), "{{instance}}")]),
            Panel(
                "Listeners and files",
                "short",
                [
                    (gauge("listeners") + " - " + gauge("listeners_up"), "listeners closed {{instance}}"),
                    (gauge("followed_files_unreadable"), "files unreadable {{instance}}"),
                    (gauge("syslog_connections"), "connections {{instance}}"),
                ],
            ),
        ),
    ),
    (
        "How long things take",
        (
            Panel(
                "Stages, 95th percentile",
                "s",
                [('stage:faultmaven_anomaly_seconds:p95{instance=~"$instance"}', "{{stage}}")],
            ),
            Panel(
                "Requests, 95th percentile",
                "s",
                [('surface:faultmaven_anomaly_request_seconds:p95{instance=~"$instance"}', "{{surface}}")],
            ),
            Panel("Answers", "reqps", [(rate("request_seconds_count", "surface, status"), "{{surface}} {{status}}")]),
            Panel(
                "Waiting",
                "bytes",
                [(gauge("queue_bytes"), "queue {{instance}}"), (gauge("bodies_bytes"), "bodies {{instance}}")],
            ),
            Panel("Processor", "percentunit", [(rate("process_cpu_seconds_total", "instance"), "{{instance}}")]),
            Panel("Buckets judged", "short", [(rate("buckets_total", "instance"), "{{instance}}")]),
        ),
    ),
    (
        "What it holds and keeps",
        (
            Panel("Memory", "bytes", [(gauge("memory_bytes"), "{{part}} {{instance}}")]),
            Panel("Learned state by part", "bytes", [(gauge("state_bytes"), "{{part}}")], "As of the last snapshot."),
            Panel(
                "Disk",
                "bytes",
                [
                    (gauge("disk_free_bytes"), "free {{instance}}"),
                    (gauge("write_ahead_bytes"), "write-ahead log {{instance}}"),
                    (gauge("snapshot_bytes"), "snapshot {{instance}}"),
                ],
            ),
            Panel("Last snapshot", "s", [(gauge("snapshot_age_seconds"), "{{instance}}")]),
            Panel(
                "Faults",
                "short",
                [
                    (rate("failed_groups_total", "instance", "1h"), "failed groups {{instance}}"),
                    (rate("snapshot_failures_total", "instance", "1h"), "failed snapshots {{instance}}"),
                    (rate("store_refusals_total", "instance", "1h"), "store refusals {{instance}}"),
                    (rate("clock_jumps_total", "instance", "1h"), "clock jumps {{instance}}"),
                ],
            ),
            Panel("Store", "short", [(gauge("store_up"), "{{instance}}")], "1: it can be read."),
        ),
    ),
    (
        "Telling people",
        (
            Panel(
                "Messages", "short", [(rate("notify_messages_total", "receiver, result"), "{{receiver}} {{result}}")]
            ),
            Panel(
                "Outbox",
                "short",
                [
                    (gauge("outbox_pending"), "waits: {{receiver}}"),
                    (gauge("outbox_held"), "told again and again: {{receiver}}"),
                    (gauge("outbox_dead"), "dead letters: {{receiver}}"),
                ],
            ),
            Panel("Left alone after failures", "short", [(gauge("notify_breaker_open"), "{{receiver}}")]),
        ),
    ),
)

STREAM: Sequence[tuple[str, Sequence[Panel]]] = (
    (
        "What goes wrong",
        (
            Panel("Alerts that fire", "short", [(gauge("alerts_firing"), "{{severity}}")]),
            Panel(
                "Changes of alerts and incidents", "short", [(rate("events_total", "instance", "1h"), "{{instance}}")]
            ),
            Panel(
                "Share of errors",
                "percentunit",
                [('service:faultmaven_anomaly_errors:ratio5m{service=~"$service"}', "{{service}}")],
            ),
        ),
    ),
    (
        "How much",
        (
            Panel(
                "Records a second",
                "short",
                [('service:faultmaven_anomaly_records:rate5m{service=~"$service"}', "{{service}}")],
            ),
            Panel(
                "Errors a second",
                "short",
                [(f'sum by (service) (rate({_P}service_errors_total{{service=~"$service"}}[5m]))', "{{service}}")],
            ),
            Panel("Kinds of message", "short", [(f'{_P}templates{{service=~"$service"}}', "{{service}}")]),
        ),
    ),
    (
        "How long, as records tell",
        tuple(
            Panel(
                f"{name} by layer",
                "s",
                [(f'service_layer:faultmaven_anomaly_seconds:{key}{{service=~"$service"}}', "{{service}} {{layer}}")],
            )
            for key, name in (("p50", "Median"), ("p95", "95th percentile"), ("p99", "99th percentile"))
        ),
    ),
    (
        "One error, logged how often?",
        (
            Panel(
                "Duplicate ratio",
                "percentunit",
                [('service:faultmaven_anomaly_duplicate_errors:ratio1h{service=~"$service"}', "{{service}}")],
                "Share of the errors of requests that are not the first of their request.",
            ),
            Panel(
                "Cascades prevented",
                "percentunit",
                [('service:faultmaven_anomaly_cascade_prevention:ratio1h{service=~"$service"}', "{{service}}")],
                "1 where every error is logged once, 0 where each is logged once a layer.",
            ),
            Panel(
                "Errors that name request and layer",
                "short",
                [(f'sum by (service) (rate({_P}request_errors_total{{service=~"$service"}}[5m]))', "{{service}}")],
            ),
        ),
    ),
    (
        "How well it is read",
        (
            Panel("Late", "short", [(rate("late_records_total", "instance"), "{{instance}}")]),
            Panel("Redacted", "short", [(rate("redacted_total", "kind"), "{{kind}}")]),
            Panel("Share of lines in a known format", "percentunit", [(gauge("parse_share"), "{{instance}}")]),
        ),
    ),
)


def dashboard(uid: str, title: str, rows: Sequence[tuple[str, Sequence[Panel]]], choice: str, metric: str) -> Any:
    """Return one dashboard; `choice` is what may be chosen above: values of a label of `metric`."""
    panels: list[dict[str, Any]] = []
    y = 0
    for name, row in rows:
        at = {"h": 1, "w": 24, "x": 0, "y": y}
        panels.append(
            {"id": len(panels) + 1, "type": "row", "title": name, "gridPos": at, "collapsed": False, "panels": []}
        )
        y += 1
        for n, panel in enumerate(row):
            place = {"h": _HEIGHT, "w": _WIDTH, "x": n % 3 * _WIDTH, "y": y + n // 3 * _HEIGHT}
            panels.append(_panel(len(panels) + 1, panel, place))
        y += -(-len(row) // 3) * _HEIGHT
    return {
        "uid": uid,
        "title": title,
        "tags": ["fm_anomaly"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [
                {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Source"},
                {**_choice("instance", f"label_values({_P}build_info, instance)")},
                *([] if choice == "instance" else [_choice(choice, f"label_values({_P}{metric}, {choice})")]),
            ]
        },
        "panels": panels,
    }


def _choice(name: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": name.capitalize(),
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "min": 0, "custom": {"fillOpacity": 10, "showPoints": "never"}},
            "overrides": [],
        },
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom"},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": [
            {"refId": chr(ord("A") + n), "datasource": _SOURCE, "expr": expr, "legendFormat": legend}
            for n, (expr, legend) in enumerate(panel.queries)
        ],
    }


def dashboards() -> dict[str, Any]:
    """Return the dashboards by file name."""
    return {
        "fm-anomaly-service.json": dashboard("fm-anomaly-service", "fm_anomaly: the service", SERVICE, "instance", ""),
        "fm-anomaly-logs.json": dashboard(
            "fm-anomaly-logs", "fm_anomaly: what logs say", STREAM, "service", "service_records_total"
        ),
    }


def main(folder: Path) -> None:
    """Write them."""
    for name, content in dashboards().items():
        (folder / name).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent / "deploy" / "grafana")
