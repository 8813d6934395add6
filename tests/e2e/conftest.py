"""The receiver as a fixture, and the clients that are processes."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.receiver import Receiver, running

CLIENTS = Path(__file__).parent / "clients"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    """A server that keeps what arrives."""
    with running(tmp_path) as found:
        yield found


@pytest.fixture
def syslog_receiver(tmp_path: Path) -> Iterator[Receiver]:
    """The same, with syslog over UDP and TCP."""
    with running(tmp_path, has_syslog=True) as found:
        yield found


def program(name: str) -> str:
    """Return the path of a program; skips the test where it is not installed."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"no {name} on this machine")
    return found


@pytest.fixture
def node() -> Run:
    """Run a script of `clients/` under Node, with the npm packages of .ci/run; skips where they are not."""
    modules = os.environ.get("FM_ANOMALY_NPM")
    if modules is None:
        pytest.skip("no npm packages: npm install --prefix FOLDER what .ci/npm.txt lists, then FM_ANOMALY_NPM=FOLDER")
    binary = program("node")

    def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "FM_ANOMALY_NPM": modules}
        call = [binary, str(CLIENTS / script), *arguments]
        return subprocess.run(call, capture_output=True, text=True, timeout=90, check=False, env=env)

    return run
