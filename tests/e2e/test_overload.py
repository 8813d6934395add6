"""Ten times as much is offered as can be taken: memory is bounded, senders are told to wait, what was taken is there.

In the suite for some seconds, in `make long` for a minute: `pytest -s -m long` prints the figures.
"""

from __future__ import annotations

import gzip
import re
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.server import Server, eventually
from tests.service.logs import minute

_MAX_MIB = 1_024
_N_CONNECTIONS = 24
_TIMES = 11
_N_LINES = 60_000
_HEADERS = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
"""Compressed, so that the sender is not what is slow."""


def peak_mib(server: Server) -> float:
    """Return the most memory the process has had."""
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{server.process.pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


class Sender(threading.Thread):
    """Sends a body every `every_s`, or as fast as it is answered; one that `waits` does so as long as it is told to."""

    def __init__(self, port: int, body: bytes, until: float, *, every_s: float = 0.0, waits: bool = False) -> None:
        super().__init__(daemon=True)
        self.port, self.body, self.until, self.every_s, self.waits = port, body, until, every_s, waits
        self.n_taken = self.n_refused = 0
        self.others: set[int] = set()

    def run(self) -> None:
        began, n = time.monotonic(), 0
        with httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60) as client:
            while time.monotonic() < self.until:
                self._send(client)
                n += 1
                time.sleep(max(0.0, began + n * self.every_s - time.monotonic()))

    def _send(self, client: httpx.Client) -> None:
        answer = client.post("/api/v1/logs", content=self.body, headers=_HEADERS)
        if answer.status_code == 200:
            self.n_taken += 1
        elif answer.status_code == 429:
            retry_after_s = int(answer.headers["Retry-After"])
            assert retry_after_s >= 1
            self.n_refused += 1
            time.sleep(retry_after_s / 4 if self.waits else 0.0)
        else:
            self.others.add(answer.status_code)


def send(server: Server, n: int, body: bytes, seconds: float, **how: Any) -> tuple[int, int]:
    """Send from `n` connections for so long; return how many bodies were taken and refused."""
    senders = [Sender(server.port, body, time.monotonic() + seconds, **how) for _ in range(n)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(seconds + 120)
        assert not sender.is_alive()
    assert set[int]().union(*(sender.others for sender in senders)) == set()
    return sum(sender.n_taken for sender in senders), sum(sender.n_refused for sender in senders)


def drained(server: Server) -> bool:
    waiting: int = server.get("/api/v1/intake").json()["waiting"]["entries"]
    return waiting == 0


@pytest.mark.parametrize(
    ("sustained_s", "flood_s"), [(3, 8), pytest.param(20, 60, marks=pytest.mark.long)], ids=["seconds", "a minute"]
)
def test_a_flood_is_told_to_wait(tmp_path: Path, sustained_s: int, flood_s: int) -> None:
    """Memory at most 1 GiB, 429 with a time, no other refusal; afterwards it catches up, and every line is counted."""
    body = gzip.compress(minute(0, n_lines=_N_LINES), 1)
    with Server(tmp_path) as server:
        began = time.monotonic()
        n_before, _ = send(server, 2, body, sustained_s, waits=True)
        eventually(lambda: drained(server), 120)
        sustained = n_before * _N_LINES / (time.monotonic() - began)
        every_s = _N_CONNECTIONS * _N_LINES / (_TIMES * sustained)
        n_taken, n_refused = send(server, _N_CONNECTIONS, body, flood_s, every_s=every_s)
        assert n_refused > 0, "it took everything: this was no flood"
        eventually(lambda: drained(server), 120)
        assert server.get("/api/v1/intake").json()["total"]["lines"] == (n_before + n_taken) * _N_LINES
        assert server.get("/health/ready").status_code == 200
        assert server.post("/api/v1/logs", b"INFO on\n").status_code == 200
        assert peak_mib(server) <= _MAX_MIB
        offered = (n_taken + n_refused) * _N_LINES / flood_s
        print(
            f"sustained {sustained:,.0f} lines/s; offered {offered:,.0f} for {flood_s} s, {offered / sustained:.1f} "
            f"times that: took {n_taken:,} requests, refused {n_refused:,}; peak {peak_mib(server):,.0f} MiB"
        )
