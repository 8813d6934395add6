"""Runs the application under uvicorn, on the loopback address and nowhere else.

Whoever can reach this port can read alerts with lines of logs in them, and there is no access control
yet: so another address is refused, whatever the configuration says.
"""

from __future__ import annotations

import socket
from pathlib import Path

import uvicorn

from fm_anomaly.api.application import create_app
from fm_anomaly.api.conventions import is_loopback
from fm_anomaly.errors import UsageError
from fm_anomaly.storage import default_path, open_store


def serve(data_dir: Path, host: str, port: int, tenant: str) -> None:
    """Serve until a signal ends it; the contract is that of `fm_anomaly.api.serve`."""
    if not is_loopback(host):
        raise UsageError(
            f"address {host!r} is not a loopback address: there is no access control yet (it comes with the "
            "service), so use 127.0.0.1, and an SSH tunnel from elsewhere"
        )
    with open_store(default_path(data_dir)) as store, _listen(host, port) as listener:
        app = create_app(store, tenant, loopback_only=True)
        config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
        uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket bound to `host` and `port`. Bound here, so that a taken port is one clear sentence."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=128)
    except (OSError, OverflowError) as exc:
        raise UsageError(f"cannot listen on {host} port {port}: {exc}; choose another --port") from exc
