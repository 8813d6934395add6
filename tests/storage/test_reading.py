"""Laws of reading: pages join to the whole list, filters agree with a plain loop, cursors are checked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fm_anomaly.errors import UsageError
from fm_anomaly.storage import (
    AlertFilter,
    Store,
    StoredAlert,
    alerts,
    incidents,
    open_store,
    save_scan,
    tables,
)
from fm_anomaly.storage.paging import read_cursor
from fm_anomaly.storage.timestamps import to_iso
from tests.scan_objects import make_alert, make_incident, make_scan

NO_FILTER = AlertFilter()
SERVICES, KINDS, STATES = ("api", "worker"), ("new_error", "silence"), ("firing", "resolved")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Forty alerts; starts collide in pairs, so that a page may end between equals."""
    made = [
        make_alert(
            alert_id=f"a{n:02}",
            service=SERVICES[n % 2],
            kind=KINDS[n // 2 % 2],
            state=STATES[n // 3 % 2],
            severity=tables.SEVERITIES[n % 4],
            start=to_iso(1_000_000 * (n * 7 % 40 // 2)),
        )
        for n in range(40)
    ]
    with open_store(tmp_path_factory.mktemp("store") / "s.db") as opened:
        save_scan(opened, "t", make_scan(make_incident(*made)))
        yield opened


def everything(store: Store, where: AlertFilter = NO_FILTER, limit: int = 500) -> list[StoredAlert]:
    found: list[StoredAlert] = []
    cursor = None
    while True:
        page = alerts(store, "t", where, limit=limit, cursor=cursor)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            assert page.total == len(found)
            return found


@given(limit=st.integers(1, 50))
def test_pages_join_to_the_whole_list(store: Store, limit: int) -> None:
    """For every page size the pages, joined, are the list: each row once, latest start first."""
    whole = everything(store)
    assert everything(store, limit=limit) == whole
    assert [each.alert_id for each in whole] == [
        each.alert_id for each in sorted(whole, key=lambda each: (-each.start_us, each.alert_id))
    ]


@given(
    state=st.sampled_from([None, *STATES]),
    min_severity=st.sampled_from([None, *tables.SEVERITIES]),
    service=st.sampled_from([None, *SERVICES, "nobody"]),
    kind=st.sampled_from([None, *KINDS]),
    since_us=st.sampled_from([None, 0, 5_000_000]),
    until_us=st.sampled_from([None, 5_000_000, 9_000_000]),
    limit=st.sampled_from([1, 7, 500]),
)
def test_filters_agree_with_a_plain_loop(
    store: Store,
    state: str | None,
    min_severity: str | None,
    service: str | None,
    kind: str | None,
    since_us: int | None,
    until_us: int | None,
    limit: int,
) -> None:
    """A filtered list is the whole list with the others left out, whatever the page size."""
    rank = tables.SEVERITIES.index
    kept = [
        each
        for each in everything(store)
        if (state is None or each.state == state)
        and (min_severity is None or rank(each.severity) >= rank(min_severity))
        and (service is None or each.service == service)
        and (kind is None or each.kind == kind)
        and (since_us is None or each.start_us >= since_us)
        and (until_us is None or each.start_us < until_us)
    ]
    where = AlertFilter(state, min_severity, service, kind, since_us=since_us, until_us=until_us)
    assert everything(store, where, limit) == kept


@given(st.text(max_size=40))
def test_a_cursor_of_nobody_is_a_usage_error(text: str) -> None:
    """Whatever is sent as a cursor is either read as one or refused, never anything else."""
    try:
        start_us, key = read_cursor(text)
    except UsageError:
        return
    assert type(start_us) is int
    assert type(key) is str


def test_bad_arguments_say_what_is_right(store: Store) -> None:
    """A limit or severity that cannot be used names what could."""
    with pytest.raises(UsageError, match="1 to 500"):
        alerts(store, "t", limit=0)
    with pytest.raises(UsageError, match="low, medium, high, critical"):
        alerts(store, "t", AlertFilter(min_severity="dreadful"))


def test_an_incident_reads_as_saved(store: Store) -> None:
    """What was saved of an incident comes back, its alerts by id."""
    (found,) = incidents(store, "t").items
    assert (found.incident_id, found.number, found.services) == ("i1", 1, ["api"])
    assert len(found.alert_ids) == 40
    assert found.series is not None
    assert found.series["values"] == [0, 46]
    assert found.evidence[0]["text"] == "lid stuck"


def test_two_processes_may_open_one_store(tmp_path: Path) -> None:
    """A second opening of the file sees what the first one wrote."""
    with open_store(tmp_path / "s.db") as first, open_store(tmp_path / "s.db") as second:
        save_scan(first, "t", make_scan(make_incident(make_alert())))
        assert alerts(second, "t").total == 1
