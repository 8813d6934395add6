"""A store as pandas frames, for notebooks: counts, templates, alerts, incidents, samples.

Reads what the service or `scan --store` has written, one tenant at a time, and writes nothing. Times are aware, UTC;
severities are ordered categories; lists and evidence are Python objects in their cells. pandas comes with the extra
``notebooks`` and is imported when a frame is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import ColumnElement, Select, Table, select

from fm_anomaly.errors import StoreError, UsageError
from fm_anomaly.storage import Store, alert, default_path, tables
from fm_anomaly.storage import open_store as open_tables
from fm_anomaly.storage.counts import series_around
from fm_anomaly.storage.timestamps import to_us

if TYPE_CHECKING:
    import pandas as pd

Step = Literal["minute", "hour", "day"]
Series = Literal["records", "requests", "template", "exception", "latency"]
Time = str | datetime
"""ISO 8601 text or a datetime; UTC where it has no zone."""

_STEPS_S = {"minute": tables.MINUTE_S, "hour": tables.HOUR_S, "day": tables.DAY_S}
_SERIES = ("records", "requests", "template", "exception", "latency")
_HIDDEN = frozenset({"tenant", "severity_rank", "number", "series", "as_of_us"})


class StoreFrames:
    """An open store, read as frames. Close it, or use it in a ``with``."""

    def __init__(self, store: Store, tenant: str) -> None:
        self._store = store
        self.tenant = tenant

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def __enter__(self) -> StoreFrames:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"StoreFrames(tenant={self.tenant!r})"

    def counts(
        self,
        step: Step = "minute",
        *,
        name: Series = "records",
        service: str | None = None,
        since: Time | None = None,
        until: Time | None = None,
    ) -> pd.DataFrame:
        """Return how often something came, one row a span that had any, oldest first.

        Columns: `start`, `service`, `name`, `subject` (template id, exception, operation; "" for whole services),
        `count`, `errors`, and for durations `mean_ms` and `median_ms` (of minutes). Templates that were merged are
        counted under the one that stands for them. Minutes are kept for a shorter time than hours, those than days.
        """
        if step not in _STEPS_S or name not in _SERIES:
            raise UsageError(f"step is one of {', '.join(_STEPS_S)} and name one of {', '.join(_SERIES)}")
        table = tables.counts
        where = [table.c.step_s == _STEPS_S[step], table.c.name == name]
        if service is not None:
            where.append(table.c.service == service)
        wanted = ("start_us", "service", "name", "subject", "count", "errors", "total", "median")
        query = self._of(table, [*where, *_span(table, since, until)]).with_only_columns(*(table.c[c] for c in wanted))
        frame = self._frame(query.order_by(table.c.start_us, table.c.service, table.c.subject), wanted)
        if name == "template":
            frame = self._standing(frame)
        frame["mean_ms"] = frame.pop("total") / frame["count"]
        return _timed(frame).rename(columns={"median": "median_ms"})

    def templates(self, *, service: str | None = None, errors_only: bool = False) -> pd.DataFrame:
        """Return the templates of each service, the most frequent first, those that another stands for left out.

        Counts of several scanned sources are added up.
        """
        table = tables.templates
        where: list[ColumnElement[bool]] = [table.c.merged_into.is_(None)]
        if service is not None:
            where.append(table.c.service == service)
        if errors_only:
            where.append(table.c.errors > 0)
        frame = self._frame(self._of(table, where).order_by(table.c.as_of_us), _names(table))
        by = ["service", "template_id"]
        how = dict.fromkeys(frame.columns.difference([*by, "source_id"]), "last")
        how |= {"count": "sum", "errors": "sum", "severity": "max", "first_us": "min", "last_us": "max"}
        grouped = frame.groupby(by, as_index=False, sort=True).agg(how)
        columns = [column for column in frame.columns if column != "source_id"]
        ordered = grouped[columns].sort_values(["count", "template_id"], ascending=[False, True], ignore_index=True)
        return _timed(ordered)

    def alerts(
        self,
        *,
        state: str | None = None,
        service: str | None = None,
        since: Time | None = None,
        until: Time | None = None,
    ) -> pd.DataFrame:
        """Return alerts, the latest start first; `end` is missing while one fires."""
        return self._found(tables.alerts, state, service, since, until)

    def incidents(
        self, *, state: str | None = None, since: Time | None = None, until: Time | None = None
    ) -> pd.DataFrame:
        """Return incidents, the latest start first; those that were merged into another are left out."""
        return self._found(tables.incidents, state, None, since, until)

    def series(self, alert_id: str) -> pd.DataFrame:
        """Return the series that shows an alert, around it: `start`, `value`, and `low` and `high`, usual before.

        Raises UsageError where there is no alert of that id.
        """
        import pandas as pd

        found = alert(self._store, self.tenant, alert_id)
        if found is None:
            raise UsageError(f"no alert {alert_id!r} of tenant {self.tenant!r}; alerts() lists them")
        last_us = found.as_of_us if found.end_us is None else found.end_us
        told = series_around(self._store, self.tenant, found, found.start_us, last_us)
        start_us = [told.start_us + n * told.step_s * 1_000_000 for n in range(len(told.values))]
        frame = pd.DataFrame({"start_us": start_us, "value": told.values, "low": told.low, "high": told.high})
        return _timed(frame.astype({"value": "float", "low": "float", "high": "float"}))

    def samples(self, *, service: str | None = None, template_id: str | None = None) -> pd.DataFrame:
        """Return redacted lines of templates, the newest first; `template_id` may be the beginning of one."""
        table = tables.samples
        where: list[ColumnElement[bool]] = []
        if service is not None:
            where.append(table.c.service == service)
        if template_id is not None:
            where.append(table.c.template_id.startswith(template_id, autoescape=True))
        wanted = ("at_us", "service", "template_id", "ts_us", "source", "line", "text")
        query = self._of(table, where).with_only_columns(*(table.c[c] for c in wanted))
        frame = self._frame(query.order_by(table.c.at_us.desc(), table.c.service, table.c.template_id), wanted)
        return _timed(frame)

    def _found(
        self, table: Table, state: str | None, service: str | None, since: Time | None, until: Time | None
    ) -> pd.DataFrame:
        import pandas as pd

        where = _span(table, since, until)
        if state is not None:
            where.append(table.c.state == state)
        if service is not None:
            where.append(table.c.service == service)
        if "merged_into" in table.c:
            where.append(table.c.merged_into.is_(None))
        names = _names(table)
        query = self._of(table, where).order_by(table.c.start_us.desc(), *table.primary_key.columns)
        frame = _timed(self._frame(query, names))
        frame["severity"] = pd.Categorical(frame["severity"], tables.SEVERITIES, ordered=True)
        return frame.drop(columns="merged_into", errors="ignore")

    def _standing(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return counts of templates under the ids that stand for them, their whole lineage followed."""
        table = tables.templates
        query = self._of(table, [table.c.merged_into.is_not(None)])
        merged = self._frame(query, ("service", "template_id", "merged_into"))
        into = {(row.service, row.template_id): row.merged_into for row in merged.itertuples(index=False)}
        if not into:
            return frame
        keys = zip(frame["service"], frame["subject"], strict=True)
        frame["subject"] = [_end_of(into, service, subject) for service, subject in keys]
        by = ["start_us", "service", "name", "subject"]
        how = {"count": "sum", "errors": "sum", "total": "sum", "median": "first"}
        return frame.groupby(by, as_index=False, sort=True).agg(how)

    def _of(self, table: Table, where: Sequence[ColumnElement[bool]]) -> Select[Any]:
        return select(table).where(table.c.tenant == self.tenant, *where)

    def _frame(self, query: Select[Any], columns: Sequence[str]) -> pd.DataFrame:
        import pandas as pd

        with self._store.reading() as connection:
            rows = [[row[name] for name in columns] for row in connection.execute(query).mappings()]
        return pd.DataFrame(rows, columns=list(columns))


