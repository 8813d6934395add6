"""What every writer of the store needs: rows upserted on both databases, and texts that any database takes.

Knows nothing of what the rows mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

Row = dict[str, Any]
_IDS_A_QUERY = 500


def upsert(
    connection: Connection,
    table: Table,
    rows: Sequence[Row],
    *,
    sets: Sequence[str] | Callable[[Any], Mapping[str, Any]] | None = None,
    where: Callable[[Any], ColumnElement[bool]] | None = None,
) -> None:
    """Insert `rows`, all with the same columns; where the primary key is there, update.

    Parameters
    ----------
    sets
        The columns to overwrite, or a function of the row that could not be inserted to new values; by default
        all that `rows` have but the key. No columns: what is there stays.
    where
        A condition, given the row that could not be inserted, under which the update is made.
    """
    if not rows:
        return
    insert: Any = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    statement = insert(table)
    key = [column.name for column in table.primary_key]
    if sets is None:
        sets = [name for name in rows[0] if name not in key]
    values = sets(statement.excluded) if callable(sets) else {name: statement.excluded[name] for name in sets}
    if values:
        condition = where(statement.excluded) if where is not None else None
        statement = statement.on_conflict_do_update(index_elements=key, set_=values, where=condition)
    else:
        statement = statement.on_conflict_do_nothing(index_elements=key)
    # one order for all writers, so that two of them cannot wait for each other
    connection.execute(statement, sorted(rows, key=lambda row: [row[name] for name in key]))


def some(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield `ids` in parts that fit into one query."""
    for at in range(0, len(ids), _IDS_A_QUERY):
        yield ids[at : at + _IDS_A_QUERY]


def plain_text(value: object) -> str:
    """Return `value` as text that any database takes: without NUL and lone surrogates; "" for None."""
    text = "" if value is None else str(value)
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def clean(value: Any) -> Any:
    """Return JSON-like `value` with every text in it made `plain_text`."""
    if isinstance(value, str):
        return plain_text(value)
    if isinstance(value, Mapping):
        return {plain_text(name): clean(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [clean(each) for each in value]
    return value
