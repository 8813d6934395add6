"""The errors that a store holds, by template: how often in a span, and lines that tell them.

What the service keeps is counted by the hour; what `scan --store` saved is there with its totals alone. Reads rows and
reads nothing into them: what an error says is `categorizing`'s to find.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, func, select

from fm_anomaly.storage import tables
from fm_anomaly.storage.connection import Store

_T, _C, _S = tables.templates, tables.counts, tables.samples


@dataclass(frozen=True, slots=True)
class StoredError:
    """An error template of a service in a span. `n_recent` of `count` fell into its later half.

    `lines` are raw and redacted, the latest first; `first_us` and `last_us` are to the hour where hours were counted.
    """

    service: str
    template_id: str
    text: str
    lines: tuple[str, ...]
    count: int
    n_recent: int
    first_us: int | None
    last_us: int | None


def last_error_us(store: Store, tenant: str) -> int:
    """Return the time of the latest error that the store knows, 0 where it knows none."""
    query = select(func.max(_T.c.last_us)).where(_T.c.tenant == tenant, _T.c.errors > 0)
    with store.reading() as connection:
        return int(connection.scalar(query) or 0)


def stored_errors(store: Store, tenant: str, since_us: int | None = None, *, n_lines: int = 3) -> list[StoredError]:
    """Return the errors since a time (to the hour; to the day where hours are forgotten), by service and template."""
    with store.reading() as connection:
        query = select(_T).where(_T.c.tenant == tenant, _T.c.errors > 0)
        rows = connection.execute(query.order_by(_T.c.service, _T.c.template_id, _T.c.source_id)).all()
        live = {(row.service, row.template_id): row for row in rows if row.source_id == tables.LIVE}
        standing = _standing(connection, tenant)
        counts = _counts(connection, tenant, since_us, standing)
        found = []
        for key, (count, n_recent, first_us, last_us) in sorted(counts.items()):
            if (row := live.get(key)) is not None:
                lines = _lines(connection, tenant, key, n_lines) or [row.sample]
                found.append(StoredError(*key, row.template, tuple(lines), count, n_recent, first_us, last_us))
    return found + [_of_scan(row) for row in rows if row.source_id != tables.LIVE and _is_since(row, since_us)]


def _of_scan(row: Any) -> StoredError:
    # nothing is known of when within its span, so it is told as steady
    return StoredError(
        row.service,
        row.template_id,
        row.template,
        (row.sample,),
        row.errors,
        row.errors // 2,
        row.first_us,
        row.last_us,
    )


def _is_since(row: Any, since_us: int | None) -> bool:
    return since_us is None or (row.last_us or 0) >= since_us


def _standing(connection: Connection, tenant: str) -> dict[tuple[str, str], str]:
    """Return which template stands for which merged one, by service."""
    query = select(_T.c.service, _T.c.template_id, _T.c.merged_into).where(
        _T.c.tenant == tenant, _T.c.source_id == tables.LIVE, _T.c.merged_into.is_not(None)
    )
    return {(row.service, row.template_id): str(row.merged_into) for row in connection.execute(query)}


_Counted = tuple[int, int, int, int]


def _counts(
    connection: Connection, tenant: str, since_us: int | None, standing: dict[tuple[str, str], str]
) -> dict[tuple[str, str], _Counted]:
    step_s = _finest(connection, tenant, since_us)
    wanted = _wanted(tenant, step_s, since_us, step_s)
    first_us, last_us = connection.execute(
        select(func.min(_C.c.start_us), func.max(_C.c.start_us)).where(*wanted)
    ).one()
    if first_us is None:
        return {}
    is_recent = 2 * _C.c.start_us > first_us + last_us
    recent = case((is_recent, _C.c.errors), else_=0) if last_us > first_us else _C.c.errors / 2
    query = (
        select(
            _C.c.service, _C.c.subject,
            func.sum(_C.c.errors), func.sum(recent), func.min(_C.c.start_us), func.max(_C.c.start_us),
        )
        .where(*wanted)
        .group_by(_C.c.service, _C.c.subject)
        .order_by(_C.c.service, _C.c.subject)
    )  # fmt: skip
    out: dict[tuple[str, str], _Counted] = {}
    for service, subject, *numbers in connection.execute(query):
        key = (service, _followed(standing, service, subject))
        here: _Counted = tuple(int(each) for each in numbers)  # type: ignore[assignment]
        out[key] = _added(out[key], here) if key in out else here
    return out


def _wanted(tenant: str, step_s: int, since_us: int | None, from_s: int) -> list[ColumnElement[bool]]:
    """Return the conditions of error counts of one width, from the span of `from_s` seconds that `since_us` is in."""
    wanted = [_C.c.tenant == tenant, _C.c.step_s == step_s, _C.c.name == "template", _C.c.errors > 0]
    if since_us is not None:
        from_us = from_s * 1_000_000
        wanted.append(_C.c.start_us >= since_us // from_us * from_us)
    return wanted


def _finest(connection: Connection, tenant: str, since_us: int | None) -> int:
    """Return the width of counts to read: hours, or days where hours of the span have been forgotten already."""
    n_by = {
        step_s: connection.scalar(
            select(func.sum(_C.c.errors)).where(*_wanted(tenant, step_s, since_us, tables.DAY_S))
        ) or 0
        for step_s in (tables.HOUR_S, tables.DAY_S)
    }  # fmt: skip
    return tables.HOUR_S if n_by[tables.HOUR_S] >= n_by[tables.DAY_S] else tables.DAY_S


def _followed(standing: dict[tuple[str, str], str], service: str, template_id: str) -> str:
    seen: set[str] = set()
    while (into := standing.get((service, template_id))) is not None and into not in seen:
        seen.add(into)
        template_id = into
    return template_id


def _added(a: _Counted, b: _Counted) -> _Counted:
    return a[0] + b[0], a[1] + b[1], min(a[2], b[2]), max(a[3], b[3])


def _lines(connection: Connection, tenant: str, key: tuple[str, str], n: int) -> Iterable[str]:
    is_of = and_(_S.c.tenant == tenant, _S.c.service == key[0], _S.c.template_id == key[1])
    query = select(_S.c.text).where(is_of).order_by(_S.c.at_us.desc()).limit(n)
    return [str(text) for text in connection.scalars(query)]
