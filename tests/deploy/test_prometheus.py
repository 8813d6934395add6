"""Laws of deploy/: Prometheus, Alertmanager and Grafana know only what exists, and their own tools are content."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from fm_anomaly.api.metric_families import NAMESPACE
from scripts import dashboards
from tests.conftest import ROOT

DEPLOY = ROOT / "deploy"
PROMETHEUS, GRAFANA = DEPLOY / "prometheus", DEPLOY / "grafana"
RUNBOOK = ROOT / "docs" / "runbook.md"
SEVERITIES = {"low", "medium", "high", "critical"}
OF_THE_CLIENT = {"process_cpu_seconds_total", "process_resident_memory_bytes"}


def tool(name: str, package: str) -> str:
    """Return the path of a program; skips where it is not installed."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name}: install Debian's package {package}")
    return found


def run(*command: str, cwd: Path) -> str:
    """Run a program that must be content; return what it says."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def exported() -> set[str]:
    """Return the names that docs/metrics.md has, which are those of the service (tests/api/test_metrics.py)."""
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    found = re.findall(r"^\| `(\w+)` \| (\w+) \|", text, re.MULTILINE)
    names = OF_THE_CLIENT | {name for name, kind in found if kind != "histogram"}
    return names | {f"{n}_{part}" for n, kind in found if kind == "histogram" for part in ("bucket", "sum", "count")}


def rules() -> list[dict[str, Any]]:
    """Return every rule."""
    files = [yaml.safe_load((PROMETHEUS / name).read_text()) for name in ("rules.yml", "alerts.yml")]
    return [rule for file in files for group in file["groups"] for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    """Return the alerts by name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def unknown_in(expression: str) -> set[str]:
    """Return metrics of ours in an expression that are neither exported nor recorded."""
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    rest = re.sub(r"[a-z_]+:faultmaven_anomaly_\w+:\w+", lambda m: "" if m[0] in recorded else m[0], expression)
    return {name for name in re.findall(rf"{NAMESPACE}_(\w+)", rest) if name not in exported()}


def test_promtool_is_content(tmp_path: Path) -> None:
    """Configurations and rules are valid, and each rule does what its unit tests say."""
    promtool = tool("promtool", "prometheus")
    for file in PROMETHEUS.glob("*.yml"):
        shutil.copy(file, tmp_path)
    (tmp_path / "fm_anomaly.key").touch()
    run(promtool, "check", "config", "prometheus.yml", cwd=tmp_path)
    # in a container it lies elsewhere, and so do its files
    told = (tmp_path / "compose.yml").read_text().replace("/etc/prometheus/", "")
    (tmp_path / "compose.yml").write_text(told)
    run(promtool, "check", "config", "compose.yml", cwd=tmp_path)
    assert "SUCCESS" in run(promtool, "test", "rules", "tests.yml", cwd=tmp_path)


def test_every_alert_has_a_test_that_it_fires_and_one_that_it_is_quiet() -> None:
    """So that no alert is for show."""
    cases = yaml.safe_load((PROMETHEUS / "tests.yml").read_text())["tests"]
    names = {case["name"] for case in cases}
    assert {f"{name} {what}" for name in alerts() for what in ("fires", "is quiet")} <= names


def test_every_metric_in_a_rule_is_exported() -> None:
    """A rule over a name that nobody exports would be silent for ever."""
    assert {
        rule.get("alert", rule.get("record")): unknown for rule in rules() if (unknown := unknown_in(rule["expr"]))
    } == {}


def test_every_alert_has_severity_words_and_a_place_in_the_runbook() -> None:
    """And the runbook has no alert that does not exist."""
    headings = set(re.findall(r"^### (FmAnomaly\w+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE))
    assert headings == set(alerts())
    for name, alert in alerts().items():
        assert alert["labels"]["severity"] in SEVERITIES
        assert alert["annotations"]["runbook"] == f"docs/runbook.md#{name.lower()}"
        assert alert["annotations"]["summary"]
        assert alert["annotations"]["description"]


def test_the_dashboards_are_what_the_script_writes() -> None:
    """scripts/dashboards.py and deploy/grafana agree."""
    for name, content in dashboards.dashboards().items():
        assert json.loads((GRAFANA / name).read_text(encoding="utf-8")) == content
    assert {path.name for path in GRAFANA.glob("*.json")} == set(dashboards.dashboards())


def test_every_metric_in_a_dashboard_is_exported() -> None:
    """Each expression names what the service exports or a rule records; ids and places are one panel's each."""
    for content in dashboards.dashboards().values():
        panels = [panel for panel in content["panels"] if panel["type"] != "row"]
        assert len({panel["id"] for panel in content["panels"]}) == len(content["panels"])
        assert len({(p["gridPos"]["x"], p["gridPos"]["y"]) for p in panels}) == len(panels)
        for panel in panels:
            for target in panel["targets"]:
                assert unknown_in(target["expr"]) == set(), panel["title"]


def test_every_metric_is_shown_or_judged_somewhere() -> None:
    """What is exported for nothing is not exported; a few are for a question of the moment."""
    told = "\n".join(rule["expr"] for rule in rules())
    told += "\n" + json.dumps(dashboards.dashboards())
    seldom = {
        *("backlog_entries", "queue_entries", "write_ahead_groups_total", "snapshots_total", "torn_bytes_at_start"),
        *("duplicate_batches_total", "syslog_messages_total", "followed_files", "followed_bytes_total"),
        *("syslog_refused_connections_total", "request_seconds_sum", "service_seconds_sum", "stage_seconds_sum"),
        *("service_seconds_count", "stage_seconds_count", "process_resident_memory_bytes"),
    }
    assert {name for name in exported() if not re.search(rf"\b{NAMESPACE}_{name}\b", told)} <= seldom


@pytest.mark.parametrize("name", ["promtool"])
def test_every_expression_of_a_dashboard_is_valid(tmp_path: Path, name: str) -> None:
    """promtool reads each of them, as rules of a file of its own."""
    promtool = tool(name, "prometheus")
    expressions = [
        target["expr"].replace('"$instance"', '".*"').replace('"$service"', '".*"')
        for content in dashboards.dashboards().values()
        for panel in content["panels"]
        for target in panel.get("targets", ())
    ]
    recorded = [{"record": f"panel:{n}", "expr": expr} for n, expr in enumerate(expressions)]
    (tmp_path / "panels.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": recorded}]}))
    run(promtool, "check", "rules", "panels.yml", cwd=tmp_path)


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ("alertname=FmAnomalyDown severity=critical", "pager"),
        ("alertname=FmAnomalyLate severity=low", "operators"),
        ("alertname=fm_anomaly_new_error severity=high incident=i-1 tenant=default", "pager,chat"),
        ("alertname=fm_anomaly_volume_spike severity=medium incident=i-1", "chat"),
        ("alertname=SomethingElse severity=critical", "chat"),
    ],
)
def test_alerts_go_where_the_example_says(labels: str, receivers: str) -> None:
    """amtool routes each kind of alert to the receivers that docs/alerting.md names."""
    amtool = tool("amtool", "prometheus-alertmanager")
    file = DEPLOY / "alertmanager" / "alertmanager.yml"
    run(
        amtool,
        *("config", "routes", "test", f"--config.file={file}", f"--verify.receivers={receivers}"),
        *labels.split(),
        cwd=DEPLOY,
    )


def test_amtool_is_content() -> None:
    """The example is a valid configuration of an Alertmanager."""
    amtool = tool("amtool", "prometheus-alertmanager")
    run(amtool, "check-config", "alertmanager/alertmanager.yml", cwd=DEPLOY)
