"""The service is killed at random moments under load: nothing acknowledged is lost, nothing is there twice.

The sender knows nothing but HTTP: it sends every batch with an id again until it is told that it is kept. What the
store says in the end is compared with a run that nobody disturbed.
"""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.server import Server, eventually
from tests.service.logs import minute

SERVICES = 3
N_LINES = 90
_NDJSON = "application/x-ndjson"
_OFTEN = ("--snapshot-every", "0.3")
"""So that kills fall into the writing of snapshots and the deleting of segments too."""


class Sender(threading.Thread):
    """Sends minute after minute, a batch a service, each until it is acknowledged; `port` may change meanwhile."""

    def __init__(self, n_minutes: int, pause_s: float) -> None:
        super().__init__(daemon=True)
        self.port = 0
        self.n_minutes = n_minutes
        self.pause_s = pause_s
        self.n_acknowledged = 0
        self.n_failed = 0
        self.n_duplicates = 0

    def run(self) -> None:
        with httpx.Client(timeout=20) as client:
            for number in range(self.n_minutes):
                lines = minute(number, n_lines=N_LINES, outage=range(60, 64)).splitlines(keepends=True)
                bodies = [b"".join(lines[at::SERVICES]) for at in range(SERVICES)]
                for at, body in enumerate(bodies):
                    self._send(client, f"{number}-{at}", body)
                time.sleep(self.pause_s)

    def _send(self, client: httpx.Client, batch_id: str, body: bytes) -> None:
        while True:
            try:
                answer = client.post(
                    f"http://127.0.0.1:{self.port}/api/v1/logs",
                    content=body,
                    headers={"Content-Type": _NDJSON, "X-Batch-ID": batch_id},
                )
                if answer.status_code == 200:
                    self.n_acknowledged += 1
                    self.n_duplicates += answer.json()["duplicate"]
                    return
            except httpx.TransportError:
                pass
            self.n_failed += 1
            time.sleep(0.02)


def outcome(server: Server, n_lines: int) -> dict[str, Any]:
    """Return what the store and the accounting say once everything has had its effect."""
    eventually(lambda: server.get("/api/v1/intake").json()["waiting"]["entries"] == 0, 60)
    eventually(lambda: server.get("/api/v1/intake").json()["total"]["lines"] >= n_lines, 60)
    time.sleep(1.0)
    intake = server.get("/api/v1/intake").json()
    alerts = []
    for each in server.get("/api/v1/alerts?limit=500").json():
        one = server.get(f"/api/v1/alerts/{each['alert_id']}").json()
        one["evidence"] = [line["text"] for line in one["evidence"]]
        alerts.append(one)
    incidents = [
        {name: each[name] for name in ("incident_id", "severity", "state", "title", "start", "end", "alert_ids")}
        for each in server.get("/api/v1/incidents?limit=500").json()
    ]
    return {
        "total": {name: intake["total"][name] for name in ("lines", "records", "counted", "late", "batches")},
        "by_service": intake["by_service"],
        "alerts": alerts,
        "incidents": incidents,
    }


def undisturbed(folder: Path, n_minutes: int) -> dict[str, Any]:
    with Server(folder) as server:
        sender = Sender(n_minutes, 0.0)
        sender.port = server.port
        sender.start()
        sender.join(900)
        assert not sender.is_alive()
        return outcome(server, n_minutes * N_LINES)


def disturbed(folder: Path, n_kills: int, seed: int) -> tuple[dict[str, Any], Sender]:
    """Run the sender against a service that is killed `n_kills` times, each time at another moment."""
    rng = random.Random(seed)
    n_minutes = 90 + 12 * n_kills
    sender = Sender(n_minutes, 0.02)
    for kill in range(n_kills):
        with Server(folder, options=_OFTEN) as server:
            sender.port = server.port
            if kill == 0:
                sender.start()
            time.sleep(rng.uniform(0.05, 0.9))
            assert sender.is_alive(), "the load ended before the last kill: it says nothing"
            server.kill()
    with Server(folder, options=_OFTEN) as server:
        sender.port = server.port
        sender.join(900)
        assert not sender.is_alive()
        return outcome(server, n_minutes * N_LINES), sender


@pytest.mark.parametrize(
    "n_kills", [10, pytest.param(100, marks=pytest.mark.long)], ids=["ten times", "a hundred times"]
)
def test_killed_at_random_moments(tmp_path: Path, n_kills: int) -> None:
    """0 lost, 0 double, and alerts, their history and incidents equal to the undisturbed run's."""
    got, sender = disturbed(tmp_path / "killed", n_kills, seed=n_kills)
    wanted = undisturbed(tmp_path / "whole", sender.n_minutes)
    assert got["total"]["lines"] == sender.n_minutes * N_LINES
    assert wanted["alerts"], "without an alert the law says little"
    assert got == wanted
    print(f"{n_kills} kills: {sender.n_failed} requests failed, {sender.n_duplicates} sent again were there already")
