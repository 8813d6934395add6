"""Laws of the systemd unit and the container: hardened, of options that exist, not root. They are not run here."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from fm_anomaly.cli import make_parser
from fm_anomaly.config import load_settings
from tests.conftest import ROOT

DEPLOY = ROOT / "deploy"
UNIT = DEPLOY / "systemd" / "fm-anomaly.service"
MOST_EXPOSED = 2.0
"""Of `systemd-analyze security`: 10 is a service without any fence."""


def settings_of(text: str) -> dict[str, list[str]]:
    """Return the values of each key of a unit."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def test_the_unit_is_hardened() -> None:
    """A user of its own, a system that cannot be written, state in one folder, no way to more rights."""
    unit = settings_of(UNIT.read_text())
    wanted = {"DynamicUser": "yes", "ProtectSystem": "strict", "NoNewPrivileges": "yes", "StateDirectory": "fm-anomaly"}
    wanted |= {"PrivateTmp": "yes", "CapabilityBoundingSet": "", "StateDirectoryMode": "0700", "UMask": "0077"}
    assert {key: unit[key][0] for key in wanted} == wanted


def test_the_unit_starts_what_exists() -> None:
    """Its command line is one that the program takes, and the time to stop is longer than ours."""
    unit = settings_of(UNIT.read_text())
    words = shlex.split(unit["ExecStart"][0])
    assert words[0].endswith("/fm-anomaly")
    make_parser().parse_args(words[1:])
    assert int(unit["TimeoutStopSec"][0]) >= 60


def test_systemd_is_content(tmp_path: Path) -> None:
    """`systemd-analyze verify` knows every setting, and `security` finds little that is open."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze: install Debian's package systemd")
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/opt/fm-anomaly/bin/fm-anomaly", "/bin/true"))
    done = subprocess.run([analyze, "verify", str(copy)], capture_output=True, text=True, check=False)
    ours = [line for line in (done.stdout + done.stderr).splitlines() if "fm-anomaly.service" in line]
    assert ours == []
    told = subprocess.run(
        [analyze, "security", "--offline=yes", str(copy)], capture_output=True, text=True, check=False
    )
    level = re.search(r"exposure level for fm-anomaly\.service: ([\d.]+)", told.stdout)
    if level is None:
        pytest.skip("this systemd-analyze cannot judge a file: 250 or newer can")
    assert float(level[1]) <= MOST_EXPOSED


def test_the_container_is_not_root_and_says_when_it_is_well() -> None:
    """Fixed base, a user by number, a health check, our command line; instructions are known ones."""
    text = (DEPLOY / "Containerfile").read_text().replace("\\\n", " ")
    lines = [line.split(None, 1) for line in text.splitlines() if line.strip() and not line.startswith("#")]
    known = {"FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK"}
    assert {word for word, _ in lines} == known | {"ENTRYPOINT", "CMD"}
    last = dict(lines)
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last["USER"])
    assert all(re.search(r":\d", rest) for word, rest in lines if word == "FROM")
    words = yaml.safe_load(last["ENTRYPOINT"])[1:] + yaml.safe_load(last["CMD"])
    make_parser().parse_args(words)
    assert "/health/live" in text


def test_the_composition_is_closed() -> None:
    """Ports are the loopback's, images are of a version, files that are mounted exist, nothing is privileged."""
    file = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    for name, service in file["services"].items():
        assert all(port.startswith("127.0.0.1:") for port in service["ports"]), name
        assert "build" in service or re.search(r":v?\d", service["image"]), name
        assert "privileged" not in service
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert source in file["volumes"] or (DEPLOY / source).exists(), volume
    ours = file["services"]["fm-anomaly"]
    assert (ours["read_only"], ours["cap_drop"]) == (True, ["ALL"])


def test_the_settings_of_the_composition_are_read() -> None:
    """deploy/fm_anomaly.toml is a file of settings, and its receiver is the Alertmanager beside it."""
    (receiver,) = load_settings(str(DEPLOY / "fm_anomaly.toml"), environ={}).receivers
    assert (receiver.kind.value, receiver.url) == ("alertmanager", "http://alertmanager:9093")


def test_the_configurations_of_one_prometheus_and_the_other_agree() -> None:
    """compose.yml is prometheus.yml with other names."""
    told = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
    other = (DEPLOY / "prometheus" / "compose.yml").read_text()
    told = told.replace("127.0.0.1:9093", "alertmanager:9093").replace("127.0.0.1:8010", "fm-anomaly:8010")
    assert yaml.safe_load(other) == yaml.safe_load(told)
