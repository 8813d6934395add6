"""`fm-anomaly serve` as a process with all its sources: everything is counted, over kill -9 and restarts."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path
from typing import Any

from tests.api.server import Server, eventually
from tests.e2e.conftest import program


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
    return port


def totals(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = server.get("/api/v1/intake").json()
    return found


def test_followed_files_over_kill_9(tmp_path: Path) -> None:
    """Each line is counted once, whenever the process is killed or stopped; the rest is read after the next start."""
    path = tmp_path / "app.log"
    options = ("--follow", str(path), "--follow-from-start")
    written = 0
    with path.open("a") as file:
        for round_ in range(5):
            with Server(tmp_path / "d", options=options) as server:
                for n in range(200):
                    file.write(f"2026-03-02 10:00:00 INFO [api] served page {round_} {n}\n")
                    file.flush()
                written += 200
                if round_ % 2:
                    eventually(lambda: totals(server)["total"]["lines"] > 0)
                if round_ == 2:
                    assert server.stop() == 0
                server.kill()
    with Server(tmp_path / "d", options=options) as server:
        eventually(lambda: totals(server)["total"]["lines"] >= written)
        total = totals(server)["total"]
        assert total["lines"] == written
        assert server.stop() == 0


def test_every_protocol_into_one_running_service(tmp_path: Path) -> None:
    """The accounting tells each by its name, and the service of each record is known."""
    udp, tcp = free_port(), free_port()
    (tmp_path / "app.log").touch()
    options = ("--syslog-udp", str(udp), "--syslog-tcp", f"127.0.0.1:{tcp}", "--follow", str(tmp_path / "app.log"))
    record = {"severityNumber": 17, "body": {"stringValue": "no prices"}}
    named = [{"key": "service.name", "value": {"stringValue": "by-otlp"}}]
    otlp = {"resourceLogs": [{"resource": {"attributes": named}, "scopeLogs": [{"logRecords": [record]}]}]}
    loki = {"streams": [{"stream": {"app": "by-loki"}, "values": [["1772445600000000000", "ERROR no prices"]]}]}
    bulk = b'{"create":{}}\n{"message":"no prices","level":"error","app":"by-bulk"}\n'
    with Server(tmp_path / "d", options=options) as server:
        for path, body, kind in (
            ("/v1/logs", json.dumps(otlp).encode(), "application/json"),
            ("/loki/api/v1/push", json.dumps(loki).encode(), "application/json"),
            ("/_bulk", bulk, "application/x-ndjson"),
            ("/services/collector", b'{"event":"ERROR no prices","source":"by-hec"}', ""),
            ("/api/v1/logs?service=by-http", b"ERROR no prices\n", "text/plain"),
        ):
            assert server.post(path, body, kind).status_code in (200, 204)
        logger = [program("logger"), "--server", "127.0.0.1", "--priority", "user.err"]
        subprocess.run([*logger, "--udp", "--port", str(udp), "--tag", "by-udp", "no prices"], check=True)
        subprocess.run([*logger, "--tcp", "--port", str(tcp), "--tag", "by-tcp", "no prices"], check=True)
        (tmp_path / "app.log").write_text("2026-03-02 10:00:00 ERROR [by-file] no prices\n")
        eventually(lambda: totals(server)["total"]["lines"] == 8)
        told = json.dumps(totals(server))
        for name in ("otlp", "loki", "bulk", "hec", "http", "udp", "tcp", "file"):
            assert f"by-{name}" in told, (name, told)
        metrics = server.get("/metrics").text
        assert "faultmaven_anomaly_syslog_messages_total 2.0" in metrics
        assert server.stop() == 0
