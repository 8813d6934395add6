"""Laws of health: what needs a person is told in /health and on the page, and takes no service out of its rotation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fm_anomaly.api.application import create_app
from fm_anomaly.service.hearing import HearingParams
from fm_anomaly.service.running import Service, ServiceParams
from fm_anomaly.storage import Store, open_store
from tests.api.asking import ask

EVERYTHING_IS_LOW = 1 << 60


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    with open_store(tmp_path / "fm_anomaly.db") as opened:
        yield opened


def asked(store: Store, service: Service, path: str) -> Any:
    """Return the answer of an application over a service that is not started."""
    return ask(create_app(store, intake=service), "GET", path, accept="text/html")


def test_a_disk_that_is_nearly_full_is_told_and_still_ready(store: Store, tmp_path: Path) -> None:
    """/health is degraded, /health/ready 200: nobody is sent elsewhere for that; the page says so."""
    service = Service(tmp_path, store, replace(ServiceParams(), low_free_bytes=EVERYTHING_IS_LOW))
    told = asked(store, service, "/health").json()
    assert told["status"] == "degraded"
    assert "MiB free" in told["checks"]["disk_room"]
    assert asked(store, service, "/health/ready").status_code == 200
    page = asked(store, service, "/incidents").text
    assert "fm_anomaly itself needs a look" in page
    assert "disk room" in page


def test_a_service_that_is_well_says_nothing(store: Store, tmp_path: Path) -> None:
    """No word of trouble on the page, and every check is ok."""
    service = Service(tmp_path, store, replace(ServiceParams(), low_free_bytes=0))
    assert set(asked(store, service, "/health").json()["checks"].values()) == {"ok"}
    assert "needs a look" not in asked(store, service, "/incidents").text


def test_silence_and_what_feeds_say_are_told(store: Store, tmp_path: Path) -> None:
    """A protocol that is silent for unusually long, and a closed listener."""
    service = Service(tmp_path, store, replace(ServiceParams(), low_free_bytes=0))
    service.hearing.params = HearingParams(min_pause_s=-1, times_usual=0, min_heard=1, min_heard_s=-1)
    service.hearing.note("otlp", 0.0)
    service.more_warnings = lambda: {"syslog_tcp": "the socket is closed"}
    checks = asked(store, service, "/health").json()["checks"]
    assert "nothing by otlp" in checks["input"]
    assert checks["syslog_tcp"] == "the socket is closed"
    assert asked(store, service, "/health/ready").status_code == 200
