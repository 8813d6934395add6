"""Reads one error's text, of one line or of hundreds: the line that tells it, its exception and its place.

A build's log or a traceback says many things; a person quotes one line. That is the message of the exception the text
reports, else the first line with an error's tag that says more than that something failed, else the first with a word
of failure; lines that most other texts have come last. Knows texts, not groups or categories.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from fm_anomaly.core import exceptions, line_cues
from fm_anomaly.core.error_terms import lines_of

MAX_MESSAGE = 400

_EXCEPTION = re.compile(
    r"(?<![\w$])((?:[\w$]+(?:\.|::))*[A-Z][\w$]*(?:Error|Exception|Timeout|Interrupt|Panic|Fault))(?![\w$.])"
)
_SEARCHED_CHARACTERS = 2000
_LINE_NUMBER = re.compile(r":\d+(?= in |$)")
_COMMON_SHARE = 0.5
_BATCH = 2_000


@dataclass(frozen=True, slots=True)
class ErrorText:
    """What one error's text says.

    `message` is the line that tells it, `exc_type` the exception's own name without its package, `frame` the innermost
    frame of the application, "path in function" without a line number; "" where there is none.
    """

    message: str
    exc_type: str = ""
    frame: str = ""


def read_errors(texts: Sequence[str]) -> list[ErrorText]:
    """Return what each text says; lines that most texts share tell none of them. Cost: about 20 µs a line."""
    shared = SharedLines()
    tables = []
    for table in _tables(texts):
        shared.add(table)
        tables.append(table)
    return [_read(text, table, shared) for text, table in zip(texts, tables, strict=True)]


def read_in_order(texts: Sequence[str]) -> Iterator[ErrorText]:
    """Yield what each text says, as `read_errors` would, but by the texts up to it alone."""
    shared = SharedLines()
    for text, table in zip(texts, _tables(texts), strict=True):
        shared.add(table)
        yield _read(text, table, shared)


def exception_type(text: str) -> str:
    """Return the last part of the first exception class that `text` names, "" where it names none.

    >>> exception_type("job <num>: redis.exceptions.ConnectionError: refused")
    'ConnectionError'
    """
    found = _EXCEPTION.search(text[:_SEARCHED_CHARACTERS])
    return own_name(found[1]) if found else ""


def own_name(exc_type: str) -> str:
    """Return an exception's name without its package.

    >>> own_name("java.net.SocketTimeoutException"), own_name("ActiveRecord::RecordNotFound")
    ('SocketTimeoutException', 'RecordNotFound')
    """
    return re.split(r"\.|::|\\", exc_type)[-1]


def place(exc_frame: str) -> str:
    """Return a frame without its line number, which moves with every change of the file.

    >>> place("infra/redis.py:88 in get")
    'infra/redis.py in get'
    """
    return _LINE_NUMBER.sub("", exc_frame)


_Line = tuple[str, str, int]
"""Text without decoration, key that equal lines share, rank: smaller tells more, `_MUTE` nothing."""
_MUTE = 9


def _tables(texts: Sequence[str]) -> Iterator[list[_Line]]:
    for at in range(0, len(texts), _BATCH):
        yield from _marked(texts[at : at + _BATCH])


def _marked(texts: Sequence[str]) -> Iterator[list[_Line]]:
    lines = [lines_of(text) for text in texts]
    marks = line_cues.mark(pl.Series([line for each in lines for line in each], dtype=pl.String))
    told = ~(pl.col("blank") | pl.col("quote") | pl.col("frame") | (pl.col("level") == line_cues.QUIET))
    has_letters = pl.col("text").str.contains(r"[A-Za-z]{2}")
    rank = (
        pl.when(~(told & has_letters))
        .then(_MUTE)
        .when(pl.col("verdict"))
        .then(4)
        .when(pl.col("exception") & pl.col("text").str.contains(": "))
        .then(0)
        .when((pl.col("level") == line_cues.ERROR) | pl.col("exception"))
        .then(1)
        .when(pl.col("cue"))
        .then(2)
        .otherwise(3)
    )
    rows = marks.select("text", "key", rank.alias("rank")).rows()
    at = 0
    for each in lines:
        yield rows[at : at + len(each)]
        at += len(each)


class SharedLines:
    """Which lines many texts have, from the texts seen so far; bounded by `max_keys`, beyond which no line is new."""

    def __init__(self, max_keys: int = 200_000) -> None:
        self._seen: Counter[str] = Counter()
        self._n_long = 0
        self._max_keys = max_keys

    def add(self, table: Sequence[_Line]) -> None:
        """Count the lines of a text of more than one line."""
        if len(table) < 2:
            return
        self._n_long += 1
        for key in {line[1] for line in table}:
            if key in self._seen or len(self._seen) < self._max_keys:
                self._seen[key] += 1

    def __contains__(self, key: str) -> bool:
        """Whether more than half of the texts have the line, where there are four texts or more."""
        return self._n_long >= 4 and self._seen[key] > max(2.0, _COMMON_SHARE * self._n_long)


def _read(text: str, table: list[_Line], shared: SharedLines) -> ErrorText:
    found = exceptions.parse(text)
    if found.type is not None and found.message is not None:
        name = own_name(found.type)
        return ErrorText(f"{name}: {found.message}"[:MAX_MESSAGE], name, place(found.frame or ""))
    best = min(enumerate(table), key=lambda each: (each[1][1] in shared, each[1][2], each[0]))[1]
    message = best[0].strip()[:MAX_MESSAGE] or text.strip()[:MAX_MESSAGE]
    name = own_name(found.type) if found.type else exception_type(message)
    return ErrorText(message, name, place(found.frame or ""))
