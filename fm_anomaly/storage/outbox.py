"""The outbox: what receivers must be told, kept until it has been, in the transaction that made it true.

`enqueue` is called by whoever writes alerts; `Outbox` is what a sender works through. It keeps rows and their states
and must not know receivers' protocols, HTTP or the clock: times of sending are given.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, delete, func, insert, or_, select, update

from fm_anomaly.core.notices import Notice, NoticeRow, Novelty, as_it_stands
from fm_anomaly.core.outbox_rows import OutboxRow, Outcome, State
from fm_anomaly.errors import UsageError
from fm_anomaly.storage import tables
from fm_anomaly.storage.connection import Store
from fm_anomaly.storage.rows import lines_of

__all__ = ["Outbox", "OutboxCounts", "OutboxRow", "Outcome", "State", "enqueue"]

_TABLE = tables.outbox
_IDS_A_QUERY = 500


_TAKEN = {State.PENDING: State.SENDING, State.HELD: State.RESENDING}
_GIVEN_BACK = {taken: state for state, taken in _TAKEN.items()}
_DONE = (State.SENT, State.MERGED, State.HELD, State.RESENDING)


@dataclass(frozen=True, slots=True)
class OutboxCounts:
    """How the outbox stands for one receiver; "" is what nobody has been chosen for yet."""

    receiver: str
    pending: int
    held: int
    dead: int
    oldest_us: int | None
    """Event time of the oldest change that waits."""


def enqueue(connection: Connection, rows: Sequence[NoticeRow]) -> int:
    """Add what receivers may hear of, inside the caller's transaction; return how many are new.

    A row that is there already, in whatever state, stays as it is: so a replay tells nothing twice. An alert whose
    like has been there before, by its fingerprint, is told as back and not as new.
    """
    by_key = {(row.notice.tenant, row.id): row for row in rows}
    for tenant in sorted({tenant for tenant, _ in by_key}):
        ids = [key[1] for key in by_key if key[0] == tenant]
        for some in _some(ids):
            query = select(_TABLE.c.id).where(_TABLE.c.tenant == tenant, _TABLE.c.id.in_(some))
            for known in connection.scalars(query):
                del by_key[tenant, known]
    if by_key:
        back = _seen_before(connection, [row.notice for row in by_key.values()])
        connection.execute(insert(_TABLE), [_new(row, is_back=row.notice.alert_id in back) for row in by_key.values()])
    return len(by_key)


class Outbox:
    """The outbox of a store; safe to share between threads and processes."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def release(self) -> None:
        """Make what a sender had taken, and that has ended meanwhile, pending again. For the start of a service."""
        with self._store.writing() as connection:
            for taken, state in _GIVEN_BACK.items():
                connection.execute(update(_TABLE).where(_TABLE.c.state == taken).values(state=state, next_us=0))

    def route(self, receivers: Callable[[Notice], Sequence[str]], now_us: int, limit: int = 500) -> int:
        """Copy rows without a receiver to those that want them; return how many rows were looked at."""
        where = and_(_TABLE.c.state == State.PENDING, _TABLE.c.receiver == "")
        if not self._has(where):
            return 0
        with self._store.writing() as connection:
            query = select(_TABLE).where(where).order_by(_TABLE.c.created_us, _TABLE.c.id).limit(limit)
            rows = [_row(each) for each in connection.execute(query.with_for_update())]
            copies: list[dict[str, Any]] = []
            for row in rows:
                try:
                    names = receivers(row.notice)
                except ValueError as exc:
                    _set(connection, [Outcome(row.tenant, row.id, State.DEAD, 0, now_us, str(exc))])
                    continue
                copies += [_copy(row, name) for name in names]
                _set(connection, [Outcome(row.tenant, row.id, State.ROUTED, 0, now_us)])
            if copies:
                connection.execute(insert(_TABLE), copies)
        return len(rows)

    def claim(self, tenant: str, receiver: str, now_us: int, lease_us: int, limit: int = 500) -> tuple[OutboxRow, ...]:
        """Take what is due for a receiver: every unfinished change of at most `limit` alerts, in their order.

        All changes of an alert come together, so that what is over meanwhile can be told as one. Nothing is taken
        while another sender works for the same receiver; what is taken and not finished is due again after the lease.
        """
        of = and_(_TABLE.c.tenant == tenant, _TABLE.c.receiver == receiver)
        is_due = and_(of, _TABLE.c.next_us <= now_us, _TABLE.c.state.in_([*_TAKEN, *_TAKEN.values()]))
        if not self._has(is_due):
            return ()
        with self._store.writing() as connection:
            _lock(connection, f"{tenant}\x1f{receiver}")
            taken = _TABLE.c.state.in_(list(_TAKEN.values()))
            if connection.scalar(select(func.count()).where(of, taken, _TABLE.c.next_us > now_us)):
                return ()
            first = func.min(_TABLE.c.created_us)
            due = select(_TABLE.c.alert_id).where(is_due).group_by(_TABLE.c.alert_id).order_by(first).limit(limit)
            alerts = list(connection.scalars(due))
            rows = []
            for some in _some(alerts):
                query = select(_TABLE).where(
                    of, _TABLE.c.alert_id.in_(some), _TABLE.c.state.in_([*_TAKEN, *_GIVEN_BACK])
                )
                rows += [_row(each) for each in connection.execute(query)]
            until_us = now_us + lease_us
            _set(
                connection, [Outcome(r.tenant, r.id, _taken(r.state), r.attempts, until_us, r.last_error) for r in rows]
            )
        return tuple(sorted(rows, key=lambda row: row.order))

    def told(self, tenant: str, receiver: str, alert_ids: Sequence[str]) -> dict[str, OutboxRow]:
        """Return for each alert the last change that the receiver knows of, sent or merged into another."""
        found: dict[str, OutboxRow] = {}
        with self._store.reading() as connection:
            for some in _some(sorted(set(alert_ids))):
                query = select(_TABLE).where(
                    _TABLE.c.tenant == tenant,
                    _TABLE.c.receiver == receiver,
                    _TABLE.c.alert_id.in_(some),
                    _TABLE.c.state.in_(_DONE),
                )
                for row in sorted(map(_row, connection.execute(query)), key=lambda row: row.order):
                    found[row.alert_id] = row
        return found

    def as_they_stand(self, found: Sequence[Notice]) -> dict[str, Notice]:
        """Return, by alert, these notices with title, reason and lines as the alerts' rows have them by now."""
        table = tables.alerts
        by_id = {notice.alert_id: notice for notice in found}
        now: dict[str, Notice] = {}
        with self._store.reading() as connection:
            for some in _some(sorted(by_id)):
                query = select(table.c.tenant, table.c.alert_id, table.c.title, table.c.reason, table.c.evidence)
                for row in connection.execute(query.where(table.c.alert_id.in_(some))):
                    notice = by_id[row.alert_id]
                    if notice.tenant == row.tenant:
                        now[row.alert_id] = as_it_stands(notice, row.title, row.reason, lines_of(row.evidence))
        return now

    def finish(self, outcomes: Sequence[Outcome]) -> None:
        """Write what became of rows that were taken."""
        if outcomes:
            with self._store.writing() as connection:
                _set(connection, outcomes)

    def dead(self, tenant: str, receiver: str | None = None, limit: int = 100) -> tuple[OutboxRow, ...]:
        """Return what was given up, newest first."""
        query = select(_TABLE).where(_TABLE.c.tenant == tenant, _TABLE.c.state == State.DEAD)
        if receiver is not None:
            query = query.where(_TABLE.c.receiver == receiver)
        query = query.order_by(_TABLE.c.created_us.desc(), _TABLE.c.id).limit(limit)
        with self._store.reading() as connection:
            return tuple(_row(each) for each in connection.execute(query))

    def resend(self, tenant: str, row_id: str) -> int:
        """Make a dead row pending again, with later changes of its alert that were merged; return how many rows.

        So an alert that is over by now is told as over, not as firing. Raises UsageError where no dead row has this id.
        """
        with self._store.writing() as connection:
            of = and_(_TABLE.c.tenant == tenant, _TABLE.c.state == State.DEAD)
            found = connection.execute(select(_TABLE).where(of, _TABLE.c.id == row_id)).one_or_none()
            if found is None:
                raise UsageError(f"no dead letter has the id {row_id!r}; `fm-anomaly notify dead` lists them")
            row = _row(found)
            same = and_(_TABLE.c.tenant == tenant, _TABLE.c.receiver == row.receiver, _TABLE.c.alert_id == row.alert_id)
            later = and_(_TABLE.c.state == State.MERGED, _TABLE.c.created_us >= row.created_us)
            again = update(_TABLE).where(same, or_(_TABLE.c.id == row_id, later))
            return connection.execute(again.values(state=State.PENDING, attempts=0, next_us=0)).rowcount

    def abandon(self, receivers: Sequence[str], now_us: int) -> None:
        """Give up what waits for receivers other than these: they have left the configuration."""
        gone = and_(_TABLE.c.receiver != "", _TABLE.c.receiver.not_in(list(receivers)))
        why = "this receiver is not configured any more"
        waiting = _TABLE.c.state.in_([State.PENDING, State.SENDING])
        held = _TABLE.c.state.in_([State.HELD, State.RESENDING])
        if not self._has(and_(gone, or_(waiting, held))):
            return
        with self._store.writing() as connection:
            connection.execute(
                update(_TABLE).where(gone, waiting).values(state=State.DEAD, next_us=now_us, last_error=why)
            )
            connection.execute(update(_TABLE).where(gone, held).values(state=State.SENT, next_us=now_us))

    def purge(self, done_before_us: int, dead_before_us: int) -> int:
        """Delete what was done with, and what was given up, before these times of the sender's clock."""
        done = _TABLE.c.state.in_([State.SENT, State.MERGED, State.ROUTED])
        old = or_(
            and_(done, _TABLE.c.next_us < done_before_us),
            and_(_TABLE.c.state == State.DEAD, _TABLE.c.next_us < dead_before_us),
        )
        if not self._has(old):
            return 0
        with self._store.writing() as connection:
            return connection.execute(delete(_TABLE).where(old)).rowcount

    def counts(self) -> tuple[OutboxCounts, ...]:
        """Return how the outbox stands, by receiver, over all tenants."""
        waiting = {State.PENDING, State.SENDING}
        held = {State.HELD, State.RESENDING}
        alive = [*waiting, *held, State.DEAD]
        query = (
            select(_TABLE.c.receiver, _TABLE.c.state, func.count(), func.min(_TABLE.c.created_us))
            .where(_TABLE.c.state.in_(alive))
            .group_by(_TABLE.c.receiver, _TABLE.c.state)
        )
        with self._store.reading() as connection:
            rows = [tuple(row) for row in connection.execute(query)]
        return tuple(
            OutboxCounts(
                receiver=name,
                pending=sum(n for of, state, n, _ in rows if of == name and state in waiting),
                held=sum(n for of, state, n, _ in rows if of == name and state in held),
                dead=sum(n for of, state, n, _ in rows if of == name and state == State.DEAD),
                oldest_us=min((us for of, state, _, us in rows if of == name and state in waiting), default=None),
            )
            for name in sorted({row[0] for row in rows})
        )

    def _has(self, where: ColumnElement[bool]) -> bool:
        # looking first keeps an idle sender from taking the write lock every second
        with self._store.reading() as connection:
            return connection.scalar(select(_TABLE.c.id).where(where).limit(1)) is not None


