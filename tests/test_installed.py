"""What a user of the installed package sees; needs pytest and the console script, nothing of the source tree.

CI copies this file out of the tree and runs it against the wheel in an empty environment.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

FM_ANOMALY = Path(sys.executable).with_name("fm-anomaly")

pytestmark = pytest.mark.skipif(not FM_ANOMALY.exists(), reason="fm-anomaly is not installed beside this python")


def run(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(FM_ANOMALY), *words], cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


def write_outage(path: Path) -> None:
    """Write three quiet hours of two services, and three minutes in which one of them cannot reach its store."""
    lines = []
    for second in range(0, 3 * 3600, 5):
        stamp = f"2026-03-02T{10 + second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z"
        service = ("api", "worker")[second // 5 % 2]
        lines.append(f"{stamp} INFO [{service}] served item {second * 7919 % 10007} in {second % 97} ms")
        if 9000 <= second < 9180:
            lines += [f"{stamp} ERROR [api] could not connect to pantry at 10.0.0.{second % 7}: refused"] * 4
    path.write_text("\n".join(lines) + "\n")


def test_version_and_help(tmp_path: Path) -> None:
    """The version is the distribution's; the help names the first commands."""
    try:
        expected = version("fm-anomaly")
    except PackageNotFoundError:
        pytest.skip("fm-anomaly has no metadata here")
    assert expected in run("--version", folder=tmp_path).stdout
    told = run("--help", folder=tmp_path)
    assert told.returncode == 0
    assert all(each in told.stdout for each in ("demo", "scan", "diff", "watch", "doctor"))


def test_demo_finds_its_incidents(tmp_path: Path) -> None:
    """The bundled log is there and its incidents are found, outside any checkout."""
    told = run("demo", folder=tmp_path)
    assert told.returncode == 0, told.stderr
    assert "INCIDENT" in told.stdout


def test_scan_of_a_plain_log(tmp_path: Path) -> None:
    """An outage in a log nobody prepared is one incident of the right service; `--fail-on` tells a script."""
    write_outage(tmp_path / "app.log")
    told = run("scan", "app.log", "--json", folder=tmp_path)
    assert told.returncode == 0, told.stderr
    report = json.loads(told.stdout)
    assert report["schema"] == "fm-anomaly/scan/1"
    assert [each["services"] for each in report["incidents"]] == [["api"]]
    assert run("scan", "app.log", "--fail-on", "low", folder=tmp_path).returncode == 3


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    """What cannot be read is one sentence and exit code 2, without a traceback."""
    told = run("scan", "absent.log", folder=tmp_path)
    assert told.returncode == 2
    assert "absent.log" in told.stderr
    assert "Traceback" not in told.stderr
