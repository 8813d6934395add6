"""Elasticsearch's `_bulk` → lines, one document each, and its answer with a result for every item.

Documents are records: `create` and `index` are taken, whatever index they name; `update` and `delete` are refused item
by item. Must not know HTTP.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fm_anomaly.errors import DecodeError
from fm_anomaly.ingest.batches import Batch, Reject
from fm_anomaly.ingest.shipping import Lines, Shipped, decoded_object

_TAKEN = ("create", "index")
_REFUSED = ("update", "delete")
_DATA_STREAM = re.compile(r"logs-(.+)-[^-]+$")
_DATED = re.compile(r"[-_.](?:19|20)\d\d(?:[-_.]?\d\d){0,3}(?:-\d{6})?$|-\d{6}$")
_PLAIN_INDICES = frozenset({"logs", "log", "generic", "default", "index", "_all", "system", "events"})


@dataclass(frozen=True, slots=True)
class Item:
    """The result of one action."""

    action: str
    index: str
    id: str
    error: str = ""
    """Why it was refused; "" where it was taken."""

    def to_dict(self, seq: int, *, is_brief: bool = False) -> dict[str, Any]:
        """Return the item of the answer; a brief one has its status, and the error."""
        status = 400 if self.error else 201
        found: dict[str, Any] = {"status": status} if is_brief else {"_index": self.index, "_id": self.id}
        if self.error:
            found["error"] = {"type": "document_parsing_exception", "reason": self.error}
        elif not is_brief:
            shards = {"total": 1, "successful": 1, "failed": 0}
            found |= {"_version": 1, "result": "created", "_shards": shards, "_seq_no": seq, "_primary_term": 1}
        return {self.action: {**found, "status": status}}


@dataclass(frozen=True, slots=True)
class Bulk:
    """A `_bulk` request: its batch, and what became of each item."""

    batch: Batch
    items: tuple[Item, ...]

    def answer(self, seq: int, took_ms: int, *, is_brief: bool = False) -> dict[str, Any]:
        """Return the body of the answer."""
        items = [item.to_dict(seq, is_brief=is_brief) for item in self.items]
        return {"took": took_ms, "errors": bool(self.batch.rejected), "items": items}


def decode(body: bytes, index: str, received_us: int) -> Bulk:
    """Return the documents of a `_bulk` body; `index` is the one of the path, "" for none.

    Raises DecodeError, naming the line, where an action cannot be read: what follows it can not be told apart.
    """
    lines = Lines()
    items: list[Item] = []
    rejected: list[Reject] = []
    rows = _rows(body)
    for at, row in rows:
        action, meta = _action(row, at)
        index_name = _text(meta, "_index") or index or "logs"
        item = Item(action, index_name, _text(meta, "_id") or secrets.token_urlsafe(15))
        if action == "delete":
            number, error = at, "delete is not done here: what was logged stays logged"
        else:
            number, document = next(rows, (0, b""))
            if not number:
                raise DecodeError(f"line {at}: the body ends after an action; its document is missing")
            error = _take(lines, document, item, received_us)
        if error:
            rejected.append(Reject(number, error))
            item = Item(item.action, item.index, item.id, error)
        items.append(item)
    if not items:
        raise DecodeError("request body is required: pairs of lines, an action and a document")
    return Bulk(Batch("elasticsearch", lines.part("elasticsearch", "elasticsearch"), tuple(rejected)), tuple(items))


def decode_one(body: bytes, index: str, received_us: int) -> Bulk:
    """Return the one document that a body is. Raises DecodeError where it is none."""
    lines = Lines()
    item = Item("index", index, secrets.token_urlsafe(15))
    lines.add_document(decoded_object(body.strip()), Shipped(received_us, service_of_index(index)))
    return Bulk(Batch("elasticsearch", lines.part("elasticsearch", "elasticsearch")), (item,))


def service_of_index(index: str) -> str:
    """Return the service that an index is named after; "" where it is named after none.

    >>> [service_of_index(name) for name in ("shop-2026.03.02", "logs-nginx.access-default", "logs", ".ds-logs")]
    ['shop', 'nginx.access', '', '']
    """
    found = _DATA_STREAM.match(index)
    name = _DATED.sub("", found[1] if found else index)
    return "" if name in _PLAIN_INDICES or name.startswith(".") else name[:200]


def _rows(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield number and text of the lines that are not blank."""
    number = at = 0
    while at < len(body):
        end = body.find(b"\n", at)
        end = len(body) if end < 0 else end
        number += 1
        row = body[at:end].strip()
        at = end + 1
        if row:
            yield number, row


def _action(row: bytes, number: int) -> tuple[str, dict[str, Any]]:
    try:
        found = decoded_object(row)
    except DecodeError as exc:
        raise DecodeError(f"line {number}: an action is expected, and it is {exc}") from exc
    action, meta = next(iter(found.items()), ("", None))
    if len(found) != 1 or action not in (*_TAKEN, *_REFUSED) or not isinstance(meta, dict):
        raise DecodeError(f"line {number}: an action is expected, create or index with an object, not {action[:40]!r}")
    return action, meta


def _take(lines: Lines, row: bytes, item: Item, received_us: int) -> str:
    """Add one document; return why not, "" where it was added."""
    if item.action == "update":
        return "update is not done here: records are only added"
    try:
        lines.add_document(decoded_object(row), Shipped(received_us, service_of_index(item.index)), row)
    except DecodeError as exc:
        if exc.status == 413:
            raise
        return f"failed to parse: {exc}"
    return ""


def _text(meta: dict[str, Any], name: str) -> str:
    found = meta.get(name)
    return str(found)[:512] if isinstance(found, str | int) else ""
