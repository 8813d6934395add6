"""Far more is offered than can be taken: memory stays bounded, senders are told to wait, what was taken is there."""

from __future__ import annotations

import gzip
import re
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.api.server import Server, eventually
from tests.service.logs import minute

_MAX_MIB = 1_024
_N_LINES = 20_000
_HEADERS = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
"""Compressed, so that the sender is not what is slow."""


def peak_mib(server: Server) -> float:
    """Return the most memory the process has had."""
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{server.process.pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


class Flood(threading.Thread):
    """Sends body after body and never waits, whatever it is told."""

    def __init__(self, port: int, body: bytes, until: float) -> None:
        super().__init__(daemon=True)
        self.port, self.body, self.until = port, body, until
        self.n_taken = self.n_refused = 0
        self.others: set[int] = set()

    def run(self) -> None:
        with httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60) as client:
            while time.monotonic() < self.until:
                answer = client.post("/api/v1/logs", content=self.body, headers=_HEADERS)
                if answer.status_code == 200:
                    self.n_taken += 1
                elif answer.status_code == 429:
                    assert int(answer.headers["Retry-After"]) >= 1
                    self.n_refused += 1
                else:
                    self.others.add(answer.status_code)


@pytest.mark.parametrize("seconds", [8, pytest.param(60, marks=pytest.mark.long)])
def test_a_flood_is_told_to_wait(tmp_path: Path, seconds: int) -> None:
    """Memory at most 1 GiB, 429 with a time, no other refusal; afterwards it catches up, and every line is counted."""
    body = gzip.compress(minute(0, n_lines=_N_LINES), 1)
    with Server(tmp_path) as server:
        floods = [Flood(server.port, body, time.monotonic() + seconds) for _ in range(12)]
        for flood in floods:
            flood.start()
        for flood in floods:
            flood.join(seconds + 120)
        n_taken, n_refused = (sum(getattr(flood, name) for flood in floods) for name in ("n_taken", "n_refused"))
        assert set[int]().union(*(flood.others for flood in floods)) == set()
        assert n_refused > 0, "it took everything: this was no flood"
        eventually(lambda: server.get("/api/v1/intake").json()["waiting"]["entries"] == 0, 120)
        assert server.get("/api/v1/intake").json()["total"]["lines"] == n_taken * _N_LINES
        assert server.get("/health/ready").status_code == 200
        assert server.post("/api/v1/logs", b"INFO on\n").status_code == 200
        assert peak_mib(server) <= _MAX_MIB
        offered, took = ((n * _N_LINES) / seconds for n in (n_taken + n_refused, n_taken))
        print(f"offered {offered:,.0f} lines/s, took {took:,.0f}, peak {peak_mib(server):,.0f} MiB")
