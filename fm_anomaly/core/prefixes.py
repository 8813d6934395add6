"""Takes off what stands around each line: Docker JSON, Kubernetes CRI, docker compose, and our own decoders' header.

Gives the inner text with the time, stream and service that the runtime or shipper says; pieces of one split line are
put together.
Which lines are wrapped is decided by each line alone. This module knows nothing of the formats inside.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
import polars as pl

from fm_anomaly.core.calendar import Ints
from fm_anomaly.core.redaction import RedactionParams, Redactor
from fm_anomaly.core.text_batch import TextLines

_GUARD = (
    r"^(?:\{\"log\":|[0-9]{4}-[0-9]{2}-[0-9]{2}T[^ ]+ std(?:out|err) [FP]"
    r"|[A-Za-z][A-Za-z0-9_.\-]*[-_][0-9]+ +\| |@shipped\+? [0-9]{1,19} )"
)
_BRACE, _ZERO, _NINE, _AT, _L, _T = b"{09@lT"
_A, _Z, _LOWER = b"az "
_CRI = re.compile(r"(\S+) (stdout|stderr) ([FP])(?::\S*)?(?: (.*))?$", re.DOTALL)
_SHIPPED = re.compile(r"@shipped(\+?) (\d{1,19}) (\d{1,2}) (\S+) (\S+) (.*)$", re.ASCII | re.DOTALL)
_COMPOSE = re.compile(r"([A-Za-z][A-Za-z0-9_.\-]*?)[-_]\d+ +\| (.*)$", re.DOTALL)

_MARK = re.compile(r"<redacted:(\w{1,24})>")
_MARK_AT_END = re.compile(r"<redacted:\w{1,24}>\Z")
_REST_OF_SECRET = re.compile(r"[\w.~+/=%@-]+")

_ODD = re.compile(r"[\x00-\x20\x7f%]")
_QUOTED = re.compile(r"%([0-9a-f]{2})")

MAX_SERVICE = 200
"""Characters of a service's name that are kept."""
MAX_PIECES = 1024
"""Pieces of one split line; with more, a new line is begun."""


class _Docker(msgspec.Struct):
    log: str
    stream: str = ""
    time: str | None = None
    attrs: dict[str, Any] | None = None


_DECODE = msgspec.json.Decoder(_Docker)


@dataclass(slots=True)
class Unwrapped:
    """Logical lines and where they come from; `first`, `last` and `count` are in physical lines."""

    texts: list[str] = field(default_factory=list)
    times: list[str | None] = field(default_factory=list)
    services: list[str | None] = field(default_factory=list)
    severities: list[int] = field(default_factory=list)
    """What the shipper says, by OpenTelemetry's numbers; 0 for nothing."""
    shipped: list[bool] = field(default_factory=list)
    """Which times a shipper stated: they are certain, unlike one in the text that names no zone."""
    goes_on: list[bool] = field(default_factory=list)
    """Which lines belong to the record of the line before them, as the shipper says."""
    lanes: list[int] = field(default_factory=list)
    first: list[int] = field(default_factory=list)
    last: list[int] = field(default_factory=list)
    count: list[int] = field(default_factory=list)
    redacted: dict[int, Counter[str]] = field(default_factory=dict)
    """Logical line → marks by kind that `redact_joined` has added; fewer where two became one."""
    open_from: int = 0
    """First logical line that still lacks pieces; the number of lines where none does."""


@dataclass(slots=True)
class _Piece:
    text: str
    time: str | None = None
    service: str | None = None
    lane: str = ""
    is_last: bool = True
    severity: int = 0
    is_shipped: bool = False
    goes_on: bool = False


def is_wrapped(lines: TextLines) -> bool:
    """Whether any of the lines is wrapped. Only those whose first bytes may be a wrapped line's are looked at."""
    buffer, starts = lines.buffer, lines.starts
    first, last = buffer[starts], len(buffer) - 1  # which is a line end, as what a short line has there
    rows = np.flatnonzero(
        ((first == _BRACE) & (buffer[np.minimum(starts + 2, last)] == _L))
        | ((first >= _ZERO) & (first <= _NINE) & (buffer[np.minimum(starts + 10, last)] == _T))
        | (((first | _LOWER) >= _A) & ((first | _LOWER) <= _Z))
        | (first == _AT)
    )
    return len(rows) > 0 and bool(lines.series[rows].str.contains(_GUARD).any())


