"""The commands that the documents for operators tell people to type, typed: against a real server, and a restore."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fm_anomaly.testing import outage_log
from tests.api.server import Server, eventually
from tests.conftest import ROOT
from tests.e2e.conftest import program
from tests.notify.servers import free_port

DOCS = ROOT / "docs"
STAMP = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.M)
PAGES = [
    "alerting.md",
    "runbook.md",
    "tuning.md",
    *(f"integrations/{path.name}" for path in DOCS.glob("integrations/*")),
]
SENDS = {f"integrations/{name}.md": name for name in ("splunk", "loki", "syslog")}
SENDS |= {"integrations/elastic.md": "elasticsearch", "integrations/faultmaven.md": "http"}


def blocks(page: str) -> list[str]:
    """Return the shell blocks of a page, in their order; those of other languages are not to be typed here."""
    return re.findall(r"^```sh\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def recent_log() -> str:
    """Return a log with an outage that ends now."""
    text = "".join(f"{line}\n" for line in outage_log())
    last = datetime.fromisoformat(STAMP.findall(text)[-1]).replace(tzinfo=UTC)
    behind = datetime.now(UTC) - last

    def later(found: re.Match[str]) -> str:
        return f"{datetime.fromisoformat(found[0]).replace(tzinfo=UTC) + behind:%Y-%m-%d %H:%M:%S}"

    return STAMP.sub(later, text)


class Shell:
    """A folder with a log, a data folder and `fm-anomaly` in the path; addresses are those of our server."""

    def __init__(self, folder: Path, server: Server, syslog: int) -> None:
        self.folder, self.server, self.syslog = folder, server, syslog
        bin_ = folder / "bin"
        bin_.mkdir()
        (bin_ / "fm-anomaly").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m fm_anomaly.cli "$@"\n')
        (bin_ / "fm-anomaly").chmod(0o755)
        for name in ("curl", "logger"):
            program(name)

    def run(self, text: str) -> str:
        """Type it; every command of it must succeed."""
        text = text.replace("127.0.0.1:8010", f"127.0.0.1:{self.server.port}").replace("5514", str(self.syslog))
        # a refusal is a failure here
        text = re.sub(r"\bcurl -s", "curl -sf", text).replace("curl --data", "curl -f --data")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=self.folder,
            env={
                "PATH": f"{self.folder / 'bin'}:/usr/bin:/bin:/usr/sbin",
                "PYTHONPATH": str(ROOT),
                "HOME": str(self.folder),
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, (text, done.stdout[-2_000:], done.stderr[-2_000:])
        return done.stdout


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A server that has found something, and where one would type."""
    folder, port = tmp_path_factory.mktemp("documents"), free_port()
    options = ("--syslog-tcp", f"127.0.0.1:{port}", "--snapshot-every", "1")
    with Server(folder / "fm_anomaly_data", options=options) as server:
        text = recent_log()
        (folder / "app.log").write_text(text)
        assert server.post("/api/v1/logs?service=shop", text.encode()).status_code == 200
        eventually(lambda: bool(server.get("/api/v1/alerts").json()))
        yield Shell(folder, server, port)


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_says_to_type_works(shell: Shell, page: str) -> None:
    """Each block of shell, in the order of the page, as it stands but for the ports; what it sends has arrived."""
    for block in blocks(page):
        shell.run(block)
    if (protocol := SENDS.get(page)) is not None:
        eventually(lambda: protocol in shell.server.get("/api/v1/intake").json()["by_protocol"])


def test_a_backup_of_a_running_service_has_its_alerts(shell: Shell) -> None:
    """docs/upgrade-and-backup.md, word for word: what is restored has the same alerts and incidents, and goes on."""
    eventually(lambda: len(list((shell.folder / "fm_anomaly_data" / "state").glob("*"))) > 0)
    before = {path: shell.server.get(path).json() for path in ("/api/v1/alerts", "/api/v1/incidents")}
    for block in blocks("upgrade-and-backup.md"):
        shell.run(block)
    assert not (shell.folder / "restored" / "log").exists()
    with Server(shell.folder / "restored") as restored:
        assert {path: restored.get(path).json() for path in before} == before
        records = restored.get("/api/v1/intake").json()["total"]["records"]
        assert records > 1_000
        restored.post("/api/v1/logs?service=shop", b"one more line\n")
        eventually(lambda: restored.get("/api/v1/intake").json()["total"]["records"] == records + 1)
