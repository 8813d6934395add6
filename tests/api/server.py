"""A real `fm-anomaly serve` process for tests: started, asked over a socket, stopped or killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

_LISTENS = re.compile(r"listens on https?://127\.0\.0\.1:(\d+)")
_OF_TESTS = ("FM_ANOMALY_NPM", "FM_ANOMALY_SHOTS")
START_S = 60.0
"""A loaded machine takes its time to import the libraries."""


class Server:
    """`told` is what it has written so far. Leaving the block kills what has not been stopped."""

    def __init__(
        self,
        data: Path,
        *,
        environ: Mapping[str, str] | None = None,
        options: tuple[str, ...] = (),
        port: int = 0,
        is_named: bool = True,
        is_expected: bool = True,
        scheme: str = "http",
    ) -> None:
        command = [sys.executable, "-m", "fm_anomaly.cli", "serve", "--port", str(port), *options]
        if is_named:
            command += ["--data", str(data)]
        # where tests find things is no setting of the server
        inherited = {name: value for name, value in os.environ.items() if name not in _OF_TESTS}
        self.process = subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, env={**inherited, **(environ or {})}, cwd=Path.cwd()
        )
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.port = self._port() if is_expected else 0
        self.client = httpx.Client(base_url=f"{scheme}://127.0.0.1:{self.port}", timeout=60)

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._lines.append(line)

    def _port(self) -> int:
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            found = _LISTENS.search(self.told)
            if found:
                return int(found[1])
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        self.kill()
        raise AssertionError(f"the server did not start: {self.told}")

    @property
    def told(self) -> str:
        return "".join(self._lines)

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.client.get(path, headers=headers)

    def post(self, path: str, body: bytes, content_type: str = "text/plain", **headers: str) -> httpx.Response:
        return self.client.post(path, content=body, headers={"Content-Type": content_type, **headers})

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        self._reader.join(10)
        return code

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(60)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close()
        if self.process.poll() is None:
            self.kill()
        self._reader.join(10)
        assert self.process.stderr is not None
        self.process.stderr.close()


def eventually(holds: Callable[[], bool], within_s: float = 30.0) -> None:
    """Wait until something holds."""
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, "it did not come to hold in time"
        time.sleep(0.05)
