"""Gathers the distinct errors of record frames: millions of error records become as many rows as there are wordings.

Columns first: digits and hex runs are folded and equal rows counted before Python sees them; then what differs only in
values is one. Counts are kept by the hour, so that a span and a trend can be asked for at the end. Knows frames, not
files.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from fm_anomaly.core.category_values import DistinctError
from fm_anomaly.core.error_groups import GroupsParams, event_key, group_ids
from fm_anomaly.core.error_texts import MAX_MESSAGE, ErrorText, own_name, place
from fm_anomaly.core.frames import US_PER_S, Severity
from fm_anomaly.core.normalizing import fold_digits, normalize

HOUR_US = 3600 * US_PER_S
_KEYS = ("exc_type", "exc_frame", "shape")
_MAX_SERVICES = 20


@dataclass(frozen=True, slots=True)
class CollectionParams:
    """Least severity of an error; wordings kept apart, further ones being counted; rows between tidyings."""

    min_severity: int = Severity.ERROR
    max_wordings: int = 400_000
    max_slots: int = 4_000_000
    groups: GroupsParams = field(default_factory=GroupsParams)


@dataclass(slots=True)
class _Wording:
    text: str
    said: ErrorText
    shape: str
    first_us: int
    last_us: int
    services: set[str]


class ErrorCollector:
    """Takes frames in order (`observe`), gives the distinct errors of a span (`errors`)."""

    def __init__(self, params: CollectionParams | None = None) -> None:
        self.params = params or CollectionParams()
        self.n_errors = 0
        self.n_beyond = 0
        self._place: dict[tuple[str, str, str], int] = {}
        self._wordings: list[_Wording] = []
        self._slots: list[pl.DataFrame] = []
        self._n_slots = 0

    def observe(self, frame: pl.DataFrame) -> None:
        """Count the errors of a record frame with a service and a time in every row. Cost: about 2 µs an error."""
        told = (pl.col("severity") >= self.params.min_severity) | pl.col("exc_type").is_not_null()
        errors = frame.filter(told)
        if not errors.height:
            return
        self.n_errors += errors.height
        body = errors["body"].fill_null("")
        rows = (
            errors.select(
                pl.col("exc_type", "exc_frame", "exc_message", "service").fill_null(""),
                "ts_us",
                pl.Series("body", body),
                pl.Series("shape", fold_digits(body, hex_first=True), dtype=pl.String),
            )
            .with_columns((pl.col("ts_us") // HOUR_US).cast(pl.Int32).alias("hour"))
            .group_by(*_KEYS, "service", "hour", maintain_order=True)
            .agg(
                pl.len().alias("n"),
                pl.col("ts_us").min().alias("first_us"),
                pl.col("ts_us").max().alias("last_us"),
                pl.col("body", "exc_message").first(),
            )
        )
        self._add(rows)

    def _add(self, rows: pl.DataFrame) -> None:
        at = [self._wording(*row) for row in rows.select(
            *_KEYS, "service", "first_us", "last_us", "body", "exc_message").iter_rows()]  # fmt: skip
        slots = pl.DataFrame({"at": pl.Series(at, dtype=pl.Int32), "hour": rows["hour"], "n": rows["n"].cast(pl.Int64)})
        beyond = slots.filter(pl.col("at") < 0)
        self.n_beyond += int(beyond["n"].sum())
        self._slots.append(slots.filter(pl.col("at") >= 0))
        self._n_slots += slots.height
        if self._n_slots > self.params.max_slots:
            self._slots = [self._counted()]
            # where tidying frees little, the next one comes later
            self._n_slots = self._slots[0].height // 2

    def _counted(self) -> pl.DataFrame:
        if not self._slots:
            return pl.DataFrame(schema={"at": pl.Int32, "hour": pl.Int32, "n": pl.Int64})
        return pl.concat(self._slots).group_by("at", "hour").agg(pl.col("n").sum()).sort("at", "hour")

    def _wording(
        self, exc_type: str, exc_frame: str, shape: str, service: str, first_us: int, last_us: int, body: str, why: str
    ) -> int:
        where = place(exc_frame)
        key = (exc_type, where, shape)
        at = self._place.get(key)
        if at is None:
            if len(self._wordings) >= self.params.max_wordings:
                return -1
            at = self._place[key] = len(self._wordings)
            said, text = said_of(body, exc_type, why, where)
            self._wordings.append(_Wording(text, said, shape, first_us, last_us, {service}))
            return at
        known = self._wordings[at]
        known.first_us, known.last_us = min(known.first_us, first_us), max(known.last_us, last_us)
        if len(known.services) < _MAX_SERVICES:
            known.services.add(service)
        return at

    def last_us(self) -> int:
        """Return the time of the latest error, 0 where there is none."""
        return max((each.last_us for each in self._wordings), default=0)

    def errors(self, since_us: int | None = None) -> list[DistinctError]:
        """Return the distinct errors since a time (to the hour), most counted first. Cost: some 50 µs a wording."""
        counted = self._counted()
        if since_us is not None:
            counted = counted.filter(pl.col("hour") >= since_us // HOUR_US)
        if not counted.height:
            return []
        first, last = int(counted["hour"].min()), int(counted["hour"].max())  # type: ignore[arg-type]
        half = (pl.col("n") - pl.col("n") // 2).sum()
        recent = pl.col("n").filter(pl.col("hour") * 2 > first + last).sum() if last > first else half
        table = counted.group_by("at").agg(pl.col("n").sum(), recent.alias("recent")).sort("at")
        return self._distinct(table, since_us or 0)

    def _distinct(self, table: pl.DataFrame, since_us: int) -> list[DistinctError]:
        """Put together wordings that differ in values only; their group is that of the first."""
        same: dict[tuple[str, tuple[str, ...]], list[int]] = {}
        for row, at in enumerate(table["at"].to_list()):
            wording = self._wordings[at]
            same.setdefault((event_key(wording.said), normalize(wording.shape).key), []).append(row)
        places, counts = table["at"].to_numpy(), table["n"].to_numpy()
        recents = table["recent"].to_numpy()
        firsts = [self._wordings[int(places[rows[0]])] for rows in same.values()]
        groups = group_ids([each.said for each in firsts], self.params.groups)
        out = []
        for rows, wording, group in zip(same.values(), firsts, groups, strict=True):
            all_of = [self._wordings[int(at)] for at in places[rows]]
            out.append(
                DistinctError(
                    text=wording.text,
                    said=wording.said,
                    group_id=group,
                    count=int(np.sum(counts[rows])),
                    n_recent=int(np.sum(recents[rows])),
                    services=tuple(sorted({service for each in all_of for service in each.services})),
                    first_us=max(since_us, min(each.first_us for each in all_of)),
                    last_us=max(each.last_us for each in all_of),
                )
            )
        return sorted(out, key=lambda each: (-each.count, each.text, each.group_id))


def collect(frames: Iterable[pl.DataFrame], params: CollectionParams | None = None) -> ErrorCollector:
    """Return a collector that has seen all of `frames`."""
    collector = ErrorCollector(params)
    for frame in frames:
        collector.observe(frame)
    return collector


def said_of(body: str, exc_type: str, why: str, where: str) -> tuple[ErrorText, str]:
    """Return what a record says (`why` is its exception's message), and the text that its terms come from."""
    if not exc_type:
        return ErrorText(body[:MAX_MESSAGE]), body
    name = own_name(exc_type)
    reason = f"{name}: {why}" if why else name
    message = reason if why or not body else body
    return ErrorText(message[:MAX_MESSAGE], name, where), f"{body}\n{reason}"
