"""Shows that what a scan found can be read over HTTP: serves a data directory, asks it, prints, stops.

    python scripts/show_alerts.py DATA_DIR

Uses the installed `fm-anomaly` and the standard library, as a client of another language would.
"""

# ruff: noqa: T201 - what a script prints is its answer
from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

_PATIENCE_S = 30


def main(data_dir: str) -> None:
    """Print the first alerts of the store in `data_dir`; exit 1 where there is none or no answer."""
    port = _free_port()
    command = [str(Path(sys.executable).with_name("fm-anomaly")), "serve", "--data", data_dir, "--port", str(port)]
    with subprocess.Popen(command) as server:
        try:
            url = f"http://127.0.0.1:{port}/api/v1/alerts?limit=3"
            total, alerts = _get_when_up(url, server)
        finally:
            server.terminate()
    print(f"\nGET /api/v1/alerts?limit=3   X-Total-Count: {total}")
    shown = ("alert_id", "severity", "state", "service", "kind", "title", "reason", "start", "end")
    print(json.dumps([{name: each[name] for name in shown} for each in alerts], indent=2, ensure_ascii=False))
    if not alerts:
        sys.exit("the store has no alert")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as some:
        return int(some.getsockname()[1])


def _get_when_up(url: str, server: subprocess.Popen[bytes]) -> tuple[str, list[dict[str, object]]]:
    give_up = time.monotonic() + _PATIENCE_S
    while time.monotonic() < give_up and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - the loopback, named above
                return answer.headers["X-Total-Count"], json.load(answer)
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    sys.exit("the API did not answer")


if __name__ == "__main__":
    main(*sys.argv[1:])
