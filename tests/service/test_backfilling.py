"""Backfill: a service goes live with what a history has taught, and nobody is told of what is past."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from fm_anomaly.cli import main
from fm_anomaly.errors import UsageError
from fm_anomaly.ingest.batches import Batch, Part
from fm_anomaly.scanning import TextSource
from fm_anomaly.service.applying import ApplierParams
from fm_anomaly.service.backfilling import backfill
from fm_anomaly.service.batch_ids import BatchIdParams
from fm_anomaly.service.entries import StartEntry, TickEntry, batch_entry
from fm_anomaly.service.restoring import restored
from fm_anomaly.storage import Store, alerts, default_path, open_store, tables
from fm_anomaly.testing import as_bytes, outage_log, quiet_log

LOG = outage_log()
BEGIN = next(i for i, line in enumerate(LOG) if "ERROR [cart] price service" in line)
S = 1_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Return a store."""
    with open_store(default_path(tmp_path)) as opened:
        yield opened


def test_the_service_goes_on_from_the_history(tmp_path: Path, store: Store) -> None:
    """What was quiet in the history is the normal that an outage after it is held against."""
    told = backfill(tmp_path, store, [TextSource("shop.log", as_bytes(LOG[:BEGIN]))])
    assert told.n_records == BEGIN
    assert told.n_alerts == 0
    applier = restored(tmp_path, ApplierParams(), BatchIdParams(), None).applier
    now = told.last_us
    applier.take(1, StartEntry(now))
    part = Part("http", "shop", as_bytes(LOG[BEGIN:]), len(LOG) - BEGIN)
    applier.take(2, batch_entry(now + S, "default", Batch("http", (part,)), None))
    outcome = applier.take(3, TickEntry(now + 2 * S))
    assert outcome is not None
    fired = [event.alert for found in outcome.found for event in found.changed.events]
    assert any("never seen in the 1h" in alert.reason for alert in fired)


def test_nobody_is_told_of_what_is_past(tmp_path: Path, store: Store) -> None:
    """Alerts of the history stand in the store, and no receiver hears of them."""
    told = backfill(tmp_path, store, [TextSource("shop.log", as_bytes(LOG))])
    assert told.n_alerts > 0
    assert alerts(store, "default").total == told.n_alerts
    with store.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(tables.outbox)) == 0
        assert connection.scalar(select(func.sum(tables.counts.c.count)).where(tables.counts.c.name == "records"))


def test_a_history_comes_first(tmp_path: Path, store: Store) -> None:
    """A service that has learned is not taught the past: that would run time backwards."""
    source = TextSource("shop.log", as_bytes(quiet_log()))
    backfill(tmp_path, store, [source])
    with pytest.raises(UsageError, match="another --data"):
        backfill(tmp_path, store, [source])


def test_the_command_says_what_was_learned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line of what, one of the next step."""
    log = tmp_path / "shop.log"
    log.write_bytes(as_bytes(quiet_log()))
    assert main(["backfill", str(log), "--data", str(tmp_path / "data")]) == 0
    shown = capsys.readouterr().out
    assert "2 services over 1h" in shown
    assert "fm-anomaly serve --data" in shown
