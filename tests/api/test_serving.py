"""Laws of serving: the loopback or nothing, and over a real socket the answer is the store's."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from fm_anomaly.api import serve
from fm_anomaly.errors import UsageError
from fm_anomaly.storage import default_path, open_store, save_scan
from tests.scan_objects import make_alert, make_incident, make_scan


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.org", ""])  # noqa: S104 - refused
def test_only_the_loopback_is_served(tmp_path: Path, host: str) -> None:
    """Any other address is refused before anything is opened, with the reason."""
    with pytest.raises(UsageError, match="no access control"):
        serve(tmp_path / "d", host)
    assert not (tmp_path / "d").exists()


def test_a_taken_port_is_one_sentence(tmp_path: Path) -> None:
    """A port that cannot be bound names address, port and the next step."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=rf"127\.0\.0\.1 port {port}.*--port"):
            serve(tmp_path, port=port)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as some:
        return int(some.getsockname()[1])


def test_a_real_server_answers_from_the_store_and_stops_when_told(tmp_path: Path) -> None:
    """uvicorn on the loopback: what was saved is read, what is saved meanwhile too; SIGTERM ends it."""
    with open_store(default_path(tmp_path)) as store:
        save_scan(store, "default", make_scan(make_incident(make_alert())))
        port = free_port()
        code = f"from fm_anomaly.api import serve; serve({str(tmp_path)!r}, port={port})"
        with subprocess.Popen([sys.executable, "-c", code]) as server:
            try:
                base = f"http://127.0.0.1:{port}"
                wait_until_ready(base, server)
                first = httpx.get(f"{base}/api/v1/alerts")
                assert [each["alert_id"] for each in first.json()] == ["a1"]
                save_scan(store, "default", make_scan(make_incident(make_alert(alert_id="a2")), lines=11))
                assert httpx.get(f"{base}/api/v1/alerts").headers["X-Total-Count"] == "2"
                assert httpx.get(f"{base}/health", headers={"Host": "evil.example"}).status_code == 400
            finally:
                server.send_signal(signal.SIGTERM)
        assert server.returncode in (0, -signal.SIGTERM)


def wait_until_ready(base: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        assert server.poll() is None, "the server ended early"
        try:
            if httpx.get(f"{base}/health/ready").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail("the server was not ready within 30 s")
