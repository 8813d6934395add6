"""`categorize --input`: one failure text a JSON line in, one row with group, category and name a text out.

In one go, or `--online`: each text is labelled by those before it alone.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from fm_anomaly.cli.console import print_notice
from fm_anomaly.cli.wording import plural
from fm_anomaly.core.categories import distinct_errors, fit, new_id
from fm_anomaly.core.category_names import Member, name_of
from fm_anomaly.core.category_stream import CategoryStream
from fm_anomaly.core.category_values import UNCATEGORIZED
from fm_anomaly.core.display import csv_cell
from fm_anomaly.core.error_groups import GroupStream
from fm_anomaly.core.error_terms import terms_of, with_type
from fm_anomaly.core.error_texts import read_in_order
from fm_anomaly.core.redaction import Redactor
from fm_anomaly.errors import SourceError, UsageError

COLUMNS = ("id", "group", "category", "name")
_KEY_BLOCK = "PRIVATE KEY"


@dataclass(frozen=True, slots=True)
class Label:
    """What one text is: the fault, the kind of error, and the kind's name."""

    group: str
    category: str
    name: str


def write_labels(source: Path, output: Path, *, is_online: bool) -> int:
    """Label the texts of `source` and write them to `output`, whole or not at all; return how many.

    Raises
    ------
    SourceError
        `source` cannot be read, or holds no text.
    """
    ids, texts = _read(source)
    labels = label_in_order(texts) if is_online else label_together(texts)
    aside = output.with_name(f".{output.name}.part")
    try:
        with aside.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            for key, label in zip(ids, labels, strict=True):
                writer.writerow((key, label.group, label.category, csv_cell(label.name)))
        aside.replace(output)
    except OSError as exc:
        aside.unlink(missing_ok=True)
        raise UsageError(f"cannot write {output}: {_why(exc)}; choose another --output") from exc
    return len(ids)


def label_together(texts: list[str]) -> list[Label]:
    """Return the label of each text, from all of them."""
    errors = distinct_errors(texts)
    model = fit(errors)
    return [
        Label(each.group_id, UNCATEGORIZED, UNCATEGORIZED)
        if each.category is None
        else Label(each.group_id, each.category.category_id, each.category.name)
        for each in model.predict(errors)
    ]


def label_in_order(texts: list[str]) -> list[Label]:
    """Return the label of each text, from it and those before it."""
    groups, stream = GroupStream(), CategoryStream()
    known: list[Label] = []
    out = []
    for text, said in zip(texts, read_in_order(texts), strict=True):
        group = groups.assign(said)
        number = stream.assign(with_type(terms_of([text])[0], said.exc_type))
        if number == len(known):
            name, _ = name_of([Member(said.message, said.exc_type, said.frame, (), 1.0)])
            known.append(Label(group, new_id(f"{number}|{group}"), name))
        out.append(Label(group, known[number].category, known[number].name))
    return out


def _why(exc: OSError) -> str:
    return (exc.strerror or str(exc)).lower()


def _read(source: Path) -> tuple[list[str], list[str]]:
    ids: list[str] = []
    texts: list[str] = []
    n_bad = 0
    for number, row in _rows(source):
        if row is None or not isinstance(row.get("text"), str):
            n_bad += 1
            if n_bad == 1:
                print_notice(f'{source}:{number} is no {{"id": …, "text": "…"}}, set aside')
            continue
        key = row.get("id", number)
        ids.append(key if isinstance(key, str) else json.dumps(key))
        texts.append(row["text"])
    if n_bad > 1:
        print_notice(f"{source}: {plural(n_bad, 'line')} set aside")
    if not texts:
        raise SourceError(f'{source} holds no text: give one {{"id": "1", "text": "…"}} a line')
    return ids, _redacted(texts)


def _rows(source: Path) -> Iterator[tuple[int, dict[str, Any] | None]]:
    try:
        with source.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, _object(line)
    except OSError as exc:
        raise SourceError(f"cannot read {source}: {_why(exc)}; check --input") from exc


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line.decode("utf-8-sig", errors="replace"))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _redacted(texts: list[str]) -> list[str]:
    """Return texts without secrets; one that holds a key block is redacted alone, so that no block runs on."""
    clean = [each.encode("utf-8", "replace").decode().replace("\0", " ") for each in texts]
    plain = [at for at, text in enumerate(clean) if _KEY_BLOCK not in text]
    for at, text in enumerate(clean):
        if _KEY_BLOCK in text:
            clean[at] = _joined(text.splitlines())
    lines = [clean[at].splitlines() or [""] for at in plain]
    done = iter(Redactor().redact(pl.Series([line for each in lines for line in each], dtype=pl.String)).to_list())
    for at, each in zip(plain, lines, strict=True):
        clean[at] = "\n".join(next(done) for _ in each)
    return clean


def _joined(lines: list[str]) -> str:
    return "\n".join(Redactor().redact(pl.Series(lines, dtype=pl.String)).to_list())
