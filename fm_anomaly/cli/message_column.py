"""Templates for a column of bare messages: a CSV in, the same CSV with template_id and template out.

Exactly one row out for each row in, in order, every column as it was; quoted line ends belong to their cell.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TextIO

import numpy as np
import polars as pl

from fm_anomaly.cli.inputs import settings_of
from fm_anomaly.core.display import csv_cell
from fm_anomaly.core.redaction import Redactor
from fm_anomaly.core.templates import TemplateStore
from fm_anomaly.errors import SourceError, UsageError
from fm_anomaly.ingest.files import FileSource, find_sources

_STEP = 50_000


def write_templates(args: argparse.Namespace, path: str, output: Path) -> int:
    """Read the CSV at `path`, template the column --message-column, write `output`; return the number of rows.

    Messages are mined as they are given, redacted first; a line end in one is kept in the file, the first line
    is mined.

    Raises
    ------
    UsageError
        The column is not there, a row has another number of cells than the head, or a file cannot be opened.
    """
    params = settings_of(args).pipeline
    csv.field_size_limit(sys.maxsize)
    with tempfile.TemporaryDirectory(prefix="fm-anomaly-parse-") as folder:
        table = _Table(_spooled(path, folder), args.message_column)
        store = TemplateStore(params.templates)
        redactor = Redactor(params.parsing.redaction)
        codes = [np.empty(0, dtype=np.int64)]
        for step in _in_steps(table.messages()):
            bodies = redactor.redact(pl.Series([_first_line(message) for message in step], dtype=pl.String))
            codes.append(store.assign(np.zeros(len(step), dtype=np.int32), bodies).astype(np.int64))
        standing = store.canonical(np.concatenate(codes)).tolist()
        names = [(t.template_id, csv_cell(t.text)) for t in store.templates]
        try:
            _write(output, table, (names[index] for index in standing))
        except OSError as exc:
            raise UsageError(f"cannot write {output}: {(exc.strerror or str(exc)).lower()}; choose another -o") from exc
    return len(standing)


def _write(output: Path, table: _Table, names: Iterator[tuple[str, str]]) -> None:
    aside = output.with_name(f".{output.name}.part")
    with aside.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(_LineFeeds(file), delimiter=table.delimiter)
        writer.writerow([*table.head, "template_id", "template"])
        for row, name in zip(table.rows(), names, strict=True):
            writer.writerow([*row, *name])
    aside.replace(output)


class _LineFeeds:
    """Ends rows with LF. The csv module does not quote a CR in a cell if told that rows end so (before 3.13)."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, row: str) -> int:
        """Write one row, which ends with CR LF."""
        return self._file.write(row.removesuffix("\r\n") + "\n")


class _Table:
    """A CSV file that can be read more than once: its head, and rows as long as the head."""

    def __init__(self, path: Path, column: str) -> None:
        self._path = path
        self._delimiter = self._told_by_head(column)
        self.head = next(self._reader(self._delimiter))
        if column not in self.head:
            listed = ", ".join(repr(name) for name in self.head[:12])
            raise UsageError(f"no column {column!r} in {path}; its columns are {listed}")
        taken = [name for name in ("template_id", "template") if name in self.head]
        if taken:
            raise UsageError(f"{path} has a column {taken[0]!r} already; rename it first")
        self._at = self.head.index(column)

    @property
    def delimiter(self) -> str:
        """The character between cells."""
        return self._delimiter

    def rows(self) -> Iterator[list[str]]:
        """Yield every row after the head; a row with cells missing at its end is filled up with empty ones."""
        n = len(self.head)
        reader = self._reader(self._delimiter)
        next(reader)
        for number, row in enumerate(reader, start=1):
            if not row and n > 1:
                continue  # an empty line is no row, unless a row is one empty cell
            if len(row) > n:
                raise SourceError(
                    f"{self._path}: row {number:,} has {len(row)} cells and the head {n}; quote cells that hold "
                    f"{self._delimiter!r}"
                )
            yield row + [""] * (n - len(row))

    def messages(self) -> Iterator[str]:
        """Yield the message of every row."""
        return (row[self._at] for row in self.rows())

    def _reader(self, delimiter: str) -> Iterator[list[str]]:
        reader = csv.reader(_lines(self._path), delimiter=delimiter)
        try:
            yield from reader
        except csv.Error as exc:
            raise SourceError(f"{self._path}, line {reader.line_num:,}: {exc}; correct the quoting there") from exc

    def _told_by_head(self, column: str) -> str:
        first = next(_lines(self._path), "")
        if not first.strip():
            raise SourceError(f"{self._path} has no head; the first line must name the columns")
        return next((sign for sign in ",;\t|" if column in next(self._reader(sign), [])), ",")


def _lines(path: Path) -> Iterator[str]:
    """Yield the lines of a file, compressed or not; bytes that are no UTF-8 survive the way through."""
    held = b""
    is_first = True
    for chunk in FileSource(path.name, [str(path)]).chunks():
        parts = (held + chunk).split(b"\n")
        held = parts.pop()
        for part in parts:
            yield _text(part + b"\n", is_first)
            is_first = False
    if held:
        yield _text(held, is_first)


def _text(line: bytes, is_first: bool) -> str:
    return line.decode("utf-8", "surrogateescape").removeprefix("\ufeff" if is_first else "")


def _in_steps(messages: Iterator[str]) -> Iterator[list[str]]:
    while step := list(islice(messages, _STEP)):
        yield step


def _first_line(message: str) -> str:
    line = message.partition("\n")[0].rstrip("\r")
    return line.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _spooled(path: str, folder: str) -> Path:
    """Return the path of a file that can be read twice: standard input is written down first.

    A file that was named is taken for what it is said to be, whatever control characters its cells hold.
    """
    if Path(path).is_file():
        return Path(path)
    if path != "-":
        (source,) = find_sources([path])
        return Path(source.paths[-1])
    spool = Path(folder) / "stdin.csv"
    with spool.open("wb") as file:
        for chunk in find_sources(["-"])[0].chunks():
            file.write(chunk)
    return spool
