"""The notices name what users get: no library more, none less."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import ROOT


def test_the_notices_are_up_to_date() -> None:
    """Every library that the package installs is listed with its licence (else: `make notices`)."""
    script = [sys.executable, str(ROOT / "scripts" / "notices.py"), "--check"]
    checked = subprocess.run(script, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
