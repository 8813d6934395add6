"""Logs of our own: one JSON object a line on stderr, an event name with key-values, never fed back into ourselves.

The shape is structlog's, as FaultMaven writes it: `event`, `logger`, `level`, `timestamp` and the fields. The name of
every logger begins with `fm_anomaly`, which is how intake knows our records and skips them. Values are cut to a length;
text out of logs belongs here masked only, or at DEBUG. It must not know who writes what.
"""

from __future__ import annotations

import json
import logging
import math
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TextIO

ROOT = "fm_anomaly"
_MAX_CHARS = 1_000
_MAX_FIELDS = 32
_RESERVED = frozenset({"event", "logger", "level", "timestamp"})

Value = str | int | float | bool | None
"""What a field may hold."""


class Log:
    """Writes events of one part of the program.

    >>> Log("notify").logger.name
    'fm_anomaly.notify'
    """

    def __init__(self, part: str) -> None:
        self.logger = logging.getLogger(f"{ROOT}.{part}")

    def debug(self, event: str, /, **fields: Value) -> None:
        """Write what helps to find a fault in the program; the only level at which text of logs may stand unmasked."""
        self._write(logging.DEBUG, event, fields)

    def info(self, event: str, /, **fields: Value) -> None:
        """Write what happened as it should."""
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, /, **fields: Value) -> None:
        """Write what went wrong and is being coped with."""
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, /, **fields: Value) -> None:
        """Write what went wrong and needs a person."""
        self._write(logging.ERROR, event, fields)

    def exception(self, event: str, /, **fields: Value) -> None:
        """Write an error together with the traceback of the exception that is being handled."""
        self._write(logging.ERROR, event, fields, with_traceback=True)

    def _write(self, level: int, event: str, fields: Mapping[str, Value], *, with_traceback: bool = False) -> None:
        if self.logger.isEnabledFor(level):
            self.logger.log(level, event, extra={"fields": dict(fields)}, exc_info=with_traceback)


class JsonFormatter(logging.Formatter):
    """Formats a record of any logger as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds")
        out: dict[str, Value] = {
            "event": _cut(record.getMessage()),
            # a library's records are ours as well: told by this process, skipped on intake
            "logger": record.name if record.name.split(".")[0] == ROOT else f"{ROOT}.lib.{record.name}",
            "level": record.levelname.lower(),
            "timestamp": moment.replace("+00:00", "Z"),
        }
        fields: Mapping[str, Value] = getattr(record, "fields", {})
        for name, value in list(fields.items())[:_MAX_FIELDS]:
            out[f"{name}_" if name in _RESERVED else name] = _plain(value)
        if record.exc_info:
            out["exception"] = self.formatException(record.exc_info)[-8 * _MAX_CHARS :]
        return json.dumps(out, ensure_ascii=False, default=str).encode("utf-8", "backslashreplace").decode()


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """Send the records of this process to `stream` (stderr by default), ours from `level` on, libraries' warnings.

    Calling it again replaces what the last call set up, and nothing that others have set up.
    """
    root = logging.getLogger()
    for old in [handler for handler in root.handlers if isinstance(handler.formatter, JsonFormatter)]:
        root.removeHandler(old)
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger(ROOT).setLevel(level.upper())


class Levels:
    """The level from which on our records are written: the usual one, and another for a while.

    What was made more talkative for a question falls back by itself: nobody remembers to. From any thread.
    """

    def __init__(self, usual: str = "info") -> None:
        self.usual = usual
        self.until: datetime | None = None
        """When the usual level is back; None: it is the one."""
        self._timer: threading.Timer | None = None
        self._lock = threading.RLock()
        self._set(usual)

    @property
    def level(self) -> str:
        """The level now: debug, info, warning or error."""
        return logging.getLevelName(logging.getLogger(ROOT).getEffectiveLevel()).lower()

    def change(self, level: str, for_s: float) -> None:
        """Write from `level` on, for so many seconds."""
        with self._lock:
            self.end()
            if level == self.usual:
                return
            self._set(level)
            self.until = datetime.now(UTC) + timedelta(seconds=for_s)
            self._timer = threading.Timer(for_s, self.end)
            self._timer.daemon = True
            self._timer.start()

    def toggle(self, for_s: float) -> None:
        """Write from DEBUG on for a while; back to the usual level where another one is set."""
        self.change("debug" if self.until is None else self.usual, for_s)

    def end(self) -> None:
        """Go back to the usual level."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self.until = None
            self._set(self.usual)

    def _set(self, level: str) -> None:
        logging.getLogger(ROOT).setLevel(level.upper())


def _plain(value: Value) -> Value:
    if isinstance(value, str):
        return _cut(value)
    # JSON has no NaN: a line with one would be no JSON to those who read it, ourselves among them
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_CHARS else text[: _MAX_CHARS - 1] + "…"
