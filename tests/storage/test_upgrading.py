"""Laws of migrations: they make the tables that the code knows, and bring a store of version 1 along with its rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text

from fm_anomaly.storage import Store, alert_history, alerts, incidents, open_store, tables, upgrading
from tests.postgres import Cluster

ALERT = {
    "tenant": "default", "alert_id": "a1", "incident_id": "i-a1", "kind": "new_error", "service": "api",
    "severity": "high", "severity_rank": 2, "state": "resolved", "title": "t", "reason": "r", "start_us": 5,
    "end_us": 9, "as_of_us": 9, "unit": "records", "subject": "s", "template_ids": "[]", "labels": "{}",
    "evidence": "[]",
}  # fmt: skip
INCIDENT = {
    "tenant": "default", "incident_id": "i-a1", "number": 7, "kind": "new_error", "severity": "high",
    "severity_rank": 2, "state": "resolved", "title": "t", "reason": "r", "services": '["api"]', "start_us": 5,
    "end_us": 9, "as_of_us": 9, "what": "[]", "alert_ids": '["a1"]', "template_ids": "[]", "evidence": "[]",
    "series": "null",
}  # fmt: skip


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 's.db'}"
    server: Cluster = request.getfixturevalue("postgres")
    return server.url(server.database())


def make_version_1(target: str, *, is_stamped_by_alembic: bool = False) -> None:
    """Make the tables of version 1 with one alert and its two steps, as that release did."""
    engine = create_engine(target.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        upgrading._run(connection, None, "0001")
        for table, row in (("alerts", ALERT), ("incidents", INCIDENT)):
            names = ", ".join(f":{name}" for name in row)
            connection.execute(text(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({names})"), row)  # noqa: S608
        for seq, action, at_us in ((0, "triggered", 5), (1, "resolved", 9)):
            connection.execute(
                text("INSERT INTO alert_events VALUES ('default', 'a1', :seq, :action, :at_us, 'high')"),
                {"seq": seq, "action": action, "at_us": at_us},
            )
        if not is_stamped_by_alembic:
            connection.execute(text("DROP TABLE alembic_version"))
            connection.execute(text("CREATE TABLE tables_version (version INTEGER PRIMARY KEY)"))
            connection.execute(text("INSERT INTO tables_version VALUES (1)"))
    engine.dispose()


def test_migrations_make_the_tables_that_the_code_knows(store: Store) -> None:
    """A fresh store has every table, column and index of `tables`, and nothing else."""
    with store.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables.metadata) == []
        assert upgrading.stored_version(connection) == tables.REVISION


@pytest.mark.parametrize("is_stamped", [False, True])
def test_a_store_of_version_1_is_upgraded_with_its_rows(target: str, is_stamped: bool) -> None:
    """Alerts and incidents stay, steps become numbered events, and the next incident's number goes on."""
    make_version_1(target, is_stamped_by_alembic=is_stamped)
    with open_store(target) as store:
        assert [a.alert_id for a in alerts(store, "default").items] == ["a1"]
        assert [i.number for i in incidents(store, "default").items] == [7]
        steps = alert_history(store, "default", "a1")
        assert [(s.event_no, s.action, s.at_us) for s in steps] == [(1, "triggered", 5), (2, "resolved", 9)]
        with store.reading() as connection:
            heads: Any = connection.execute(text("SELECT event_no, incident_no FROM heads")).one()
            assert tuple(heads) == (2, 7)
            context = MigrationContext.configure(connection)
            assert compare_metadata(context, tables.metadata) == []
    with open_store(target) as again:
        assert len(alerts(again, "default").items) == 1
