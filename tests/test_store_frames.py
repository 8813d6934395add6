"""Laws of the frames: they say what the tables say, in pandas' own types, one tenant at a time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import insert, update

import fm_anomaly
from fm_anomaly.core.changes import Changes
from fm_anomaly.core.pipeline import Pipeline
from fm_anomaly.core.sources import SourceName
from fm_anomaly.errors import StoreError, UsageError
from fm_anomaly.storage import default_path, open_store, save_scan, tables
from fm_anomaly.storage.recording import Step, record
from fm_anomaly.store_frames import StoreFrames
from fm_anomaly.testing import as_bytes, outage_log
from tests.scan_objects import make_alert, make_incident, make_scan


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a service that has seen an outage, and of another tenant's scan."""
    folder = tmp_path_factory.mktemp("data")
    pipeline = Pipeline()
    changes = Changes(pipeline)
    with open_store(default_path(folder)) as store:
        events = pipeline.observe(SourceName("shop.log", "shop"), as_bytes(outage_log()))
        events += pipeline.flush()
        record(store, Step("default", 1, changes.take(events)))
        save_scan(store, "other", make_scan(make_incident(make_alert(alert_id="theirs"))))
    return folder


@pytest.fixture
def frames(folder: Path) -> Iterator[StoreFrames]:
    """The store as frames."""
    with fm_anomaly.open_store(folder) as opened:
        yield opened


def test_counts_are_what_was_counted(frames: StoreFrames, folder: Path) -> None:
    """The sum over minutes, hours and days is the number of records; the templates' counts add up to it."""
    minutes, hours, days = (frames.counts(step) for step in ("minute", "hour", "day"))  # type: ignore[arg-type]
    n = minutes["count"].sum()
    assert n > 2_000
    assert hours["count"].sum() == days["count"].sum() == n
    assert frames.counts("minute", name="template")["count"].sum() == n
    assert minutes["start"].dtype == "datetime64[us, UTC]"
    assert minutes["start"].is_monotonic_increasing
    assert frames.templates()["count"].sum() == n


def test_spans_are_half_open(frames: StoreFrames) -> None:
    """`since` is in, `until` is out, whether as text or as a datetime; nothing matches: an empty frame with columns."""
    minutes = frames.counts(service="cart")
    first, last = minutes["start"].iloc[0], minutes["start"].iloc[-1]
    inner = frames.counts(service="cart", since=first.isoformat(), until=last.to_pydatetime())
    assert len(inner) == len(minutes) - 1
    nothing = frames.counts(service="nobody")
    assert list(nothing.columns) == list(minutes.columns)
    assert nothing.empty
    assert nothing["start"].dtype == minutes["start"].dtype


def test_alerts_and_incidents(frames: StoreFrames) -> None:
    """Severities are ordered, times have a zone, and an incident names alerts that are there."""
    alerts, incidents = frames.alerts(), frames.incidents()
    assert len(incidents) >= 1
    assert set(incidents["alert_ids"].explode()) <= set(alerts["alert_id"])
    assert (alerts["severity"] >= "medium").any()
    assert str(alerts["start"].dt.tz) == "UTC"
    assert "tenant" not in alerts.columns
    assert frames.alerts(service="nobody").empty
    assert frames.alerts(state="resolved")["end"].notna().all()


def test_samples_are_redacted_lines_of_templates(frames: StoreFrames) -> None:
    """Each sample belongs to a template that is there; the beginning of an id is enough."""
    samples = frames.samples(service="cart")
    assert not samples.empty
    assert set(samples["template_id"]) <= set(frames.templates()["template_id"])
    one = samples["template_id"].iloc[0]
    assert set(frames.samples(template_id=one[:10])["template_id"]) == {one}
    assert frames.samples(template_id="%").empty


def test_a_tenant_sees_its_own_part(folder: Path) -> None:
    """Another tenant's alerts are another frame."""
    with fm_anomaly.open_store(folder, tenant="other") as theirs:
        assert list(theirs.alerts()["alert_id"]) == ["theirs"]
        assert theirs.counts().empty
        assert len(theirs.templates()) == 1


def test_merged_templates_are_counted_under_the_one_that_stands(tmp_path: Path) -> None:
    """A lineage of merges ends in one row a span."""
    with open_store(tmp_path / "s.db") as store, store.writing() as connection:
        row = {"tenant": "default", "step_s": 60, "service": "api", "name": "template", "start_us": 0}
        connection.execute(
            insert(tables.counts), [{**row, "subject": each, "count": 1, "errors": 1} for each in ("a", "b", "c")]
        )
        template = {
            "tenant": "default",
            "source_id": "live",
            "service": "api",
            "event_key": "",
            "template": "x",
            "count": 1,
            "errors": 0,
            "severity": 9,
            "sample": "",
            "aliases": [],
        }
        connection.execute(insert(tables.templates), [{**template, "template_id": each} for each in ("a", "b", "c")])
        for old, into in (("a", "b"), ("b", "c")):
            connection.execute(
                update(tables.templates).where(tables.templates.c.template_id == old).values(merged_into=into)
            )
    with fm_anomaly.open_store(tmp_path / "s.db") as frames:
        counted = frames.counts(name="template")
        assert counted[["subject", "count", "errors"]].values.tolist() == [["c", 3, 3]]
        assert list(frames.templates()["template_id"]) == ["c"]


def test_what_cannot_be_opened_or_asked_is_one_sentence(tmp_path: Path, frames: StoreFrames) -> None:
    """A wrong path makes no store; a wrong argument names the right ones."""
    with pytest.raises(StoreError, match="no store at"):
        fm_anomaly.open_store(tmp_path / "typo")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UsageError, match="minute, hour, day"):
        frames.counts("week")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="is no time"):
        frames.counts(since="soon")


def test_import_of_the_package_loads_nothing(tmp_path: Path) -> None:
    """`import fm_anomaly` alone brings in neither pandas nor SQLAlchemy nor httpx; every public name is there."""
    code = (
        "import sys, fm_anomaly\n"
        "heavy = {'pandas', 'sqlalchemy', 'httpx', 'polars', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert all(getattr(fm_anomaly, name) for name in fm_anomaly.__all__)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_frames_are_pandas(frames: StoreFrames) -> None:
    """What is given can be pivoted as it is."""
    wide = frames.counts().pivot_table(index="start", columns="service", values="count", aggfunc="sum")
    assert isinstance(wide, pd.DataFrame)
    assert {"cart", "mail"} <= set(wide.columns)
