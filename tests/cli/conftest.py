"""Files and a command line for the tests: in process, with a cache folder of their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fm_anomaly.cli import main
from fm_anomaly.testing import as_bytes, outage_log, quiet_log


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Return stdout as JSON."""
        return json.loads(self.out)


Run = Callable[..., Ran]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run the command line in process, in a folder of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)

    def call(*words: str | Path) -> Ran:
        capsys.readouterr()
        try:
            code = main([str(word) for word in words])
        except SystemExit as exc:
            code = int(exc.code or 0)
        shown = capsys.readouterr()
        return Ran(code, shown.out, shown.err)

    return call


@pytest.fixture
def outage(tmp_path: Path) -> Path:
    """Return a log with one incident."""
    path = tmp_path / "shop.log"
    path.write_bytes(as_bytes(outage_log()))
    return path


@pytest.fixture
def quiet(tmp_path: Path) -> Path:
    """Return a log without one."""
    path = tmp_path / "good.log"
    path.write_bytes(as_bytes(quiet_log(seed=2)))
    return path
