"""Reads the counts: a series over a span in the width asked for, and the band that was usual before it.

Knows series by service, name and subject, and nothing of how they are judged.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from fm_anomaly.storage import tables
from fm_anomaly.storage.connection import Store
from fm_anomaly.storage.reading import StoredAlert
from fm_anomaly.storage.writing import some

_US = 1_000_000
_MARGIN = 30
_MAX_POINTS = 400
_USUAL_MINUTES = 1_440
_MIN_USUAL = 10


@dataclass(frozen=True, slots=True)
class Point:
    """One span of a series that had records."""

    start_us: int
    count: int
    errors: int
    total: float | None
    """Sum of milliseconds; None but for durations."""
    median: float | None
    """Of a minute's durations."""


@dataclass(frozen=True, slots=True)
class SeriesKey:
    """Names a series: `name` is records, requests, template, exception or latency."""

    service: str
    name: str
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """Values at equal steps from `start_us`, None where nothing can be said; low and high are what was usual."""

    name: str
    unit: str
    start_us: int
    step_s: int
    values: tuple[float | None, ...]
    low: float | None
    high: float | None


def points(
    store: Store,
    tenant: str,
    key: SeriesKey,
    step_s: int,
    start_us: int,
    end_us: int,
    subjects: Sequence[str] = (),
) -> tuple[Point, ...]:
    """Return the spans of width `step_s` that begin in [start_us, end_us), oldest first.

    `subjects`, where given, are added up: a template and what it stands for.
    """
    table = tables.counts
    sums: dict[int, Point] = {}
    with store.reading() as connection:
        for wanted in some(sorted({key.subject, *subjects})):
            query = select(table.c.start_us, table.c.count, table.c.errors, table.c.total, table.c.median).where(
                table.c.tenant == tenant,
                table.c.step_s == step_s,
                table.c.service == key.service,
                table.c.name == key.name,
                table.c.subject.in_(wanted),
                table.c.start_us >= start_us,
                table.c.start_us < end_us,
            )
            for at, count, errors, total, median in connection.execute(query):
                before = sums.get(at)
                if before is not None:
                    count, errors = count + before.count, errors + before.errors
                sums[at] = Point(at, count, errors, total, median)
    return tuple(sums[at] for at in sorted(sums))


def records_by_hour(
    store: Store, tenant: str, name: str, of: Collection[tuple[str, str]], since_us: int
) -> dict[tuple[str, str], dict[int, int]]:
    """Return how many records each series of `of` (service and subject) had, by the hour, from `since_us` on."""
    table = tables.counts
    found: dict[tuple[str, str], dict[int, int]] = {key: {} for key in of}
    with store.reading() as connection:
        for subjects in some(sorted({subject for _, subject in of})):
            query = select(table.c.service, table.c.subject, table.c.start_us, table.c.count).where(
                table.c.tenant == tenant,
                table.c.step_s == tables.HOUR_S,
                table.c.service.in_(sorted({service for service, _ in of})),
                table.c.name == name,
                table.c.subject.in_(subjects),
                table.c.start_us >= since_us,
            )
            for service, subject, at, count in connection.execute(query):
                if (service, subject) in found:
                    found[service, subject][at] = count
    return found


def series_of(alert: StoredAlert) -> tuple[SeriesKey, str, str]:
    """Return the series that shows what an alert is about, its name in words and its unit."""
    service = alert.service
    if alert.kind == "latency":
        return SeriesKey(service, "latency", alert.subject), f"{service} {alert.subject}", "ms"
    if alert.kind in ("new_error", "new_template"):
        if alert.subject in alert.template_ids:
            return SeriesKey(service, "template", alert.subject), f"{service} this message", "records/min"
        return SeriesKey(service, "exception", alert.subject), f"{service} this exception", "records/min"
    if alert.kind == "error_spike":
        return SeriesKey(service, "records"), f"{service} errors", "errors/min"
    return SeriesKey(service, "records"), f"{service} records", "records/min"


def series_around(store: Store, tenant: str, alert: StoredAlert, start_us: int, last_us: int) -> Series:
    """Return the series of an alert from before `start_us` to behind `last_us`, with what was usual before.

    By the minute, or in wider steps where that would be more than 400 points; where minutes are no longer kept,
    by the hour.
    """
    key, name, unit = series_of(alert)
    margin_us = max(_MARGIN * tables.MINUTE_S * _US, 2 * (last_us - start_us))
    first_us, end_us = start_us - margin_us, last_us + margin_us
    usual_us = start_us - _USUAL_MINUTES * tables.MINUTE_S * _US
    found = points(store, tenant, key, tables.MINUTE_S, min(first_us, usual_us), end_us)
    unit_s = tables.MINUTE_S
    if not found:
        unit_s = tables.HOUR_S
        found = points(store, tenant, key, unit_s, min(first_us, usual_us), end_us)
    values = {point.start_us: value for point in found if (value := _value(point, unit, unit_s)) is not None}
    newest_us = max(values, default=last_us)
    oldest_us = min(values, default=first_us)
    if key.subject and unit != "ms":
        # a message that did not come while its service spoke came zero times
        spoken = points(store, tenant, SeriesKey(key.service, "records"), unit_s, min(first_us, usual_us), end_us)
        oldest_us = min([oldest_us, *(point.start_us for point in spoken[:1])])
    end_us = min(end_us, max(newest_us, last_us))
    return _laid_out(name, unit, unit_s, values, (max(first_us, oldest_us), end_us), start_us, oldest_us)


def _value(point: Point, unit: str, unit_s: int) -> float | None:
    if unit == "ms":
        mean = point.total / point.count if point.total is not None and point.count else None
        return mean if point.median is None else point.median
    return (point.errors if unit == "errors/min" else point.count) * tables.MINUTE_S / unit_s


def _laid_out(
    name: str,
    unit: str,
    unit_s: int,
    values: dict[int, float],
    span_us: tuple[int, int],
    start_us: int,
    oldest_us: int,
) -> Series:
    """Lay values out over a span; nothing is known from before `oldest_us`: zeros there would be made up."""
    width_us = unit_s * _US
    first_us, end_us = span_us[0] // width_us * width_us, span_us[1]
    step_us = width_us * max(1, -(-((end_us - first_us) // width_us) // _MAX_POINTS))
    is_mean = unit == "ms"
    laid = []
    for at in range(first_us, end_us + 1, step_us):
        inside = [values[t] for t in range(at, at + step_us, width_us) if t in values]
        mean = sum(inside) / len(inside) if inside else None
        laid.append(mean if is_mean else sum(inside) * width_us / step_us)
    usual_us = max(oldest_us, start_us - _USUAL_MINUTES * tables.MINUTE_S * _US) // width_us * width_us
    times = range(usual_us, start_us - width_us, width_us)
    before = sorted(values.get(t, 0.0) for t in times if not is_mean or t in values)
    low, high = None, None
    if len(before) >= _MIN_USUAL:
        low, high = before[len(before) // 20], before[-1 - len(before) // 20]
    return Series(name, unit, first_us, step_us // _US, tuple(laid), low, high)
