"""Which session a record belongs to, read from its message: the id that its other records repeat.

A rule over text, for records whose fields name no id: the value behind a well-known name (``trace_id=…``), else the
first token that has the shape of an id made by a machine. It must not know formats, products or what a session says.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import polars as pl

MAX_ID_CHARS = 128
"""Characters of an id that are kept; a longer one is no id."""

NAMES = (
    *("correlation_id", "correlationId", "trace_id", "traceId", "request_id", "requestId", "trace.id"),
    *(
        "traceID",
        "TraceId",
        "transaction_id",
        "transactionId",
        "transaction.id",
        "req_id",
        "reqId",
        "x_request_id",
        "http.request.id",
    ),
)
"""Fields that name a session, in the order in which they are tried: what one request or job writes."""

_NOTHING = frozenset({"-", "null", "none", "unknown", "n/a", "undefined"})
_MAX_NOTHING = max(map(len, _NOTHING))
_NAMED = (
    r"(?i)\b(?:correlation|trace|request|req|transaction)[_.-]?id[\"']?\s{0,2}[=:]\s{0,2}[\"']?"
    rf"([0-9a-z][0-9a-z._:-]{{5,{MAX_ID_CHARS - 1}}})"
)
_PREFIX = r"[A-Za-z]{1,16}[_-]"
_UUID = rf"(?:{_PREFIX})?[0-9A-Fa-f]{{8}}(?:-[0-9A-Fa-f]{{4}}){{3}}-[0-9A-Fa-f]{{12}}"
_NUMBERED = rf"{_PREFIX}-?[0-9]{{6}}[0-9A-Za-z_-]{{0,80}}|{_PREFIX}[0-9a-f]{{12,64}}"
_HEX = r"[0-9a-f]{16,64}|[0-9A-F]{16,64}"
_SHAPED = rf"(?:^|[\s\"'\[(<=:,])({_UUID}|{_NUMBERED}|{_HEX})(?:$|[\s\"'\])>,;:]|\.\s|\.$)"
"""A uuid; letters, ``_`` or ``-``, then a long run of digits or hex (``blk_…``, ``req-…``, ``job_…``); a long hex run.

It stands alone: a part of a path, a host or a longer word is no id.
"""


_EITHER = f"(?:{_NAMED})|{_SHAPED}"
_ID = pl.coalesce(pl.col("body").str.extract(pattern) for pattern in (_NAMED, _SHAPED))


def session_id(value: Any) -> str | None:
    """Return the value of a field that names a session, None where it names none."""
    if type(value) is str and _MAX_NOTHING < len(value) <= MAX_ID_CHARS:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    is_one = isinstance(value, str) and 0 < len(value) <= MAX_ID_CHARS and value.lower() not in _NOTHING
    return value if is_one else None


def ids_in(bodies: pl.Series) -> pl.Series:
    """Return the session id that each message names, null for none. Cost: 0.15 µs a message that names none."""
    if len(bodies) <= _FEW:
        few = _few_ids(bodies.to_list())
        if few is not None:
            return pl.Series(few, dtype=pl.String)
    rows = np.flatnonzero(bodies.str.contains(_EITHER).to_numpy())
    ids = pl.Series([None], dtype=pl.String).new_from_index(0, len(bodies))
    return ids.scatter(rows, bodies[rows].to_frame("body").select(_ID).to_series()) if len(rows) else ids


_FEW = 256
"""Rows up to which a loop is sooner done than the column's engine has built its automata, which it does each time."""
_FEW_CHARS = 32_768
_AS_DIGITS = bytes.maketrans(b"123456789_", b"000000000-")
_AS_HEX = bytes.maketrans(b"0123456789abcdefABCDEF_", b"h" * 22 + b"-")
_NAMES_BEGIN = ("correlation", "trace", "req", "transaction")
_NAMED_ONE, _SHAPED_ONE = (re.compile(pattern.replace("$", r"\Z"), re.ASCII) for pattern in (_NAMED, _SHAPED))


def _few_ids(texts: list[str | None]) -> list[str | None] | None:
    """Return what `ids_in` does; None where the two engines may not read a text alike, or it takes long."""
    ids: list[str | None] = [None] * len(texts)
    n_chars = 0
    for i, text in enumerate(texts):
        if text and _may_name(text):
            n_chars += len(text)
            if n_chars > _FEW_CHARS or not (text.isascii() and text.isprintable()):
                return None
            found = _NAMED_ONE.search(text) or _SHAPED_ONE.search(text)
            ids[i] = found[1] if found else None
    return ids


def _may_name(text: str) -> bool:
    """Whether a text may name an id; it may say so too often, never too seldom."""
    raw = text.encode("utf-8", "surrogatepass")
    if b"-000000" in raw.translate(_AS_DIGITS):
        return True
    as_hex = raw.translate(_AS_HEX)
    if b"-hhhh-hhhh" in as_hex or b"-hhhhhhhhhhhh" in as_hex or b"hhhhhhhhhhhhhhhh" in as_hex:
        return True
    lower = text.lower()
    if "id" not in lower:
        return False
    return any(name in lower for name in _NAMES_BEGIN) or "\u017f" in lower  # which is an s in any case
