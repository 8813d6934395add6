"""Server-sent events out of lines of text, by the rules of the HTML standard that matter here.

Pure and bounded: an event without end is cut off, for whoever answers may not be who we think.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from fm_anomaly.client.values import Event

_MAX_CHARS = 1 << 20


@dataclass(slots=True)
class EventParser:
    """Takes the lines of a stream one by one; `last_id` is where to go on after it breaks."""

    last_id: str = ""
    retry_s: float = 2.0
    _type: str = ""
    _data: list[str] = field(default_factory=list)
    _size: int = 0

    def feed(self, line: str) -> Event | None:
        """Take a line, without its end; return the event that it completes."""
        if not line:
            return self._complete()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data" and self._size + len(value) <= _MAX_CHARS:
            self._data.append(value)
            self._size += len(value)
        elif name == "event":
            self._type = value[:100]
        elif name == "id" and "\0" not in value:
            self.last_id = value[:200]
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry_s = min(int(value[:9]) / 1000, 60.0)
        return None

    def restart(self) -> None:
        """Forget what has not been completed: the stream has broken."""
        self._type, self._data, self._size = "", [], 0

    def _complete(self) -> Event | None:
        kind, data = self._type or "message", "\n".join(self._data)
        has_data = bool(self._data)
        self.restart()
        return Event(self.last_id, kind, _read(data)) if has_data else None


def _read(data: str) -> Any:
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError:
        return data
