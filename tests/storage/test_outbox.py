"""Laws of the outbox: nothing is lost, nothing is added twice, one sender at a time, people can send again."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select

from fm_anomaly.core.alert_values import AlertSeverity
from fm_anomaly.errors import UsageError
from fm_anomaly.storage import Store, tables
from fm_anomaly.storage.outbox import Outbox, Outcome, State, enqueue
from fm_anomaly.storage.rows import alert_row
from tests.notice_objects import MINUTE_US, START_US, fired, make_alert, resolved, rows, worse

NOW_US = START_US + 10 * MINUTE_US
LEASE_US = MINUTE_US
A, B = make_alert("a"), make_alert("b", start_us=START_US + MINUTE_US)


def add(store: Store, *events: object) -> int:
    with store.writing() as connection:
        return enqueue(connection, rows(*events))  # type: ignore[arg-type]


def states(store: Store) -> dict[str, str]:
    with store.reading() as connection:
        return {row.id: row.state for row in connection.execute(select(tables.outbox))}


def routed(store: Store, *events: object) -> Outbox:
    add(store, *events)
    outbox = Outbox(store)
    outbox.route(lambda notice: ["pager"], NOW_US)
    return outbox


def test_writing_again_adds_nothing_and_changes_nothing(store: Store) -> None:
    """A replayed step finds its rows, wherever they stand by now, and leaves them."""
    events = (fired(A), fired(B), resolved(A, START_US + 5 * MINUTE_US))
    assert add(store, *events) == 3
    Outbox(store).route(lambda notice: ["pager"], NOW_US)
    before = states(store)
    assert add(store, *events) == 0
    Outbox(store).route(lambda notice: ["pager"], NOW_US)
    assert states(store) == before
    assert sorted(before.values()) == ["pending"] * 3 + ["routed"] * 3


def test_each_receiver_gets_its_own_copy(store: Store) -> None:
    """Two receivers, two rows; a change that nobody wants is done with."""
    add(store, fired(A), fired(B))
    Outbox(store).route(lambda notice: ["pager", "chat"] if notice.alert_id == A.alert_id else [], NOW_US)
    assert sorted(states(store).values()) == ["pending", "pending", "routed", "routed"]
    assert [row.alert_id for row in Outbox(store).claim("default", "chat", NOW_US, LEASE_US)] == [A.alert_id]


def test_a_claim_is_exclusive_until_its_lease_ends(store: Store) -> None:
    """A second sender gets nothing, not even of what came in between; after the lease all of it."""
    outbox = routed(store, fired(A))
    assert len(outbox.claim("default", "pager", NOW_US, LEASE_US)) == 1
    routed(store, fired(B))
    assert outbox.claim("default", "pager", NOW_US, LEASE_US) == ()
    again = outbox.claim("default", "pager", NOW_US + LEASE_US, LEASE_US)
    assert [row.alert_id for row in again] == [A.alert_id, B.alert_id]


def test_changes_of_one_alert_come_together_and_in_order(store: Store) -> None:
    """A change that waits for its retry comes along when a later one of its alert is due."""
    outbox = routed(store, fired(A))
    (first,) = outbox.claim("default", "pager", NOW_US, LEASE_US)
    later_us = NOW_US + 60 * MINUTE_US
    outbox.finish([Outcome(first.tenant, first.id, State.PENDING, 1, later_us, "refused")])
    assert outbox.claim("default", "pager", NOW_US, LEASE_US) == ()
    routed(store, resolved(A, START_US + 9 * MINUTE_US), worse(A, AlertSeverity.CRITICAL, START_US + 3 * MINUTE_US))
    assert [row.action for row in outbox.claim("default", "pager", NOW_US, LEASE_US)] == ["fire", "update", "resolve"]


def test_another_tenants_rows_are_not_claimed(store: Store) -> None:
    """Same receiver's name, another tenant: nothing."""
    outbox = routed(store, fired(A))
    assert outbox.claim("other", "pager", NOW_US, LEASE_US) == ()
    assert outbox.dead("other") == ()


