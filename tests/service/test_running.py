"""Laws of the running service, threads and all: durable, once, told to wait, and whole again after a start."""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fm_anomaly.core.commands import Command, CommandKind
from fm_anomaly.errors import BusyError, DiskFullError, StoreError, UsageError
from fm_anomaly.ingest.batches import Batch
from fm_anomaly.service import Service, ServiceParams, running, working
from fm_anomaly.service.appending import TickParams
from fm_anomaly.service.queueing import QueueParams
from fm_anomaly.service.restoring import SnapshotParams
from fm_anomaly.storage import Store, alerts, open_store
from fm_anomaly.storage.segments import DiskFile, SegmentParams, segment_paths
from tests.service.logs import batch, minute

QUICK = ServiceParams(segments=SegmentParams(min_free_bytes=0), ticks=TickParams(after_entries_s=0.05, idle_s=0.2))


@contextmanager
def service_in(folder: Path, params: ServiceParams = QUICK, *, is_killed: bool = False) -> Iterator[Service]:
    """A running service; one that `is_killed` takes nothing along: no last tick, no snapshot."""
    with open_store(folder / "s.db") as store:
        service = Service(folder, store, params)
        service.start()
        try:
            yield service
        finally:
            if is_killed:
                service.worker.__dict__.update(_maybe_save=lambda: None, _save=lambda: None)
            service.stop()


def submit(service: Service, *batches: Batch, ids: list[str | None] | None = None) -> list[Any]:
    async def all_of_them() -> list[Any]:
        names = ids or [None] * len(batches)
        sent = (service.submit("default", each, name) for each, name in zip(batches, names, strict=True))
        return list(await asyncio.gather(*sent, return_exceptions=True))

    return asyncio.run(all_of_them())


def total(service: Service) -> dict[str, Any]:
    told: dict[str, Any] = asyncio.run(service.accounting("default"))["total"]
    return told