def unwrap(lines: list[str]) -> Unwrapped:
    """Unwrap each line that is wrapped, put split lines together, and number the writers as lanes."""
    out = Unwrapped()
    lanes: dict[str, int] = {}
    open_lines: dict[str, int] = {}
    parts: dict[int, list[str]] = {}
    for i, line in enumerate(lines):
        piece = _shipped(line) or _docker(line) or _cri(line) or _compose(line) or _Piece(line)
        at = open_lines.get(piece.lane)
        if at is not None and piece.lane:
            parts[at].append(piece.text)
            out.count[at] += 1
            out.last[at] = i
        else:
            at = len(out.texts)
            out.texts.append(piece.text)
            out.times.append(piece.time)
            out.services.append(piece.service)
            out.severities.append(piece.severity)
            out.shipped.append(piece.is_shipped)
            out.goes_on.append(piece.goes_on)
            out.lanes.append(lanes.setdefault(piece.lane, len(lanes)))
            out.first.append(i)
            out.last.append(i)
            out.count.append(1)
            if not piece.is_last:
                parts[at] = [piece.text]
                open_lines[piece.lane] = at
        if piece.is_last or out.count[at] >= MAX_PIECES:
            open_lines.pop(piece.lane, None)
    for at, pieces in parts.items():
        out.texts[at] = _put_together(pieces)
    out.open_from = min(open_lines.values(), default=len(out.texts))
    return out


def redact_joined(wrapped: Unwrapped, params: RedactionParams) -> None:
    """Redact the lines that were put together once more: a secret cut in two shows only in the whole.

    Each line is redacted by itself, whatever stood before it, so cuts don't show.
    """
    rows = [at for at, n in enumerate(wrapped.count) if n > 1]
    if not rows:
        return
    before = [wrapped.texts[at] for at in rows]
    blocks = [text for text in before if "-----BEGIN" in text]
    batches = [[text] for text in before] if blocks else [before]  # an open key block would reach the next line
    after = [t for batch in batches for t in Redactor(params).redact(pl.Series(batch, dtype=pl.String)).to_list()]
    for at, old, new in zip(rows, before, after, strict=True):
        if new != old:
            wrapped.texts[at] = new
            wrapped.redacted[at] = Counter(_MARK.findall(new))
            wrapped.redacted[at].subtract(_MARK.findall(old))


def _put_together(pieces: list[str]) -> str:
    """Join pieces; where one ends with a redacted secret, what goes on without a gap is the rest of it."""
    out = pieces[:1]
    for piece in pieces[1:]:
        rest = _REST_OF_SECRET.match(piece) if _MARK_AT_END.search(out[-1]) else None
        out.append(piece[rest.end() :] if rest else piece)
    return "".join(out)


def shipped_header(time_us: int, severity: int, lane: str, service: str, *, goes_on: bool = False) -> str:
    """Return what a decoder of a protocol puts before a line that it passes on as it stands.

    `time_us` is the shipper's time and `severity` OpenTelemetry's number, 0 for none. Lines of one `lane` come from
    one writer and may join; it holds no white space. "" stands for no lane and for no service. A line that `goes_on`
    belongs to the record of the line before it.

    >>> unwrap([shipped_header(1_772_445_600_000_000, 17, "a1", "api") + "boom"]).services
    ['api']
    """
    return f"@shipped{'+' if goes_on else ''} {time_us} {severity} {lane or '-'} {_quoted(service)} "


@lru_cache(maxsize=4096)
def _quoted(service: str) -> str:
    return _ODD.sub(lambda found: f"%{ord(found[0]):02x}", service.strip()[:MAX_SERVICE]) or "-"


@lru_cache(maxsize=4096)
def _unquoted(service: str) -> str | None:
    return None if service == "-" else _QUOTED.sub(lambda found: chr(int(found[1], 16)), service)[:MAX_SERVICE]


def _shipped(line: str) -> _Piece | None:
    found = _SHIPPED.match(line) if line.startswith("@shipped") else None
    if found is None:
        return None
    more, time, severity, lane, service, text = found.groups()
    number = min(int(severity), 24)
    return _Piece(
        text, time, _unquoted(service), f"shipped:{lane}", severity=number, is_shipped=True, goes_on=bool(more)
    )


def _docker(line: str) -> _Piece | None:
    """Read a line of Docker's json-file driver; without a line end in it, it is a piece."""
    if not line.startswith('{"log":'):
        return None
    try:
        found = _DECODE.decode(line)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return None
    text = found.log.removesuffix("\n").removesuffix("\r").replace("\n", " ").replace("\x00", "")
    service = _docker_service(found.attrs)
    return _Piece(text, found.time, service, f"docker:{found.stream}", found.log.endswith("\n"))


def _docker_service(attrs: dict[str, Any] | None) -> str | None:
    for name in ("com.docker.compose.service", "service", "tag"):
        value = (attrs or {}).get(name)
        if isinstance(value, str) and value:
            return value[:64]
    return None


def _cri(line: str) -> _Piece | None:
    found = _CRI.match(line) if line[4:5] == "-" and " std" in line[:50] else None
    if found is None:
        return None
    return _Piece(found[4] or "", found[1], None, f"cri:{found[2]}", found[3] == "F")


def _compose(line: str) -> _Piece | None:
    found = _COMPOSE.match(line) if " | " in line[:100] else None
    if found is None:
        return None
    return _Piece(found[2], None, found[1], f"compose:{line[: found.start(2)].strip()}")


def as_ints(values: list[int]) -> Ints:
    """Return a list as an integer array."""
    return np.array(values, dtype=np.int64)
