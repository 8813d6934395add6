"""What the service stands on fails under load: its database goes, its disk is full. Nothing acknowledged is lost.

What a machine cannot do is skipped with the reason. Each takes some seconds: real servers are started and stopped.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from fm_anomaly.errors import DiskFullError, StoreError
from fm_anomaly.service.restoring import SnapshotParams
from tests.api.server import Server, eventually
from tests.e2e.test_kill import N_LINES, Sender, outcome, undisturbed
from tests.postgres import cluster
from tests.service.logs import batch, minute
from tests.service.test_running import QUICK, service_in, submit, total, wait_for

_MIB = 1 << 20


def figure(server: Server, name: str) -> float:
    """Return a figure of /metrics."""
    found = re.search(rf"^faultmaven_anomaly_{name} (\S+)$", server.get("/metrics").text, re.MULTILINE)
    assert found is not None, name
    return float(found[1])


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[Path]:
    """Yield a folder with a file system of its own; skips where none may be mounted."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no small disk here: mounting a tmpfs needs root and its capability")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_postgresql_is_restarted_under_load(tmp_path: Path) -> None:
    """While it is away logs are taken and health says why; afterwards everything is in it once, as if undisturbed."""
    sender = Sender(70, 0.05)
    with cluster() as postgres:
        url = postgres.url(postgres.database())
        with Server(tmp_path / "data", options=("--db", url)) as server:
            sender.port = server.port
            sender.start()
            eventually(lambda: sender.n_acknowledged >= 60, 120)
            postgres.stop()
            eventually(lambda: '"store_refused"' in server.told, 120)
            before = sender.n_acknowledged
            eventually(lambda: sender.n_acknowledged > before or not sender.is_alive(), 120)
            assert server.get("/health/ready").status_code == 503
            assert server.get("/api/v1/alerts").status_code == 503
            postgres.start()
            sender.join(300)
            assert not sender.is_alive()
            got = outcome(server, sender.n_minutes * N_LINES)
            eventually(lambda: '"store_taken"' in server.told)
            assert figure(server, "store_refusals_total") >= 1
            assert server.get("/health/ready").status_code == 200
    assert got["alerts"]
    assert got == undisturbed(tmp_path / "whole", sender.n_minutes)


def test_too_little_is_free_on_the_disk(tmp_path: Path) -> None:
    """507 with the reason in the answer, log, health and metrics; with room it goes on; a start finds all of it."""
    with small_disk(tmp_path / "disk", 192 * _MIB) as disk:
        with Server(disk / "data") as server:
            assert server.post("/api/v1/logs", minute(0), "application/x-ndjson").status_code == 200
            filler = disk / "filler"
            filler.write_bytes(bytes(80 * _MIB))
            answer = server.post("/api/v1/logs", minute(1), "application/x-ndjson")
            assert answer.status_code == 507
            assert "MiB free" in answer.text
            eventually(lambda: '"intake_refused"' in server.told)
            assert "too little" in server.get("/health").json()["checks"]["disk"]
            assert figure(server, "disk_refusals_total") >= 1
            filler.unlink()
            assert server.post("/api/v1/logs", minute(1), "application/x-ndjson").status_code == 200
            eventually(lambda: '"intake_resumed"' in server.told)
            server.kill()
        with Server(disk / "data") as server:
            eventually(lambda: server.get("/api/v1/intake").json()["total"]["lines"] == 120)


def test_the_disk_is_really_full(tmp_path: Path) -> None:
    """Log, store and snapshots all fail for want of room; when there is some, what was acknowledged is there, once."""
    often = replace(QUICK, snapshots=SnapshotParams(every_s=0.0))
    n_taken, is_full = 0, False
    with small_disk(tmp_path / "disk", 8 * _MIB) as disk:
        with service_in(disk / "data", often, is_killed=True) as service:
            filler = (disk / "filler").open("wb")
            for number in range(60):
                if number == 20:
                    _fill(disk / "filler")
                (answer,) = submit(service, batch(minute(number)))
                if isinstance(answer, DiskFullError | StoreError):
                    is_full = True
                    time.sleep(0.02)
                else:
                    n_taken += 1
                if number == 40:
                    filler.truncate(0)
            filler.close()
            assert is_full
            assert n_taken >= 39
            wait_for(lambda: service.figures()["queue_entries"] == 0)
            wait_for(lambda: total(service)["lines"] == n_taken * 60)
        with service_in(disk / "data") as service:
            wait_for(lambda: total(service)["lines"] == n_taken * 60)
            assert service.figures()["damaged_at_start"] == 0


def _fill(path: Path) -> None:
    """Write until there is no room."""
    with path.open("ab", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