def open_store(path_or_url: str | Path, tenant: str = "default") -> StoreFrames:
    """Open a store for reading it as pandas frames.

    Parameters
    ----------
    path_or_url
        The folder of ``serve --data`` or ``scan --store``, the file in it, or a ``postgresql://…`` or ``sqlite:///…``
        URL.
    tenant
        Whose part of it.

    Raises
    ------
    StoreError
        There is no store, or it cannot be read.
    UsageError
        pandas is not installed.

    Examples
    --------
    >>> import fm_anomaly
    >>> fm_anomaly.open_store("no/such/folder")
    Traceback (most recent call last):
        ...
    fm_anomaly.errors.StoreError: there is no store at no/such/folder
    """
    try:
        import pandas  # noqa: F401 - only whether it is there
    except ModuleNotFoundError as exc:
        raise UsageError("frames need the package 'pandas': pip install '.[notebooks]'") from exc
    if "://" in str(path_or_url):
        return StoreFrames(open_tables(str(path_or_url)), tenant)
    path = Path(path_or_url)
    file = default_path(path) if path.is_dir() else path
    if not file.is_file():
        raise StoreError(f"there is no store at {path_or_url}")
    return StoreFrames(open_tables(file), tenant)


def _names(table: Table) -> list[str]:
    return [column.name for column in table.columns if column.name not in _HIDDEN]


def _span(table: Table, since: Time | None, until: Time | None) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    if since is not None:
        where.append(table.c.start_us >= _us(since))
    if until is not None:
        where.append(table.c.start_us < _us(until))
    return where


def _us(time: Time) -> int:
    if isinstance(time, datetime):
        time = (time if time.tzinfo is not None else time.replace(tzinfo=UTC)).isoformat()
    try:
        return to_us(time)
    except ValueError as exc:
        raise UsageError(f"{time!r} is no time: write 2026-03-02T12:30:00Z, or give a datetime") from exc


def _timed(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with each `x_us` as `x`: a time with its zone, missing where there is none."""
    import pandas as pd

    for name in [column for column in frame.columns if column.endswith("_us")]:
        times = pd.to_datetime(frame[name].astype("Int64"), unit="us", utc=True)
        frame[name] = times.astype("datetime64[us, UTC]")
    return frame.rename(columns={name: name.removesuffix("_us") for name in frame.columns if name.endswith("_us")})


def _end_of(into: dict[tuple[str, str], str], service: str, template_id: str) -> str:
    for _ in range(len(into) + 1):
        following = into.get((service, template_id))
        if following is None:
            break
        template_id = following
    return template_id
