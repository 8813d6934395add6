"""A whole day in some minutes: what the service holds does not grow, and every line is counted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

from tests.service.day import LINES_PER_S, SERVICES

_WARMUP_HOURS = 6
_GROWTH = 1.05


@pytest.mark.long
def test_a_day_of_fifty_services(tmp_path: Path) -> None:
    """Nothing is late or lost, in the accounting, by service, by hour; after six hours memory grows by 5 % at most.

    Hour by hour it goes up and down by a tenth, as a snapshot or a group has just been there: medians tell.
    """
    hours = int(os.environ.get("DAY_HOURS", "24"))
    command = [sys.executable, "-m", "tests.service.day", str(tmp_path), str(hours)]
    told = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    n_lines = hours * 3_600 * LINES_PER_S
    total = told["intake"]["total"]
    assert told["lines"] == total["lines"] == total["records"] == total["counted"] == n_lines
    assert total["late"] == total["rejects"] == 0
    assert {each["records"] for each in told["intake"]["by_service"].values()} == {n_lines // SERVICES}
    assert list(told["by_hour"].values())[: hours - 1] == [3_600 * LINES_PER_S] * (hours - 1)
    assert told["alerts"] > 0
    memory = told["memory_kib"]
    warm, n = memory[_WARMUP_HOURS:], (hours - _WARMUP_HOURS) // 3
    print(f"{n_lines:,} lines, {told['alerts']} alerts, memory by hour, MiB: {[round(each / 1024) for each in memory]}")
    assert median(warm[-n:]) <= _GROWTH * median(warm[:n])
