"""Debian's Prometheus and Alertmanager with the files of deploy/, times shortened: our own alerts fire for real."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.api.server import Server
from tests.conftest import ROOT
from tests.notify.servers import Alertmanager, Hook, alertmanager, free_port, hook, wait_until

DEPLOY = ROOT / "deploy"
FOREVER_S = 60
TOKEN = "a key of sixteen characters and more"


def shortened(text: str) -> str:
    """Return rules or a configuration in which everything happens within seconds."""
    text = re.sub(r"\n        for: \w+", "", text)
    return re.sub(r"(scrape_interval|evaluation_interval|group_wait|group_interval): \w+", r"\1: 1s", text)


@contextmanager
def prometheus(folder: Path, ours: int, theirs: str) -> Iterator[str]:
    """Run Prometheus with deploy/prometheus: it scrapes port `ours`, tells `theirs`. Yield its address."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("no prometheus: install Debian's package of that name")
    shutil.copytree(DEPLOY / "prometheus", folder)
    for name in ("prometheus.yml", "alerts.yml"):
        (folder / name).write_text(shortened((folder / name).read_text()))
    config = (folder / "prometheus.yml").read_text().replace("scrape_timeout: 10s", "scrape_timeout: 1s")
    config = config.replace("127.0.0.1:8010", f"127.0.0.1:{ours}").replace("127.0.0.1:9093", theirs)
    (folder / "prometheus.yml").write_text(config)
    (folder / "fm_anomaly.key").write_text(TOKEN)
    address = f"127.0.0.1:{free_port()}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={address}",
            ],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
        )
        try:
            yield f"http://{address}"
        finally:
            process.terminate()
            process.wait(30)


def told(people: Hook) -> set[tuple[str, str]]:
    """Return where alerts that fire were sent to, and their names."""
    bodies = [(got.path, got.json()) for got in people.got]
    return {
        (path, a["labels"]["alertname"]) for path, body in bodies for a in body["alerts"] if a["status"] == "firing"
    }


def configured(manager: Alertmanager, people: Hook) -> None:
    """Give an Alertmanager the example's configuration, with the addresses of our people."""
    text = shortened((DEPLOY / "alertmanager" / "alertmanager.yml").read_text())
    (manager.folder / "config.yml").write_text(text.replace("http://127.0.0.1:5001", people.url))


def asked(address: str, expression: str) -> list[float]:
    """Return the values of an expression."""
    try:
        answer = httpx.get(f"{address}/api/v1/query", params={"query": expression}, timeout=10)
        return [float(each["value"][1]) for each in answer.json()["data"]["result"]]
    except httpx.HTTPError:
        return []


def test_our_own_alerts_reach_people(tmp_path: Path) -> None:
    """Lines nobody can read fire FmAnomalyUnparsed, the end of the service FmAnomalyDown; each goes where it should."""
    if shutil.which("prometheus") is None:
        pytest.skip("no prometheus: install Debian's package of that name")
    with (
        hook() as people,
        alertmanager(tmp_path / "am", people.url) as manager,
        Server(tmp_path / "data", environ={"FM_ANOMALY_TOKEN": TOKEN}) as server,
        prometheus(tmp_path / "prometheus", server.port, manager.url.removeprefix("http://")) as address,
    ):
        configured(manager, people)
        manager.start()
        text = "".join(f"the kettle of room {n} is not warm\n" for n in range(200))
        assert server.post("/api/v1/logs", text.encode(), Authorization=f"Bearer {TOKEN}").status_code == 200
        assert wait_until(lambda: ("/operators", "FmAnomalyUnparsed") in told(people), FOREVER_S), told(people)
        assert asked(address, 'up{job="fm-anomaly"}') == [1]
        assert asked(address, "sum(faultmaven_anomaly_intake_lines_total)") == [200]
        assert server.stop() == 0
        assert wait_until(lambda: ("/pager", "FmAnomalyDown") in told(people), FOREVER_S), told(people)
        (alert,) = [each for each in manager.alerts() if each["labels"]["alertname"] == "FmAnomalyDown"]
        runbook = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8").lower()
        assert f"### {alert['annotations']['runbook'].partition('#')[2]}\n" in runbook
        # nobody is woken by what follows from that
        others = {name for path, name in told(people) if path == "/pager"}
        assert others == {"FmAnomalyDown"}
