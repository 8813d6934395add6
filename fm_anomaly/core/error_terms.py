"""What an error's text says, as weighted terms: words, neighbouring words and the signs a tool draws with.

Numbers, paths, addresses, times and colours are left out: what varies from run to run takes no part. A term weighs as
much as the line that says it best: an exception or a tagged error more than a line with a word of failure, that more
than other lines, a stack frame or a quoted source line less. Knows single texts; how telling a term is beside the
other texts is told by `term_weights`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import polars as pl

from fm_anomaly.core import line_cues

Terms = dict[str, float]
"""Term → weight of the line that says it best, in the order of the text."""

MAX_TEXT_LINES = 600
"""Longer texts are read at both ends only: the first third and the last two thirds of this many lines."""
MAX_LINE_CHARS = 600
_BATCH_LINES = 50_000

_EXCEPTION, _CUE, _PLAIN, _FRAME = 2.0, 1.5, 1.0, 0.7
_BESIDE_WORDS = 0.7
_TYPE = 3.0

_URL = re.compile(r"\b[a-zA-Z][a-zA-Z+.-]*://\S+")
_PATH = re.compile(r"(?:[A-Za-z]:)?(?:[\w.@~+-]*/)+[\w.@~+-]*")
_SUFFIX = re.compile(r"\.([A-Za-z]{1,5})$")
_MASK = re.compile(r"<(?:redacted:)?[a-z*]+>")
_HEX = re.compile(r"\b(?:0x[0-9a-fA-F]+|(?=[a-f]*\d)[0-9a-f]{7,}|(?=[A-F]*\d)[0-9A-F]{7,})\b")
_WORD = re.compile(r"[^\W\d][^\W\d]+")
_SIGN = re.compile(r"[^\w\s]{2,}|[●✖✗✘✕•›»]")


def terms_of(texts: Sequence[str]) -> list[Terms]:
    """Return the terms of each text, which may have many lines. Cost: about 20 µs a line."""
    out: list[Terms] = []
    for batch in _batches(texts):
        lines = [line for each in batch for line in each]
        weights = iter(zip(*_weights(lines), strict=True))
        for each in batch:
            terms: Terms = {}
            for _, (text, weight) in zip(each, weights, strict=False):
                if weight:
                    _add(terms, text, weight)
            out.append(terms)
    return out


def with_type(terms: Terms, exc_type: str) -> Terms:
    """Return terms with the exception's type as one more, heavier than a word: the kind that the program names."""
    return {**terms, f"!{exc_type}": _TYPE} if exc_type else terms


def lines_of(text: str) -> list[str]:
    """Return the lines of a text that are looked at, clipped."""
    lines = text.splitlines()
    if len(lines) > MAX_TEXT_LINES:
        head = MAX_TEXT_LINES // 3
        lines = lines[:head] + lines[head - MAX_TEXT_LINES :]
    return [line[:MAX_LINE_CHARS] for line in lines] or [""]


def _batches(texts: Iterable[str]) -> Iterator[list[list[str]]]:
    batch: list[list[str]] = []
    n_lines = 0
    for text in texts:
        lines = lines_of(text)
        batch.append(lines)
        n_lines += len(lines)
        if n_lines >= _BATCH_LINES:
            yield batch
            batch, n_lines = [], 0
    if batch:
        yield batch


def _weights(lines: list[str]) -> tuple[list[str], list[float]]:
    marks = line_cues.mark(pl.Series(lines, dtype=pl.String))
    is_error = pl.col("exception") | (pl.col("level") == line_cues.ERROR)
    weight = (
        pl.when(pl.col("blank"))
        .then(0.0)
        .when(is_error & ~pl.col("verdict"))
        .then(_EXCEPTION)
        .when(pl.col("cue"))
        .then(_CUE)
        .when(pl.col("frame") | pl.col("quote"))
        .then(_FRAME)
        .otherwise(_PLAIN)
    )
    found = marks.select("text", weight.alias("weight"))
    return found["text"].to_list(), found["weight"].to_list()


def plain_words(line: str) -> list[str]:
    """Return the words of a line in order and in their case: no values, a path only as the kind of its file.

    >>> plain_words("cannot read /var/lib/a.json at 0x7f3a: 3 of 4 parts")
    ['cannot', 'read', 'json', 'at', 'of', 'parts']
    """
    return _WORD.findall(_without_values(line))


def _without_values(line: str) -> str:
    if "://" in line:
        line = _URL.sub(" ", line)
    if "/" in line:
        line = _PATH.sub(_kind_of_file, line)
    if "<" in line:
        line = _MASK.sub(" ", line)
    return _HEX.sub(" ", line)


def _kind_of_file(match: re.Match[str]) -> str:
    suffix = _SUFFIX.search(match[0])
    return f" {suffix[1]} " if suffix else " "


def _add(terms: Terms, line: str, weight: float) -> None:
    words = [word.lower() for word in plain_words(line)]
    for word in words:
        if terms.get(word, 0.0) < weight:
            terms[word] = weight
    less = weight * _BESIDE_WORDS
    pairs = [f"{first} {second}" for first, second in pairwise(words)]
    signs = [f"§{sign[:4]}" for sign in _SIGN.findall(line)]
    for term in (*pairs, *signs):
        if terms.get(term, 0.0) < less:
            terms[term] = less
