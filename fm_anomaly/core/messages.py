"""What a text message itself tells: a level word in front, a quoted HTTP request with its status.

Knows messages, not headers.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from fm_anomaly.core import access, formats, severities
from fm_anomaly.core.calendar import Bytes, Ints
from fm_anomaly.core.line_fields import MAX_BODY
from fm_anomaly.core.text_batch import FEW

_ERROR = severities.WORDS["error"]


_BLANKS = "\t\n\v\f\r \u0085\u00a0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
"""What Polars strips: Unicode's white space. Python strips the separators U+001C to U+001F too."""


def body_of(texts: pl.Series, begins: Ints) -> pl.Series:
    """Return each text from its character `begins` on, without outer blanks; the whole text where none is left."""
    if len(texts) <= FEW:
        pairs = zip(texts.to_list(), begins.tolist(), strict=True)
        bodies = [text[at : at + MAX_BODY].strip(_BLANKS) or text[:MAX_BODY] for text, at in pairs]
        return pl.Series(bodies, dtype=pl.String)
    body = pl.select(pl.lit(texts).str.slice(pl.Series(begins), MAX_BODY).str.strip_chars()).to_series()
    empty = body == ""
    if empty.any():
        body = pl.select(
            pl.when(pl.lit(empty)).then(pl.lit(texts).str.slice(0, MAX_BODY)).otherwise(pl.lit(body))
        ).to_series()
    return body


def fill_severity(body: pl.Series, severity: Ints) -> None:
    """Fill severities that no header tells from a level word in front of the message."""
    rows = np.flatnonzero(severity == 0)
    if len(rows):
        some = body if len(rows) == len(body) else body[rows]
        has = some.str.contains(formats.WORD_AT_START)
        if has.any():
            severity[rows[has.to_numpy()]] = [formats.word_severity(t) for t in some.filter(has).to_list()]


_HT, _TT = np.frombuffer(b"HTTT", dtype=np.uint16).tolist()


def may_quote_requests(buffer: Bytes) -> bool:
    """Whether any line may quote a request: `HTTP` holds HT or TT at an even place. A few ns a line."""
    pairs = pl.Series(buffer[: len(buffer) // 2 * 2].view(np.uint16))
    return bool(((pairs == _HT) | (pairs == _TT)).any())


def request_columns(body: pl.Series, severity: Ints) -> dict[str, object]:
    """Return operation and status of messages that quote a request line; 5xx raises `severity` in place."""
    if len(body) <= FEW:
        rows = np.flatnonzero([" HTTP/" in text for text in body.to_list()])
    else:
        rows = np.flatnonzero(body.str.contains(" HTTP/", literal=True).to_numpy())
    if not len(rows):
        return {}
    rows = rows[body[rows].str.contains(formats.REQUEST).to_numpy()]
    if not len(rows):
        return {}
    found = body[rows].str.extract_groups(formats.REQUEST).struct.unnest()
    operation: list[str | None] = [None] * len(body)
    status: list[int | None] = [None] * len(body)
    for row, (method, path, code) in zip(rows.tolist(), found.iter_rows(), strict=True):
        operation[row], status[row] = access.operation(method, path), int(code)
        if int(code) >= 500:
            severity[row] = max(int(severity[row]), _ERROR)
    return {"operation": operation, "status": status}
