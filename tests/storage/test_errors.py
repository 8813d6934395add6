"""Laws of a store's errors: counted as the pipeline counted them, in a span, by hours or, of long ago, by days."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import delete, select, update

from fm_anomaly.categorizing import errors_of_store
from fm_anomaly.storage import Store, open_store, tables
from fm_anomaly.storage.errors import last_error_us, stored_errors
from tests.live_store import fill

HOUR_US = 3_600_000_000


def test_errors_are_those_of_the_templates(store: Store) -> None:
    """Every error is counted once, with lines that tell it; the later half is part of the whole."""
    fill(store)
    found = stored_errors(store, "default")
    with store.reading() as connection:
        query = select(tables.templates.c.errors).where(tables.templates.c.merged_into.is_(None))
        assert sum(each.count for each in found) == sum(connection.scalars(query)) > 0
    assert all(each.lines and 0 <= each.n_recent <= each.count for each in found)
    assert stored_errors(store, "nobody") == []
    told = errors_of_store(store, "default")
    assert sum(each.count for each in told) == sum(each.count for each in found)
    assert all(each.services for each in told)


def test_a_span_is_counted_to_its_hour_and_of_long_ago_to_its_day(tmp_path: Path) -> None:
    """Errors before the hour take no part; where the hours have been forgotten, days answer and nothing is lost."""
    with open_store(tmp_path / "s.db") as store:
        fill(store)
        whole = stored_errors(store, "default")
        last_us = last_error_us(store, "default")
        part = stored_errors(store, "default", last_us)
        assert 0 < sum(each.count for each in part) < sum(each.count for each in whole)
        assert all(each.first_us is not None and each.first_us >= last_us - HOUR_US for each in part)
        with store.writing() as connection:
            connection.execute(delete(tables.counts).where(tables.counts.c.step_s == tables.HOUR_S))
        by_days = stored_errors(store, "default", last_us - 7 * 24 * HOUR_US)
        assert [(each.template_id, each.count) for each in by_days] == [(e.template_id, e.count) for e in whole]


def test_merged_templates_are_counted_under_the_one_that_stands(tmp_path: Path) -> None:
    """Whatever merged into whatever since; a circle ends."""
    with open_store(tmp_path / "s.db") as store:
        fill(store)
        first, second = stored_errors(store, "default")[:2]
        table = tables.templates
        with store.writing() as connection:
            for one, other in ((first, second), (second, first)):
                connection.execute(
                    update(table)
                    .where(table.c.service == one.service, table.c.template_id == one.template_id)
                    .values(merged_into=other.template_id)
                )
        assert sum(each.count for each in stored_errors(store, "default")) > 0
