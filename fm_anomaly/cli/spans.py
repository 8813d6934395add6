"""Times that people type, and a pipeline that takes only the records of a span.

A time of day without a date is a time of the day that is being looked at; see `TypedTime`.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo

import polars as pl

from fm_anomaly.cli.wording import zone_named
from fm_anomaly.core.alerts import AlertEvent
from fm_anomaly.core.frames import US_PER_S
from fm_anomaly.core.pipeline import Pipeline, PipelineParams
from fm_anomaly.errors import UsageError

_HALF_DAY_US = 12 * 3600 * US_PER_S
_CLOCK = re.compile(r"^(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d{1,6}))?)?$")


@dataclass(frozen=True, slots=True)
class TypedTime:
    """An instant (µs since the epoch), or a time of day of whatever day is being looked at."""

    us: int | None
    clock: time | None
    zone: tzinfo

    def at_or_after(self, us: int) -> int:
        """Return the first such instant not before `us`; the instant itself if it is one."""
        if self.us is not None or self.clock is None:
            return self.us or 0
        day = datetime.fromtimestamp(us // US_PER_S, self.zone).date()
        todays = _us(datetime.combine(day, self.clock, self.zone))
        return todays if todays >= us else _us(datetime.combine(day + timedelta(days=1), self.clock, self.zone))

    def near(self, first_us: int) -> int:
        """Return the instant meant for a log that begins at `first_us`.

        A time of day is one of the log's first day, also where that is up to 12 h before the log begins ("since
        08:00"); one that would be longer ago is of the day after: the small hours of a night.
        """
        if self.us is not None or self.clock is None:
            return self.us or 0
        day = datetime.fromtimestamp(first_us // US_PER_S, self.zone).date()
        first_days = _us(datetime.combine(day, self.clock, self.zone))
        return self.at_or_after(first_us) if first_us - first_days > _HALF_DAY_US else first_days


def typed_time(text: str, tz: str) -> TypedTime:
    """Return what `text` says: "12:30", "12:30:03", "2026-03-02T12:30", "2026-03-02 12:30:03Z", epoch seconds.

    Raises
    ------
    UsageError
        It is none of these.
    """
    zone, told = zone_named(tz), text.strip()
    clock = _CLOCK.match(told)
    try:
        if clock is not None:
            fraction = int((clock[4] or "").ljust(6, "0"))
            return TypedTime(None, time(int(clock[1]), int(clock[2]), int(clock[3] or 0), fraction), zone)
        if re.fullmatch(r"\d{9,10}(?:\.\d+)?", told):
            return TypedTime(round(float(told) * US_PER_S), None, zone)
        moment = datetime.fromisoformat(told)
    except ValueError as exc:
        raise UsageError(f"time {text!r} cannot be read; write 12:30:03 or 2026-03-02T12:30:03") from exc
    return TypedTime(_us(moment if moment.tzinfo else moment.replace(tzinfo=zone)), None, zone)


def span_us(args: argparse.Namespace, tz: str) -> tuple[TypedTime | None, TypedTime | None] | None:
    """Return --since and --until; None if neither was given.

    Raises
    ------
    UsageError
        One cannot be read, or --until is before --since.
    """
    since, until = (typed_time(text, tz) if text else None for text in (args.since, args.until))
    if since is not None and until is not None and since.us is not None and until.us is not None:
        _check_order(since.us, until.us, args.since, args.until)
    return None if since is None and until is None else (since, until)


class PipelineWithin(Pipeline):
    """A pipeline that leaves out records outside a span, counted in `n_outside`.

    A time of day counts from the day of the first record on.
    """

    def __init__(self, span: tuple[TypedTime | None, TypedTime | None], params: PipelineParams | None = None) -> None:
        super().__init__(params)
        self.n_outside = 0
        self._span = span
        self._bounds_us: tuple[int | None, int | None] | None = None

    def take(self, frame: pl.DataFrame) -> list[AlertEvent]:
        """Take the records of the span."""
        if not frame.height:
            return super().take(frame)
        if self._bounds_us is None:
            self._bounds_us = bounds_us(self._span, int(frame["ts_us"][0]))
        inside = within(frame, *self._bounds_us)
        self.n_outside += frame.height - inside.height
        return super().take(inside)


def bounds_us(span: tuple[TypedTime | None, TypedTime | None], first_us: int) -> tuple[int | None, int | None]:
    """Return a span's bounds, µs; times of day are those near the first record, and `until` comes after `since`.

    Raises
    ------
    UsageError
        `until` is an instant, and before `since`.
    """
    since = None if span[0] is None else span[0].near(first_us)
    until = None if span[1] is None else span[1].at_or_after(first_us if since is None else since + 1)
    if since is not None and until is not None:
        _check_order(since, until, _shown(since), _shown(until))
    return since, until


def _check_order(since_us: int, until_us: int, since: str, until: str) -> None:
    if since_us > until_us:
        raise UsageError(f"--since {since} is later than --until {until}; swap them")


def _shown(us: int) -> str:
    return f"{datetime.fromtimestamp(us // US_PER_S, UTC):%Y-%m-%dT%H:%M:%SZ}"


def within(frame: pl.DataFrame, since_us: int | None, until_us: int | None) -> pl.DataFrame:
    """Return the records with since ≤ time < until."""
    kept = pl.lit(value=True)
    if since_us is not None:
        kept &= pl.col("ts_us") >= since_us
    if until_us is not None:
        kept &= pl.col("ts_us") < until_us
    return frame.filter(kept)


def _us(moment: datetime) -> int:
    return round(moment.timestamp() * US_PER_S)
