"""Real servers for tests: a small HTTP server that keeps what it got, Debian's Alertmanager, and our own service."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest


@dataclass(frozen=True)
class Got:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body, read."""
        return json.loads(self.body)


@dataclass
class Hook:
    """What a small HTTP server got, and what it answers."""

    url: str = ""
    got: list[Got] = field(default_factory=list)
    answer: Callable[[Got], tuple[int, dict[str, str], bytes]] = lambda got: (200, {}, b"ok")

    def wait_for(self, n: int, timeout_s: float = 20.0) -> list[Got]:
        """Return what it got once that is at least `n` requests, or the time is over."""
        wait_until(lambda: len(self.got) >= n, timeout_s)
        return list(self.got)


@contextmanager
def hook() -> Iterator[Hook]:
    """Run an HTTP server on a free port of the loopback."""
    kept = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers.get("Content-Length", 0))
            got = Got(self.path, {name.lower(): value for name, value in self.headers.items()}, self.rfile.read(size))
            kept.got.append(got)
            status, headers, body = kept.answer(got)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        kept.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield kept
        finally:
            server.shutdown()
            thread.join()


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


_CONFIG = """
route:
  receiver: people
  group_by: [incident]
  group_wait: 200ms
  group_interval: 400ms
  repeat_interval: 4h
receivers:
  - name: people
    webhook_configs:
      - url: {url}
        send_resolved: true
"""


@dataclass
class Alertmanager:
    """Debian's Alertmanager as a process, which can be absent for a while."""

    url: str
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        port = self.url.rpartition(":")[2]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    str(shutil.which("prometheus-alertmanager")),
                    f"--config.file={self.folder / 'config.yml'}",
                    f"--storage.path={self.folder / 'state'}",
                    f"--web.listen-address=127.0.0.1:{port}",
                    "--cluster.listen-address=",
                ],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        assert wait_until(self._is_ready, 30), (self.folder / "log").read_text()

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None

    def alerts(self) -> list[Any]:
        """Return the alerts that it holds for firing."""
        found: list[Any] = httpx.get(f"{self.url}/api/v2/alerts", timeout=10).json()
        return found

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/-/ready", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False


@contextmanager
def alertmanager(folder: Path, people: str) -> Iterator[Alertmanager]:
    """Yield an Alertmanager, not started, that tells `people`; skips where it is not installed."""
    if shutil.which("prometheus-alertmanager") is None:
        pytest.skip("no prometheus-alertmanager: install Debian's package of that name")
    folder.mkdir()
    (folder / "config.yml").write_text(_CONFIG.format(url=people))
    one = Alertmanager(f"http://127.0.0.1:{free_port()}", folder)
    try:
        yield one
    finally:
        one.stop()


def wait_until(is_so: Callable[[], bool], timeout_s: float) -> bool:
    """Return whether `is_so` became true in time."""
    ends_at = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() > ends_at:
            return False
        time.sleep(0.03)
    return True


@contextmanager
def served(folder: Path, settings: str = "", environ: Mapping[str, str] | None = None) -> Iterator[str]:
    """Run `fm-anomaly serve` as a process; yield its address."""
    (folder / "fm_anomaly.toml").write_text(settings)
    port = free_port()
    environ = {**os.environ, **(environ or {}), "PYTHONPATH": os.pathsep.join(sys.path)}
    with (folder / "stderr").open("ab") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "fm_anomaly.cli", "serve", "--data", "data", "--port", str(port)],
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        assert wait_until(lambda: _is_ready(address), 60), (folder / "stderr").read_text()
        yield address
    finally:
        process.terminate()
        process.wait(60)


def _is_ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health/live", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False