def _seen_before(connection: Connection, fresh: Sequence[Notice]) -> set[str]:
    """Return the ids of those new alerts whose fingerprint an earlier alert of the tenant has."""
    table = tables.alerts
    found: set[str] = set()
    for notice in fresh:
        if notice.novelty is not Novelty.NEW:
            continue
        earlier = select(table.c.alert_id).where(
            table.c.tenant == notice.tenant,
            table.c.service == notice.service,
            table.c.fingerprint == notice.fingerprint,
            table.c.start_us < notice.start_us,
        )
        if connection.scalar(earlier.limit(1)) is not None:
            found.add(notice.alert_id)
    return found


def _new(row: NoticeRow, *, is_back: bool) -> dict[str, Any]:
    payload = dict(row.payload) | ({"novelty": Novelty.REGRESSED.value} if is_back else {})
    return {
        "tenant": row.notice.tenant,
        "id": row.id,
        "receiver": "",
        "alert_id": row.notice.alert_id,
        "action": row.notice.action.value,
        "payload": payload,
        "created_us": row.notice.at_us,
        "state": State.PENDING.value,
        "attempts": 0,
        "next_us": 0,
        "last_error": "",
    }


def _copy(row: OutboxRow, receiver: str) -> dict[str, Any]:
    plain = {f.name: getattr(row, f.name) for f in fields(OutboxRow)}
    return plain | {"id": f"{row.id}.{receiver}", "receiver": receiver, "state": State.PENDING.value, "next_us": 0}