def test_told_is_the_last_change_that_was_sent(store: Store) -> None:
    """Held, sent and merged changes count, pending and dead ones do not."""
    outbox = routed(store, fired(A), worse(A, AlertSeverity.CRITICAL, START_US + 3 * MINUTE_US), fired(B))
    claimed = outbox.claim("default", "pager", NOW_US, LEASE_US)
    by_key = {(row.alert_id, row.action): row for row in claimed}
    outbox.finish(
        [
            Outcome("default", by_key[A.alert_id, "fire"].id, State.HELD, 0, NOW_US),
            Outcome("default", by_key[A.alert_id, "update"].id, State.DEAD, 1, NOW_US, "no"),
            Outcome("default", by_key[B.alert_id, "fire"].id, State.DEAD, 1, NOW_US, "no"),
        ]
    )
    told = outbox.told("default", "pager", [A.alert_id, B.alert_id])
    assert {key: row.action for key, row in told.items()} == {A.alert_id: "fire"}


def test_a_dead_letter_is_sent_again_with_what_came_after_it(store: Store) -> None:
    """Resend brings back the later, merged end of the alert too; an unknown id is one sentence."""
    outbox = routed(store, fired(A))
    (row,) = outbox.claim("default", "pager", NOW_US, LEASE_US)
    outbox.finish([Outcome(row.tenant, row.id, State.DEAD, 3, NOW_US, "HTTP 400")])
    routed(store, resolved(A, START_US + 9 * MINUTE_US))
    (end,) = outbox.claim("default", "pager", NOW_US, LEASE_US)
    outbox.finish([Outcome(end.tenant, end.id, State.MERGED, 0, NOW_US)])
    assert [dead.last_error for dead in outbox.dead("default")] == ["HTTP 400"]
    assert outbox.resend("default", row.id) == 2
    assert [each.action for each in outbox.claim("default", "pager", NOW_US, LEASE_US)] == ["fire", "resolve"]
    with pytest.raises(UsageError, match="notify dead"):
        outbox.resend("default", row.id)


def test_what_was_taken_by_a_sender_that_died_is_released(store: Store) -> None:
    """After a restart nothing waits for the lease of a process that is gone."""
    outbox = routed(store, fired(A))
    outbox.claim("default", "pager", NOW_US, LEASE_US)
    outbox.release()
    assert len(outbox.claim("default", "pager", NOW_US, LEASE_US)) == 1


def test_a_receiver_that_is_gone_leaves_dead_letters(store: Store) -> None:
    """What waited for it can be looked at; what it held is done with."""
    outbox = routed(store, fired(A), fired(B))
    claimed = outbox.claim("default", "pager", NOW_US, LEASE_US)
    outbox.finish([Outcome(row.tenant, row.id, State.PENDING, 0, 0) for row in claimed[:1]])
    outbox.finish([Outcome(row.tenant, row.id, State.HELD, 0, NOW_US) for row in claimed[1:]])
    outbox.abandon(["chat"], NOW_US)
    assert sorted(states(store).values()) == ["dead", "routed", "routed", "sent"]
    (counted,) = outbox.counts()
    assert (counted.receiver, counted.pending, counted.held, counted.dead) == ("pager", 0, 0, 1)


def test_purge_takes_what_is_done_with_and_old(store: Store) -> None:
    """Held and pending rows stay whatever their age; dead ones have a time of their own."""
    outbox = routed(store, fired(A), fired(B))
    first, second = outbox.claim("default", "pager", NOW_US, LEASE_US)
    outbox.finish([Outcome(first.tenant, first.id, State.DEAD, 0, NOW_US, "no")])
    outbox.finish([Outcome(second.tenant, second.id, State.HELD, 0, NOW_US)])
    assert outbox.purge(NOW_US + 1, NOW_US) == 2
    assert sorted(states(store).values()) == ["dead", "held"]
    assert outbox.purge(NOW_US + 1, NOW_US + 1) == 1
    assert list(states(store).values()) == ["held"]


def test_an_alert_whose_like_has_been_there_is_back(store: Store) -> None:
    """By fingerprint and tenant: the same thing again is told as regressed, another thing as new."""
    before = make_alert("a", start_us=START_US - 60 * MINUTE_US)
    with store.writing() as connection:
        connection.execute(insert(tables.alerts), [alert_row(before), alert_row(A), alert_row(B)])
    add(store, fired(A), fired(B))
    with store.reading() as connection:
        told = {row.alert_id: row.payload["novelty"] for row in connection.execute(select(tables.outbox))}
    assert told == {A.alert_id: "regressed", B.alert_id: "new"}
