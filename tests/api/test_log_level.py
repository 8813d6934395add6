"""Laws of the log's level: changed for a while by whoever may, and back by itself."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

import pytest

from fm_anomaly.api.application import create_app
from fm_anomaly.logs import ROOT, Levels
from fm_anomaly.storage import Store
from tests.api.asking import ask


@pytest.fixture
def levels() -> Iterator[Levels]:
    """Levels that end with the test."""
    before = logging.getLogger(ROOT).level
    found = Levels("info")
    yield found
    found.end()
    logging.getLogger(ROOT).setLevel(before)


def test_a_change_ends_by_itself(levels: Levels) -> None:
    """After its time the usual level is back, though nobody says so."""
    levels.change("debug", 0.05)
    assert (levels.level, levels.until is None) == ("debug", False)
    end = time.monotonic() + 20
    while levels.until is not None and time.monotonic() < end:
        time.sleep(0.01)
    assert (levels.level, levels.until) == ("info", None)


def test_a_signal_turns_it_on_and_off(levels: Levels) -> None:
    """Debug, and back; a second change replaces the first."""
    levels.toggle(600)
    levels.change("error", 600)
    assert levels.level == "error"
    levels.toggle(600)
    assert (levels.level, levels.until) == ("info", None)
    levels.toggle(600)
    assert levels.level == "debug"


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_the_api_changes_it(store: Store, levels: Levels) -> None:
    """PUT answers how things stand; what is no level, or lasts for days, is refused; without a log there is none."""
    app = create_app(store)
    assert ask(app, "GET", "/api/v1/log-level").status_code == 404
    app.state.log_levels = levels
    assert ask(app, "GET", "/api/v1/log-level").json() == {"level": "info", "usual": "info", "until": None}
    answer = ask(app, "PUT", "/api/v1/log-level", {"level": "debug", "minutes": 5})
    assert (answer.status_code, answer.json()["level"]) == (200, "debug")
    assert answer.json()["until"].endswith("Z")
    for body in ({"level": "loud"}, {"level": "debug", "minutes": 5_000}, {"level": "debug", "for": 3}):
        assert ask(app, "PUT", "/api/v1/log-level", body).status_code == 422
    assert levels.level == "debug"
