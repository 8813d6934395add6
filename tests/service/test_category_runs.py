"""Laws of the batch job beside the service: at its hour, in a process of its own, ended with the service."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest

from fm_anomaly.core.category_schedule import CategoryScheduleParams
from fm_anomaly.errors import UsageError
from fm_anomaly.service.category_job import CategoryJob, run
from fm_anomaly.service.category_runs import CategoryRunParams, CategoryRuns
from fm_anomaly.storage import alerts, incident, open_store
from fm_anomaly.storage.model_registry import Registry
from fm_anomaly.testing import ManualClock
from tests.live_store import fill

DAY_US = 86_400_000_000
ECHO = (
    sys.executable, "-c",
    "import json,os,sys; job=json.load(sys.stdin); "
    "print(json.dumps({'is_empty': False, 'version': job['tenant'], 'categories': 3, 'errors': os.getpid()}))",
)  # fmt: skip
ENDLESS = (sys.executable, "-c", "import time; time.sleep(600)")
SILENT = (sys.executable, "-c", "import sys; sys.exit(3)")


def runs_of(folder: Path, command: tuple[str, ...], clock: ManualClock | None = None, **more: object) -> CategoryRuns:
    store = open_store(folder / "s.db")
    params = CategoryRunParams(CategoryScheduleParams(at=("03:00",)), store=str(folder / "s.db"), **more)  # type: ignore[arg-type]
    return CategoryRuns(store, folder / "models", "default", params, clock=clock or ManualClock(), command=command)


def test_a_run_is_made_at_its_hour_and_once(tmp_path: Path) -> None:
    """Not before; then once for each tenant that the store knows; then at the same hour of the next day."""
    with open_store(tmp_path / "s.db") as store:
        fill(store)
    clock = ManualClock(DAY_US)
    runs = runs_of(tmp_path, ECHO, clock)
    runs.step()
    assert runs.results == {}
    due_us = runs.next_us
    assert due_us == DAY_US + 3 * 3_600_000_000
    clock.advance((due_us - DAY_US) / 1e6)
    runs.step()
    assert runs.results["default"].version == "default"
    assert runs.next_us == due_us + DAY_US
    runs.results.clear()
    runs.step()
    assert runs.results == {}


def test_a_person_can_have_it_made_at_once(tmp_path: Path) -> None:
    """Asked twice is made once; where the extra is missing it is refused with what to install."""
    told: list[str] = []
    runs = runs_of(tmp_path, ECHO)
    runs._on_done = told.append
    assert runs.ask("other")
    assert not runs.ask("other")
    assert runs.is_going_on("other")
    runs.step()
    assert (told, runs.is_going_on("other"), runs.results["other"].n_categories) == (["other"], False, 3)
    runs.is_possible = False
    with pytest.raises(UsageError, match="pip install"):
        runs.ask("other")


def test_a_run_ends_with_the_service_and_failures_are_told(tmp_path: Path) -> None:
    """A process that never ends is killed when the service stops or its time is up; one that dies says nothing."""
    runs = runs_of(tmp_path, ENDLESS)
    runs.ask("default")
    runs.start()
    end = time.monotonic() + 30
    while runs.running is None and time.monotonic() < end:
        time.sleep(0.01)
    runs.stop()
    assert "stopped" in runs.results["default"].trouble
    assert not [each for each in threading.enumerate() if each.name == "fm-anomaly-category-runs"]
    late = runs_of(tmp_path, ENDLESS, timeout_s=0.3)
    late.ask("default")
    late.step()
    assert "too long" in late.results["default"].trouble
    silent = runs_of(tmp_path, SILENT)
    silent.ask("default")
    silent.step()
    assert "ended with 3" in silent.results["default"].trouble


def test_a_job_fits_the_errors_of_the_store(tmp_path: Path) -> None:
    """A model is kept and in use; a store without errors makes none."""
    with open_store(tmp_path / "s.db") as store:
        fill(store)
    job = CategoryJob(str(tmp_path / "s.db"), "default", str(tmp_path / "models"), 7, 1)
    told = run(job)
    assert told["categories"] >= 1
    with open_store(tmp_path / "s.db") as store:
        # alerts of before the run have waited for it
        labelled = [each for each in alerts(store, "default", limit=500).items if each.category_id]
        assert len(labelled) == told["labelled"] > 0
        matter = incident(store, "default", labelled[0].incident_id or "")
        assert matter is not None
        assert matter.category_model == "0001"
    assert Registry(tmp_path / "models").active("error-categories") == told["version"] == "0001"
    assert run(CategoryJob(str(tmp_path / "s.db"), "nobody", str(tmp_path / "m2"), 7, 1)) == {"is_empty": True}
