"""Pages of a list: newest first, and a cursor that names the row after which the next page begins.

So rows that arrive meanwhile shift nothing. Knows nothing of what the rows mean.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, FromClause, Row, and_, func, or_, select

from fm_anomaly.errors import UsageError
from fm_anomaly.storage.connection import Store
from fm_anomaly.storage.writing import plain_text

MAX_LIMIT = 500
"""Most rows in one page."""

_TOTAL = "total_of_page"
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Span:
    """Which rows of a list over time are wanted; None is no condition. Half-open, in µs."""

    service: str | None = None
    since_us: int | None = None
    until_us: int | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[_Value]):
    """Some rows of a list; `total` counts the whole list, `next_cursor` is None on the last page."""

    items: tuple[_Value, ...]
    total: int
    next_cursor: str | None


ALWAYS = Span()


def page(
    store: Store,
    table: FromClause,
    key: str,
    kind: type[_Value],
    wanted: Sequence[ColumnElement[bool]],
    limit: int,
    cursor: str | None,
    *,
    by: str = "start_us",
    is_derived: bool = False,
) -> Page[_Value]:
    """Return a page of `table`, the largest `by` first and `key` upwards among equals.

    `is_derived`: `table` is a query that costs the same however few rows are asked of it, and less the fewer columns:
    those of `kind` alone are asked for, and the first page counts along. Raises UsageError on a limit that is out of
    range or a cursor that no page gave.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise UsageError(f"limit {limit} is not in 1 to {MAX_LIMIT}")
    counts_along = is_derived and cursor is None
    columns = [table.c[name] for name in _columns(table, kind, key, by, is_derived=is_derived)]
    total_along = [func.count().over().label(_TOTAL)] if counts_along else []
    query = select(*columns, *total_along).where(*wanted)
    if cursor is not None:
        at, last = read_cursor(cursor)
        query = query.where(or_(table.c[by] < at, and_(table.c[by] == at, table.c[key] > last)))
    query = query.order_by(table.c[by].desc(), table.c[key]).limit(limit + 1)
    with store.reading() as connection:
        rows = connection.execute(query).all()
        if counts_along:
            total = rows[0]._mapping[_TOTAL] if rows else 0
        else:
            total = connection.scalar(select(func.count()).select_from(table).where(*wanted)) or 0
    more = len(rows) > limit
    rows = rows[:limit]
    following = cursor_of(rows[-1]._mapping[by], rows[-1]._mapping[key]) if more else None
    return Page(tuple(value_of(kind, row) for row in rows), total, following)


def in_span(table: FromClause, span: Span, *, by: str = "start_us") -> list[ColumnElement[bool]]:
    """Return the conditions of a span over the column `by`."""
    wanted: list[ColumnElement[bool]] = []
    if span.service is not None:
        wanted.append(table.c.service == span.service)
    if span.since_us is not None:
        wanted.append(table.c[by] >= span.since_us)
    if span.until_us is not None:
        wanted.append(table.c[by] < span.until_us)
    return wanted


def _columns(table: FromClause, kind: type[Any], key: str, by: str, *, is_derived: bool) -> list[str]:
    return list(dict.fromkeys([*(each.name for each in fields(kind)), key, by])) if is_derived else table.c.keys()


def value_of(kind: type[_Value], row: Row[Any]) -> _Value:
    """Return the row as a dataclass whose fields are columns."""
    columns = row._mapping
    return kind(**{each.name: columns[each.name] for each in fields(kind)})  # type: ignore[arg-type]


def cursor_of(at: int, key: str) -> str:
    """Return the cursor behind the row of that order and key."""
    return base64.urlsafe_b64encode(json.dumps([at, key]).encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> tuple[int, str]:
    """Return order and key of a cursor. Raises UsageError where it is none."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        at, key = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, TypeError) as exc:
        raise UsageError("cursor cannot be read: give next_cursor of the page before, unchanged") from exc
    if type(at) is not int or type(key) is not str or abs(at) >= 2**63:
        raise UsageError("cursor cannot be read: give next_cursor of the page before, unchanged")
    return at, plain_text(key)