def wait_for(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def stored(store: Store) -> list[tuple[str, str, str]]:
    return sorted((each.alert_id, each.state, each.severity) for each in alerts(store, "default", limit=500).items)


def test_what_was_acknowledged_is_there_after_a_start(tmp_path: Path) -> None:
    """Whether it was stopped or fell over: every line is counted once, and the alerts are in the store."""
    with service_in(tmp_path, is_killed=True) as service:
        for number in range(40):
            submit(service, batch(minute(number)))
    with service_in(tmp_path) as service:
        for number in range(40, 70):
            submit(service, batch(minute(number)))
        wait_for(lambda: total(service)["lines"] == 70 * 60)
    with service_in(tmp_path) as service:
        assert total(service)["lines"] == 70 * 60
        assert total(service)["counted"] == 70 * 60
        assert stored(service.store)
        assert service.worker.figures()["backlog_entries"] == 0


def test_a_batch_with_an_id_is_taken_once(tmp_path: Path) -> None:
    """Sent at the same time, again, after a crash and after a stop: one entry, and everybody is told its number."""
    some = batch(minute(0))
    with service_in(tmp_path, is_killed=True) as service:
        receipts = submit(service, some, some, some, ids=["one", "one", "two"])
        assert sorted(each.is_duplicate for each in receipts) == [False, False, True]
        assert receipts[0].seq == receipts[1].seq != receipts[2].seq
        assert submit(service, some, ids=["one"])[0].is_duplicate
    for _ in range(2):
        with service_in(tmp_path) as service:
            assert submit(service, some, ids=["one"])[0] == replace(receipts[0], is_duplicate=True)
            wait_for(lambda: total(service)["lines"] == 120)


def test_too_much_is_told_to_wait_and_then_taken(tmp_path: Path) -> None:
    """With the queue full a batch is refused with a time to come again; later it is taken, and nothing is missing."""
    params = replace(QUICK, queue=QueueParams(max_bytes=20_000), ticks=TickParams(after_entries_s=0.5))
    with service_in(tmp_path, params) as service:
        answers = submit(service, *[batch(minute(number)) for number in range(10)])
        refused = [each for each in answers if isinstance(each, BusyError)]
        assert refused
        assert all(1 <= each.retry_after_s <= 30 for each in refused)
        taken = len(answers) - len(refused)
        wait_for(lambda: service.figures()["queue_entries"] == 0)
        assert not isinstance(submit(service, batch(minute(11)))[0], BusyError)
        wait_for(lambda: total(service)["lines"] == (taken + 1) * 60)


def test_a_full_disk_refuses_and_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The disk fails at the fence: what is refused is not there, room is given back, later batches are taken."""
    caplog.set_level("INFO", logger="fm_anomaly")
    is_full = False

    class SmallDisk(DiskFile):
        def write(self, data: bytes) -> None:
            if is_full:
                super().write(data[: len(data) // 2])
                raise OSError(errno.ENOSPC, "no space left on device")
            super().write(data)

    make = running.SegmentWriter
    monkeypatch.setattr(
        running, "SegmentWriter", lambda folder, params, seq: make(folder, params, seq, make_file=SmallDisk)
    )
    with service_in(tmp_path, is_killed=True) as service:
        submit(service, batch(minute(0)), ids=["zero"])
        is_full = True
        (answer,) = submit(service, batch(minute(1)), ids=["one"])
        assert isinstance(answer, DiskFullError)
        is_full = False
        (answer,) = submit(service, batch(minute(1)), ids=["one"])
        assert not answer.is_duplicate
        wait_for(lambda: service.figures()["queue_entries"] == 0)
        assert service.figures()["disk_refusals_total"] >= 1
    assert [each for each in caplog.messages if each.startswith("intake_")] == ["intake_refused", "intake_resumed"]
    with service_in(tmp_path) as service:
        wait_for(lambda: total(service)["lines"] == 120)


def test_a_store_that_refuses_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the store is away nothing is lost and health says why; when it is back everything is in it."""
    is_away = True
    record = working.record

    def flaky(store: Store, step: Any) -> Any:
        if is_away:
            raise StoreError("cannot write the store: connection refused")
        return record(store, step)

    monkeypatch.setattr(working, "record", flaky)
    with service_in(tmp_path) as service:
        for number in range(70):
            submit(service, batch(minute(number)))
        wait_for(lambda: "refused" in service.health()["worker"])
        is_away = False
        wait_for(lambda: service.health()["worker"] == "ok" and service.figures()["queue_entries"] == 0)
        wait_for(lambda: bool(stored(service.store)))
        assert service.figures()["store_refusals_total"] >= 1
    assert not segment_paths(tmp_path / "log")


@pytest.mark.parametrize("damaged", [["pipeline.snapshot"], ["pipeline.snapshot.before"]])
def test_a_damaged_snapshot_costs_nothing(tmp_path: Path, damaged: list[str]) -> None:
    """One of the two is enough: the entries behind it are still there, and the alerts are those of an unhurt run."""
    often = replace(QUICK, snapshots=SnapshotParams(every_s=0.0))
    with service_in(tmp_path / "whole") as service:
        for number in range(70):
            submit(service, batch(minute(number)))
        wait_for(lambda: total(service)["lines"] == 70 * 60)
        wanted = stored(service.store)
    with service_in(tmp_path / "hurt", often, is_killed=True) as service:
        for number in range(60):
            submit(service, batch(minute(number)))
            if number in (20, 40):
                wait_for(lambda n=number: total(service)["lines"] == (n + 1) * 60)  # type: ignore[misc]
    for name in damaged:
        path = tmp_path / "hurt" / "state" / name
        path.write_bytes(path.read_bytes()[:-9])
    with service_in(tmp_path / "hurt") as service:
        for number in range(60, 70):
            submit(service, batch(minute(number)))
        wait_for(lambda: total(service)["lines"] == 70 * 60)
        assert stored(service.store) == wanted


def test_without_any_good_snapshot_it_starts_and_says_so(tmp_path: Path) -> None:
    """Both damaged: what was learned is lost, told, and set aside; new logs are taken."""
    with service_in(tmp_path) as service:
        submit(service, batch(minute(0)))
    for path in (tmp_path / "state").iterdir():
        path.write_bytes(b"nonsense")
    with service_in(tmp_path) as service:
        submit(service, batch(minute(1)))
        wait_for(lambda: total(service)["lines"] == 60)
    assert len(list((tmp_path / "state").glob("*.damaged"))) == 2


def test_a_command_is_answered_with_what_it_did(tmp_path: Path) -> None:
    """A command waits for its effect; one that cannot be done says why."""
    with service_in(tmp_path) as service:
        submit(service, batch(minute(0)))
        good = Command(CommandKind.MARKER, "default", "ann", 1, "cart", "", text="deploy", command_id="m1")
        bad = Command(CommandKind.RENAME, "default", "ann", 1, "cart", "nothing", text="x")
        assert asyncio.run(service.command("default", good))["effect"]
        with pytest.raises(UsageError):
            asyncio.run(service.command("default", bad))
        assert total(service)["lines"] == 60


def test_after_a_stop_no_segment_holds_a_line(tmp_path: Path) -> None:
    """Both snapshots cover everything: the only place with unredacted bytes is empty."""
    with service_in(tmp_path) as service:
        submit(service, batch(b"ERROR password=hunter2\n"))
    assert segment_paths(tmp_path / "log") == []
    assert all(b"hunter2" not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_whoever_asks_and_goes_away_harms_nobody(tmp_path: Path) -> None:
    """A question whose asker has given up is left out; the worker goes on."""
    with service_in(tmp_path) as service:
        for _ in range(50):
            service.worker.ask(lambda applier: applier.seq).cancel()
        submit(service, batch(minute(0)))
        wait_for(lambda: total(service)["lines"] == 60)
        assert service.health()["worker"] == "ok"
