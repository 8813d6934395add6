"""Laws of retention: each class at its age, in small steps, and nothing that is still alive."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select, update

from fm_anomaly.core.retention import RetentionParams
from fm_anomaly.storage import Store, tables
from fm_anomaly.storage.retention import sweep

DAY_US = 86_400 * 1_000_000


def n_rows(store: Store) -> dict[str, int]:
    with store.reading() as connection:
        return {
            name: connection.scalar(select(func.count()).select_from(table)) or 0
            for name, table in tables.metadata.tables.items()
        }


def newest_us(store: Store) -> int:
    with store.reading() as connection:
        return connection.scalar(select(func.max(tables.buckets.c.start_us))) or 0


def steps_counted(store: Store) -> dict[int, Any]:
    table = tables.counts
    query = select(table.c.step_s, func.sum(table.c.count)).group_by(table.c.step_s)
    with store.reading() as connection:
        return {step_s: int(n) for step_s, n in connection.execute(query)}


def all_of_it(store: Store, now_us: int, **params: int) -> int:
    """Sweep in steps of fifty rows until nothing is left to do; return the number of steps."""
    for n_steps in range(1, 10_000):
        if sweep(store, now_us, RetentionParams(**params), limit=50) < 50:
            return n_steps
    raise AssertionError("it never ends")


def test_what_is_young_is_kept(live_store: Store) -> None:
    """A sweep at the newest record's time deletes nothing, and writes nothing."""
    before = n_rows(live_store)
    assert sweep(live_store, newest_us(live_store)) == 0
    assert n_rows(live_store) == before


def test_minutes_go_first_and_the_sums_stay(live_store: Store) -> None:
    """When minutes and samples are too old, hours and days still hold every record."""
    before = steps_counted(live_store)
    assert all_of_it(live_store, newest_us(live_store) + 20 * DAY_US) > 3
    after = steps_counted(live_store)
    assert tables.MINUTE_S not in after
    assert after == {step_s: n for step_s, n in before.items() if step_s != tables.MINUTE_S}
    rows = n_rows(live_store)
    assert rows["samples"] == 0
    assert rows["alerts"] > 0 < rows["buckets"]


def test_at_last_only_what_is_alive_is_left(live_store: Store) -> None:
    """After years all is gone but what still fires and the numbers that the event stream goes on from."""
    alerts = tables.alerts
    with live_store.writing() as connection:
        kept = connection.scalar(select(func.min(alerts.c.alert_id)).where(alerts.c.tenant == "default"))
        is_row = (alerts.c.tenant == "default", alerts.c.alert_id == kept)
        connection.execute(update(alerts).where(*is_row).values(state="firing"))
    all_of_it(live_store, newest_us(live_store) + 3_000 * DAY_US)
    left = {name: n for name, n in n_rows(live_store).items() if n}
    # the outbox looks after itself
    left.pop("outbox", None)
    assert left == {"heads": 2, "alerts": 1, "services": left["services"]}


def test_a_tenant_may_have_its_own(live_store: Store) -> None:
    """Samples of one are gone, those of the other are kept."""
    now_us = newest_us(live_store) + 5 * DAY_US
    own = {"other": RetentionParams(samples_days=2)}
    while sweep(live_store, now_us, RetentionParams(), 500, own) >= 500:
        pass
    with live_store.reading() as connection:
        left = set(connection.scalars(select(tables.samples.c.tenant).distinct()))
    assert left == {"default"}
