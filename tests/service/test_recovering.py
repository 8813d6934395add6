"""Laws of what goes wrong around a service: each is told by a line of our own log and by a figure, and is got over."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from fm_anomaly.service import Service
from fm_anomaly.service.appending import LogClock
from fm_anomaly.service.restoring import SnapshotParams
from fm_anomaly.storage import open_store
from fm_anomaly.storage.segments import segment_paths
from fm_anomaly.testing import ManualClock
from tests.service.logs import batch, minute
from tests.service.test_running import QUICK, service_in, submit, total, wait_for


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="fm_anomaly")
    return caplog


def left_behind(folder: Path, n_batches: int = 3) -> Path:
    """The segment of a service that fell over with `n_batches` minutes in it."""
    with service_in(folder, is_killed=True) as service:
        for number in range(n_batches):
            submit(service, batch(minute(number)))
    (path,) = segment_paths(folder / "log")
    return path


def test_a_torn_write_is_cut_off_and_told(tmp_path: Path, told: pytest.LogCaptureFixture) -> None:
    """An entry that begins and does not end was never acknowledged: everything before it is there."""
    path = left_behind(tmp_path)
    with path.open("ab") as file:
        file.write(path.read_bytes()[44:120])
    with service_in(tmp_path) as service:
        wait_for(lambda: total(service)["lines"] == 180)
        assert service.figures()["torn_bytes_at_start"] == 76
        assert service.figures()["damaged_at_start"] == 0
    assert "segments_torn" in told.messages


def test_damage_in_a_segment_costs_what_is_damaged(tmp_path: Path, told: pytest.LogCaptureFixture) -> None:
    """One batch of three is lost, the others are worked on, and the next ones are taken."""
    path = left_behind(tmp_path)
    raw = bytearray(path.read_bytes())
    raw[raw.index(b'"mail handled')] ^= 1
    path.write_bytes(raw)
    with service_in(tmp_path) as service:
        submit(service, batch(minute(3)))
        wait_for(lambda: total(service)["lines"] == 180)
        assert service.figures()["damaged_at_start"] == 1
    assert "segments_damaged" in told.messages


@pytest.mark.parametrize(("n_hurt", "event"), [(1, "snapshot_damaged"), (2, "snapshot_lost")])
def test_a_damaged_snapshot_is_told(tmp_path: Path, told: pytest.LogCaptureFixture, n_hurt: int, event: str) -> None:
    """One or both: the start says which, and goes on."""
    with service_in(tmp_path, replace(QUICK, snapshots=SnapshotParams(every_s=0.0))) as service:
        submit(service, batch(minute(0)))
    for name in ("pipeline.snapshot", "pipeline.snapshot.before")[:n_hurt]:
        (tmp_path / "state" / name).write_bytes(b"nonsense")
    with service_in(tmp_path) as service:
        submit(service, batch(minute(1)))
        wait_for(lambda: total(service)["lines"] == (60 if n_hurt == 2 else 120))
        assert service.figures()["damaged_at_start"] == 1
    assert event in told.messages


@pytest.mark.parametrize("jump_s", [86_400, -86_400, 90])
def test_a_jump_of_the_clock_is_told_and_makes_nobody_silent(
    tmp_path: Path, told: pytest.LogCaptureFixture, jump_s: int
) -> None:
    """A day ahead, a day back, a minute and a half: counted, told, and no line is late or lost for it."""
    clock = ManualClock(1_772_445_600_000_000)
    with open_store(tmp_path / "s.db") as store:
        service = Service(tmp_path, store, QUICK, clock=clock)
        service.start()
        try:
            asyncio.run(service.submit("default", batch(minute(0))))
            clock.advance(jump_s)
            asyncio.run(service.submit("default", batch(minute(1))))
            wait_for(lambda: total(service)["lines"] == 120)
            assert total(service)["late"] == 0
            assert service.figures()["clock_jumps_total"] == 1
        finally:
            service.stop()
    assert told.messages.count("clock_jumped") == 1


def test_the_clock_is_followed_ahead_and_back_to_where_it_was() -> None:
    """Set back it goes on by the time that runs, until the machine's has caught up; a jump ahead may be taken back."""
    now_s, wall_s = [0.0], [1_000.0]
    clock = LogClock(lambda: int(wall_s[0] * 1e6), running_s=lambda: now_s[0])
    read = []
    for passed_s, stepped_s in ((0, 0), (10, 0), (10, -500), (10, 0), (10, 505), (10, 9_000), (10, -9_000)):
        now_s[0] += passed_s
        wall_s[0] += passed_s + stepped_s
        read.append(clock() / 1e6)
    assert read == [1_000, 1_010, 1_020, 1_030, 1_045, 10_055, 1_065]


def test_time_that_passes_is_no_jump() -> None:
    """Neither a long pause nor a step of less than a minute is told; what is told names its size."""
    now_s, jumps = [0.0], list[float]()
    wall_s = [1_000.0]
    clock = LogClock(lambda: int(wall_s[0] * 1e6), on_jump=jumps.append, running_s=lambda: now_s[0])
    for passed_s, stepped_s in ((0, 0), (5_000, 0), (1, 59), (1, -59), (1, 0), (2, 3_600), (2, -3_600)):
        now_s[0] += passed_s
        wall_s[0] += passed_s + stepped_s
        clock()
    assert jumps == pytest.approx([3_600, -3_600])
