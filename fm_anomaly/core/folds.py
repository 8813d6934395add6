"""The hour that a change of clocks repeats: which of its two times does a record without a zone mean?

`core.zones` reads the earlier one. Where that would lie well before what the source has already told, it is the later
one: a source that goes on writing through the night has no silent hour, and no late records. Must not know formats.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from fm_anomaly.core.calendar import Ints
from fm_anomaly.core.zones import NO_ZONE

HOUR_US = 3_600_000_000
_NEAR_US = 2 * HOUR_US
"""A source whose newest record lies further off says nothing about the hour."""
UNKNOWN_US = -(1 << 62)


def unfolded(ts_us: pl.Series, zone_min: pl.Series, tz: str, newest_us: int) -> tuple[pl.Series, int]:
    """Return the times of a source's records, in their order, and the newest of all so far.

    Parameters
    ----------
    ts_us
        As read by `zones.to_utc`; null where a record tells no time.
    zone_min
        The zone that each states, `NO_ZONE` where it states none.
    newest_us
        The newest time before these records, `UNKNOWN_US` for none.

    Cost: two conversions of a column, and a Python step for each record of the repeated hour.
    """
    us: Ints = ts_us.fill_null(UNKNOWN_US).to_numpy().astype(np.int64)
    if not len(us):
        return ts_us, newest_us
    rows = _repeated(ts_us, zone_min, tz)
    if len(rows):
        us = us.copy()
        newest, before = newest_us, 0
        for row in rows.tolist():
            newest = max(newest, int(us[before:row].max(initial=UNKNOWN_US)))
            early = int(us[row])
            if newest - early > HOUR_US // 2 and newest - early <= _NEAR_US + HOUR_US:
                us[row] = early + HOUR_US
            before = row
        ts_us = pl.Series(ts_us.name, us).set(ts_us.is_null(), None)
    return ts_us, max(newest_us, int(us.max()))


def _repeated(ts_us: pl.Series, zone_min: pl.Series, tz: str) -> Ints:
    """Return the rows that state no zone, and whose local time comes again an hour later."""
    naive = (zone_min == NO_ZONE) & ts_us.is_not_null()
    if tz == "UTC" or not naive.any():
        return np.zeros(0, np.int64)
    rows: Ints = np.flatnonzero(
        (naive & (_local(ts_us, tz) == _local(ts_us + HOUR_US, tz))).fill_null(False).to_numpy()
    )
    return rows


def _local(ts_us: pl.Series, tz: str) -> pl.Series:
    utc = ts_us.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    local: pl.Series = utc.dt.convert_time_zone(tz).dt.replace_time_zone(None)
    return local
