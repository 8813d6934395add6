"""A frame of records taken apart into the physical lines it was read from, for what looks at lines.

This module knows the record frame, and nothing of what the lines say.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fm_anomaly.core.frames import Severity
from fm_anomaly.core.line_cues import ERROR, NO_LEVEL, QUIET, WARNING
from fm_anomaly.core.line_scoring import Lines

_PLAIN = "plain"
"""Name of the format without fields: there is no telling there which number or name of a message may vary."""


def physical_lines(records: pl.DataFrame, known_templates: NDArray[np.int64] | None = None) -> Lines:
    """Return the lines of `records` by number, ascending; a record's level stands on its first line.

    Of a JSON record the line is its message and its exception, for its other keys ("error": null) would be read as
    prose. A line that stands in two records is given once. The first line of a record with fields is known where its
    template (column ``template``) is in `known_templates`.
    """
    is_known = pl.lit(False)
    if known_templates is not None:
        codes = pl.Series(known_templates, dtype=pl.Int64).implode()
        is_known = pl.col("template").cast(pl.Int64).is_in(codes) & pl.col("format").ne_missing(_PLAIN)
    rows = records.select(
        "line",
        _level().alias("level"),
        is_known.fill_null(False).alias("is_known"),
        _readable().str.split("\n").alias("text"),
    ).with_columns(pl.int_ranges(pl.col("text").list.len()).alias("at"))
    flat = rows.explode("text", "at").with_columns(
        number=pl.col("line") + pl.col("at"),
        level=pl.when(pl.col("at") == 0).then("level").otherwise(NO_LEVEL).cast(pl.UInt8),
        is_known=pl.col("is_known") & (pl.col("at") == 0),
    )
    flat = flat.sort("number", maintain_order=True).unique("number", keep="first", maintain_order=True)
    return Lines(
        flat["number"].to_numpy().astype(np.int64),
        flat["text"].fill_null(""),
        flat["level"].to_numpy(),
        flat["is_known"].to_numpy(),
    )


def _level() -> pl.Expr:
    severity = pl.col("severity").fill_null(0)
    return (
        pl.when(severity >= Severity.ERROR)
        .then(ERROR)
        .when(severity >= Severity.WARN)
        .then(WARNING)
        # In free text a level is guessed from words: "git config" is not a line of level CONFIG.
        .when((severity > Severity.UNSPECIFIED) & pl.col("format").ne_missing(_PLAIN))
        .then(QUIET)
        .otherwise(NO_LEVEL)
    )


def _readable() -> pl.Expr:
    raw = pl.col("raw").fill_null("")
    told = pl.concat_str("body", "exc_type", "exc_message", separator=" ", ignore_nulls=True)
    return pl.when(raw.str.starts_with("{") & raw.str.ends_with("}")).then(told).otherwise(raw)