def _row(row: Row[Any]) -> OutboxRow:
    columns = row._mapping
    return OutboxRow(**{f.name: columns[f.name] for f in fields(OutboxRow)})


def _taken(state: str) -> State:
    return _TAKEN.get(State(state), State(state))


def _set(connection: Connection, outcomes: Sequence[Outcome]) -> None:
    if not outcomes:
        return
    change = (
        update(_TABLE)
        .where(_TABLE.c.tenant == bindparam("of_tenant"), _TABLE.c.id == bindparam("of_id"))
        .values({name: bindparam(f"new_{name}") for name in ("state", "attempts", "next_us", "last_error")})
    )
    connection.execute(
        change,
        [
            {
                "of_tenant": each.tenant,
                "of_id": each.id,
                "new_state": each.state.value,
                "new_attempts": each.attempts,
                "new_next_us": each.next_us,
                "new_last_error": each.last_error,
            }
            for each in outcomes
        ],
    )


def _lock(connection: Connection, name: str) -> None:
    """Keep other transactions of this name out; SQLite's write lock does that already."""
    if connection.dialect.name == "postgresql":
        number = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), signed=True)
        connection.execute(select(func.pg_advisory_xact_lock(number)))


def _some(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    # a query takes a bounded number of parameters
    for at in range(0, len(ids), _IDS_A_QUERY):
        yield ids[at : at + _IDS_A_QUERY]
