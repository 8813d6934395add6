"""Distinct errors of records given as text: the lines of an alert, the samples that a store keeps.

The records of one service are parsed together as one log, so that an error reads here as it does when its log is
categorized. Knows texts, not alerts, models or stores.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import polars as pl

from fm_anomaly.core.category_values import DistinctError
from fm_anomaly.core.error_collection import CollectionParams, said_of
from fm_anomaly.core.error_groups import group_ids
from fm_anomaly.core.error_texts import ErrorText, place
from fm_anomaly.core.parsing import ParsingParams
from fm_anomaly.core.sources import Source, SourceName

_PARAMS = ParsingParams()
_WHICH = CollectionParams()
_COLUMNS = ("body", "exc_type", "exc_message", "exc_frame")


def errors_of_records(texts: Sequence[str], service: str = "") -> list[DistinctError | None]:
    """Return the error that each record's text tells, None where it is no error. Cost: some milliseconds a call.

    >>> bad, good = errors_of_records(["2026-03-02 09:14:07 ERROR no route to 10.0.0.7", "2026-03-02 09:14:08 INFO ok"])
    >>> bad.said.message, good
    ('no route to 10.0.0.7', None)
    """
    if not texts:
        return []
    told = _told(texts, service)
    groups = iter(group_ids([each[0] for each in told if each is not None]))
    services = (service,) if service else ()
    return [None if each is None else DistinctError(each[1], each[0], next(groups), services=services) for each in told]


def first_error(texts: Sequence[str], service: str = "") -> DistinctError | None:
    """Return the error of the first of `texts` that tells one, each read as a log of its own."""
    return next((found for text in texts if (found := errors_of_records([text], service)[0]) is not None), None)


def _told(texts: Sequence[str], service: str) -> list[tuple[ErrorText, str] | None]:
    lines = [text.splitlines() or [""] for text in texts]
    ends = list(accumulate(len(each) for each in lines))
    source = Source(SourceName("records", service), _PARAMS, 0)
    data = "".join(f"{line}\n" for each in lines for line in each).encode("utf-8", "replace")
    told: list[tuple[ErrorText, str] | None] = [None] * len(texts)
    at = 0
    for frame in (source.feed(data), source.flush()):
        is_error = (pl.col("severity") >= _WHICH.min_severity) | pl.col("exc_type").is_not_null()
        errors = frame.filter(is_error).select("line", pl.col(_COLUMNS).fill_null(""))
        for line, body, exc_type, why, exc_frame in errors.iter_rows():
            while at < len(ends) - 1 and line > ends[at]:
                at += 1
            if told[at] is None:
                told[at] = said_of(body, exc_type, why, place(exc_frame))
    return told
