"""Records as rows of a file: what `parse` writes.

Memory stays that of one step: rows are spooled with a template's number, and written with its id at the end.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from fm_anomaly.cli.inputs import dated, open_files, settings_of, warn_of
from fm_anomaly.cli.records import Miner
from fm_anomaly.core.display import csv_cell
from fm_anomaly.core.frames import Severity
from fm_anomaly.core.parameters import parameters_of
from fm_anomaly.errors import UsageError

_CODE = "template_index"
_TEXTS = ("source", "service", "template", "body", "parameters")
_SEVERITY = {n: max((s for s in Severity if s <= n), default=Severity.UNSPECIFIED).name.lower() for n in range(25)}


def write_rows(args: argparse.Namespace, output: Path) -> int:
    """Write one row a record of the files in `args`, in input order; return how many.

    Columns: source, line, timestamp (UTC), severity, service, template_id, template, body, parameters (a JSON
    list of [type, value]). Several sources follow one another as they were named.
    """
    readings, progress = open_files(args, args.files, "parse")
    params, default_us = dated(settings_of(args).pipeline, readings)
    miner = Miner(params, default_us)
    order = {reading.name: i for i, reading in enumerate(readings)}
    with tempfile.TemporaryDirectory(prefix="fm-anomaly-parse-") as folder:
        spool = Path(folder)
        n_parts = 0
        try:
            for mined in miner.walk(readings):
                part = mined.frame.select("source", "line", "ts_us", "severity", "service", "body")
                part.with_columns(pl.Series(_CODE, mined.template)).write_ipc(spool / f"{n_parts}")
                n_parts += 1
        finally:
            progress.close()
        warn_of(readings)
        return _write(_in_order(spool, n_parts, order), miner, output)


def _in_order(spool: Path, n_parts: int, order: dict[str, int]) -> Iterator[pl.DataFrame]:
    """Yield the spooled rows source by source; a merged walk has them by time."""
    for source in order:
        for number in range(n_parts):
            part = pl.read_ipc(spool / f"{number}")
            rows = part if len(order) == 1 else part.filter(pl.col("source") == source)
            if rows.height:
                yield rows


def _write(parts: Iterator[pl.DataFrame], miner: Miner, output: Path) -> int:
    store = miner.store
    texts = pl.Series([t.text for t in store.templates], dtype=pl.String)
    ids = pl.Series([t.template_id for t in store.templates], dtype=pl.String)
    n = 0
    sink = _Sink(output)
    try:
        for part in parts:
            standing = store.canonical(part[_CODE].to_numpy())
            body = part["body"].fill_null("")
            found = parameters_of([store.templates[i] for i in standing.tolist()], body.to_list())
            sink.write(_rows(part, ids, texts, standing, [json.dumps(p, ensure_ascii=False) for p in found]))
            n += part.height
    finally:
        sink.close()
    return n


def _rows(
    part: pl.DataFrame,
    ids: pl.Series,
    texts: pl.Series,
    standing: np.ndarray[tuple[int], np.dtype[np.int64]],
    found: list[str],
) -> pl.DataFrame:
    return part.select(
        "source",
        "line",
        pl.from_epoch("ts_us", time_unit="us").dt.replace_time_zone("UTC").alias("timestamp"),
        pl.col("severity").fill_null(0).replace_strict(_SEVERITY, default="unspecified", return_dtype=pl.String),
        "service",
        ids.gather(standing).alias("template_id"),
        texts.gather(standing).alias("template"),
        "body",
        pl.Series("parameters", found, dtype=pl.String),
    )


class _Sink:
    """A file that takes frames one after the other, in the format of its suffix; made whole or not at all."""

    def __init__(self, output: Path) -> None:
        self._output = output
        self._aside = output.with_name(f".{output.name}.part")
        self._parts = tempfile.TemporaryDirectory(prefix="fm-anomaly-parquet-") if output.suffix == ".parquet" else None
        self._n = 0
        try:
            self._file = self._aside.open("wb")
        except OSError as exc:
            raise UsageError(f"cannot write {output}: {(exc.strerror or str(exc)).lower()}; choose another -o") from exc

    def write(self, rows: pl.DataFrame) -> None:
        """Add rows."""
        if self._parts is not None:
            rows.write_parquet(Path(self._parts.name) / f"{self._n:06}.parquet")
        elif self._output.suffix == ".csv":
            _quoted(rows).write_csv(self._file, include_header=self._n == 0, datetime_format="%Y-%m-%dT%H:%M:%S%.6fZ")
        else:
            _for_json(rows).write_ndjson(self._file)
        self._n += 1

    def close(self) -> None:
        """Finish the file and give it its name."""
        self._file.close()
        if self._parts is not None:
            if self._n:
                pl.scan_parquet(Path(self._parts.name) / "*.parquet").sink_parquet(self._aside, maintain_order=True)
            self._parts.cleanup()
        self._aside.replace(self._output)


def _quoted(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows whose text cells no spreadsheet takes for a formula."""
    risky = pl.col(*_TEXTS).str.contains(r"^[\s]*[=+\-@]|[\x00-\x08\x0b-\x1f\x7f]")
    if not rows.select(pl.any_horizontal(risky.any())).item():
        return rows
    return rows.with_columns(pl.col(*_TEXTS).map_elements(csv_cell, return_dtype=pl.String))


def _for_json(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.col("timestamp").dt.to_string("%Y-%m-%dT%H:%M:%S%.6fZ"))
