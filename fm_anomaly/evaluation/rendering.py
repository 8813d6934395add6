"""How the sample generator writes one record: FaultMaven's JSON and console forms, plain text, logfmt, Python logging.

A `Renderer` is a function of (time, level, logger, text, fields, context, traceback) to the record's text, without a
newline at its end. It knows nothing of what is said or when.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from random import Random
from typing import Any

DEBUG, INFO, WARN, ERROR = 0, 1, 2, 3

Fields = Mapping[str, Any]
Renderer = Callable[[int, int, str, str, Fields, Fields, "str | None"], str]


class Format(StrEnum):
    """The formats that samples are written in."""

    FAULTMAVEN = "faultmaven"
    CONSOLE = "console"
    PLAIN = "plain"
    LOGFMT = "logfmt"
    PYTHON = "python"


STRUCTURED = frozenset({Format.FAULTMAVEN, Format.CONSOLE})
"""Formats whose records carry FaultMaven's fields; the others put everything into the message."""

_NAMES = ("debug", "info", "warning", "error")
_COLOURS = ("32", "32", "33", "31")
_encode = json.JSONEncoder().encode


class _Seconds(dict[int, str]):
    """Text of whole seconds ("2026-03-02T09:14:07"), remembered: a second has many records."""

    def __missing__(self, second: int) -> str:
        text = self[second] = datetime.fromtimestamp(second, UTC).isoformat()[:19]
        return text


def renderer(fmt: Format, service: str, rng: Random, *, is_shared: bool) -> Renderer:
    """Return the renderer of one service; what a seed may choose within a format is drawn from `rng`.

    `is_shared` says that other services write into the same file, so that a record must name its own.
    """
    if fmt is Format.FAULTMAVEN:
        return _faultmaven(service if is_shared else None)
    if fmt is Format.CONSOLE:
        return _console(service if is_shared else None, has_colour=rng.random() < 0.25)
    if fmt is Format.PLAIN:
        return _plain(service, rng)
    return _logfmt(service, rng) if fmt is Format.LOGFMT else _python(service if is_shared else None)


def _faultmaven(service: str | None) -> Renderer:
    seconds = _Seconds()
    extra = {} if service is None else {"service.name": service}

    def render(us: int, level: int, logger: str, text: str, fields: Fields, ctx: Fields, trace: str | None) -> str:
        s, frac = divmod(us, 1_000_000)
        record = {
            **fields,
            "event": text,
            "logger": logger,
            "level": _NAMES[level],
            "timestamp": f"{seconds[s]}.{frac:06d}Z",
            **ctx,
            **extra,
        }
        if trace is not None:
            record["exception"] = trace
        return _encode(record)

    return render


def _console(service: str | None, *, has_colour: bool) -> Renderer:
    seconds = _Seconds()
    head, name, key = ("{ts} [{level:<9}] {text} [{logger}]", "", "{}={}")
    if has_colour:
        head = "\x1b[2m{ts}\x1b[0m [\x1b[{c}m\x1b[1m{level:<9}\x1b[0m] "
        head += "\x1b[1m{text}\x1b[0m [\x1b[1m\x1b[34m{logger}\x1b[0m]"
        key = "\x1b[36m{}\x1b[0m=\x1b[35m{}\x1b[0m"
    if service is not None:
        name = " " + key.format("service.name", service)

    def render(us: int, level: int, logger: str, text: str, fields: Fields, ctx: Fields, trace: str | None) -> str:
        s, frac = divmod(us, 1_000_000)
        at = f"{seconds[s]}.{frac:06d}Z"
        line = head.format(ts=at, level=_NAMES[level], text=text, logger=logger, c=_COLOURS[level]) + name
        pairs = sorted({**fields, **ctx}.items())
        line = " ".join([line, *[key.format(k, _console_value(v)) for k, v in pairs]])
        return line if trace is None else f"{line}\n{trace}"

    return render


def _console_value(value: object) -> str:
    text = str(value)
    return repr(text) if isinstance(value, str) and (" " in text or "=" in text) else text


def _plain(service: str, rng: Random) -> Renderer:
    seconds = _Seconds()
    mark, zone, sep = rng.choice(((".", "", " "), (".", "Z", "T"), (",", "", " "), ("", "", " ")))
    width, warn = rng.choice((0, 5)), rng.choice(("WARN", "WARNING"))
    names = [f"{name:<{width}}" for name in ("DEBUG", "INFO", warn, "ERROR")]

    def render(us: int, level: int, logger: str, text: str, fields: Fields, ctx: Fields, trace: str | None) -> str:
        s, frac = divmod(us, 1_000_000)
        at = seconds[s] if sep == "T" else seconds[s].replace("T", " ")
        at = f"{at}{mark}{frac // 1000:03d}{zone}" if mark else at
        line = f"{at} {names[level]} [{service}] {text}"
        return line if trace is None else f"{line}\n{trace}"

    return render


def _logfmt(service: str, rng: Random) -> Renderer:
    seconds = _Seconds()
    ts, lvl, svc, msg = rng.choice((("ts", "level", "service", "msg"), ("time", "level", "svc", "msg")))
    names = ("debug", "info", "warn", "error")

    def render(us: int, level: int, logger: str, text: str, fields: Fields, ctx: Fields, trace: str | None) -> str:
        s, frac = divmod(us, 1_000_000)
        at = f"{seconds[s]}.{frac // 1000:03d}Z"
        pairs = "".join([f" {k}={_logfmt_value(v)}" for k, v in {**fields, **ctx}.items()])
        stack = "" if trace is None else f" exception={_encode(trace)}"
        return f"{ts}={at} {lvl}={names[level]} {svc}={service} {msg}={_encode(text)}{pairs}{stack}"

    return render


def _logfmt_value(value: object) -> str:
    text = str(value)
    return _encode(text) if " " in text or '"' in text or "=" in text else text


def _python(service: str | None) -> Renderer:
    seconds = _Seconds()
    prefix = "" if service is None else f"[{service}] "

    def render(us: int, level: int, logger: str, text: str, fields: Fields, ctx: Fields, trace: str | None) -> str:
        s, frac = divmod(us, 1_000_000)
        at = seconds[s].replace("T", " ")
        line = f"{at},{frac // 1000:03d} - {logger} - {_NAMES[level].upper()} - {prefix}{text}"
        return line if trace is None else f"{line}\n{trace}"

    return render
