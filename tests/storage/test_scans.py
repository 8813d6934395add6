"""Laws of saving a scan: it can be repeated, late words lose, and history tells the steps."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from fm_anomaly.errors import StoreError
from fm_anomaly.storage import (
    Store,
    alert,
    alert_history,
    alerts,
    incidents,
    intake,
    open_store,
    save_scan,
    tables,
)
from fm_anomaly.storage import templates as read_templates
from fm_anomaly.storage.writing import plain_text
from tests.conftest import ROOT
from tests.scan_objects import make_alert, make_incident, make_scan


def dump(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    with store.reading() as connection:
        return {
            name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for name, table in tables.metadata.tables.items()
        }


def firing(**changes: Any) -> dict[str, Any]:
    return make_alert(state="firing", end=None, **changes)


def test_the_objects_of_these_tests_are_scans() -> None:
    """What the tests save keeps to the published schema, so that they prove something about real scans."""
    schema = json.loads((ROOT / "docs" / "schemas" / "scan.schema.json").read_text())
    jsonschema.validate(make_scan(make_incident(make_alert(), firing())), schema)


def test_an_incident_without_a_series_is_one(store: Store) -> None:
    """A series of None, which the schema allows, comes back as None."""
    save_scan(store, "t", make_scan(make_incident(make_alert(), series=None)))
    assert [each.series for each in incidents(store, "t").items] == [None]


def test_saving_twice_changes_nothing(store: Store) -> None:
    """The store after the second saving of a scan is the store after the first, history included."""
    scan = make_scan(make_incident(make_alert(), make_alert(alert_id="a2", kind="error_spike")))
    save_scan(store, "t", scan)
    once = dump(store)
    save_scan(store, "t", scan)
    assert dump(store) == once
    assert [len(once[name]) for name in ("alerts", "incidents", "templates", "intake")] == [2, 1, 1, 1]


def test_order_of_saving_does_not_matter_for_the_last_word(tmp_path: Path) -> None:
    """Whatever the order in which three stages of one source arrive, the latest stage is what is read."""
    stages = [
        make_scan(make_incident(firing(severity="medium")), lines=10, last="2026-03-02T12:31:00Z"),
        make_scan(make_incident(firing()), lines=20, last="2026-03-02T12:32:00Z"),
        make_scan(make_incident(make_alert()), lines=30, last="2026-03-02T12:59:59Z"),
    ]
    for n, order in enumerate(itertools.permutations(stages)):
        with open_store(tmp_path / f"{n}.db") as store:
            for scan in order:
                save_scan(store, "t", scan)
            found = alert(store, "t", "a1")
            assert found is not None
            assert (found.state, found.severity) == ("resolved", "high")
            assert [each.counts["lines"] for each in intake(store, "t")] == [30]
            assert alert_history(store, "t", "a1")[-1].action == "resolved"


def test_history_tells_each_step_once(store: Store) -> None:
    """A change of severity and the end are steps; a saving that changes neither is none."""
    early = make_scan(make_incident(firing(severity="medium")), last="2026-03-02T12:31:00Z")
    save_scan(store, "t", early)
    save_scan(store, "t", make_scan(make_incident(firing(observed=50)), last="2026-03-02T12:32:00Z"))
    save_scan(store, "t", make_scan(make_incident(make_alert()), last="2026-03-02T12:40:00Z"))
    save_scan(store, "t", early)
    steps = [(each.action, each.severity) for each in alert_history(store, "t", "a1")]
    assert steps == [("triggered", "medium"), ("updated", "high"), ("resolved", "high")]


def test_sources_add_and_a_source_read_further_replaces(store: Store) -> None:
    """Counts of one source are replaced as it grows; another source stands beside it."""
    save_scan(store, "t", make_scan(lines=10))
    save_scan(store, "t", make_scan(lines=25))
    other = make_scan(lines=5)
    other["source"]["names"] = ["other.log"]
    save_scan(store, "t", other)
    assert sorted(each.count for each in read_templates(store, "t")) == [5, 25]
    assert sorted(each.counts["records"] for each in intake(store, "t")) == [5, 25]


def test_tenants_do_not_see_each_other(store: Store) -> None:
    """Two tenants save alerts of the same id; each reads only its own, and a third reads nothing."""
    save_scan(store, "red", make_scan(make_incident(make_alert(title="of red"))))
    save_scan(store, "blue", make_scan(make_incident(make_alert(title="of blue"))))
    assert [each.title for each in alerts(store, "red").items] == ["of red"]
    assert [each.title for each in alerts(store, "blue").items] == ["of blue"]
    assert alerts(store, "green").total == incidents(store, "green").total == 0
    assert alert(store, "green", "a1") is None
    assert alert_history(store, "green", "a1") == read_templates(store, "green") == intake(store, "green") == ()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda scan: scan.update(schema="fm-anomaly/scan/9"),
        lambda scan: scan["intake"].pop("lines"),
        lambda scan: scan["incidents"][0]["alerts"][0].update(severity="dreadful"),
        lambda scan: scan["incidents"][0].update(start="yesterday"),
    ],
)
def test_a_scan_of_another_shape_is_refused_whole(store: Store, spoil: Any) -> None:
    """What does not keep to the schema raises StoreError, and nothing of it is written."""
    before = dump(store)
    scan = make_scan(make_incident(make_alert()))
    spoil(scan)
    with pytest.raises(StoreError):
        save_scan(store, "t", scan)
    assert dump(store) == before


@given(st.text(st.characters(), max_size=30))
def test_any_text_can_be_stored(text: str) -> None:
    """NUL and lone surrogates, which databases refuse, are replaced; all other text comes back as it was."""
    clean = plain_text(text)
    assert "\0" not in clean
    assert clean.encode().decode() == clean
    assert plain_text(clean) == clean
    if "\0" not in text and not any("\ud800" <= each <= "\udfff" for each in text):
        assert clean == text


def test_hostile_text_survives_the_round_trip(store: Store) -> None:
    """Quotes, NUL and surrogates in a title, a service and evidence neither break a query nor a row."""
    title = "'; DROP TABLE alerts; -- \0 \ud800 \N{RIGHT-TO-LEFT OVERRIDE}"
    save_scan(store, "t", make_scan(make_incident(make_alert(title=title, service="a\0b"))))
    (found,) = alerts(store, "t").items
    assert found.title == "'; DROP TABLE alerts; -- \N{REPLACEMENT CHARACTER} ? \N{RIGHT-TO-LEFT OVERRIDE}"
    assert found.service == "a\N{REPLACEMENT CHARACTER}b"


def test_more_alerts_than_a_query_takes(store: Store) -> None:
    """A scan with thousands of alerts is saved and saved again like a small one."""
    many = [make_alert(alert_id=f"a{n:05}") for n in range(1200)]
    scan = make_scan(make_incident(*many))
    save_scan(store, "t", scan)
    save_scan(store, "t", scan)
    assert alerts(store, "t").total == 1200
