"""Syslog, RFC 5424 and 3164 → lines: the message as the format that it is, under what the header says.

`Framer` cuts a TCP stream into messages, octet-counted or ended by a line feed, as each begins (RFC 6587); `decode`
reads messages. Both are pure; sockets stand in the service.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fm_anomaly.core import severities
from fm_anomaly.ingest.batches import Batch
from fm_anomaly.ingest.shipping import Lines, Shipped

MAX_MESSAGE_BYTES = 256 * 1024
"""Of one message; what is beyond is cut off and counted."""

_COUNT = re.compile(rb"([1-9][0-9]{0,8}) (?=<)")
_COUNT_BEGUN = re.compile(rb"[1-9][0-9]{0,8} ?$")
_PRI = re.compile(r"<(\d{1,3})>")
_V1 = re.compile(
    r"1 (\S+) (\S+) (\S+) (\S+) (\S+) (-|(?:\[[^ =\]\"]+(?: +[^ =\]\"]+=\"(?:[^\"\\\]]|\\.)*\")*\])+) ?(.*)$",
    re.DOTALL,
)
_STAMP = re.compile(
    r"(?:\d+: )?[.*]?([A-Z][a-z]{2}) {1,2}(\d{1,2})(?: (\d{4}))? (\d\d):(\d\d):(\d\d)(?:[.,](\d{1,6}))?:? "
)
_ISO = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)) ")
_TAG = r"([^\s:\[\]]{1,100})(?:\[([^\]\s]{0,64})\])?:(?: |$)"
_TAGGED = re.compile(_TAG + r"(.*)$", re.DOTALL)
_HOST_TAGGED = re.compile(rf"(\S{{1,255}}) {_TAG}(.*)$", re.DOTALL)
_COOKIE = "@cee:"
"""Stands before a message that is JSON."""
_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS = {name: n for n, name in enumerate(_NAMES, 1)}
_BEHIND = timedelta(days=1)
_AHEAD = timedelta(minutes=5)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Framer:
    """Cuts one TCP stream into messages. A message may come in pieces, a piece may bring many messages."""

    def __init__(self, max_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self.n_truncated = 0
        self._max = max_bytes
        self._held = b""
        self._skip_counted = 0
        self._skip_line = False

    def feed(self, data: bytes) -> list[bytes]:
        """Return the messages that `data` completes."""
        data = self._held + data
        found: list[bytes] = []
        at = 0
        while at < len(data):
            step = self._skip(data, at) or self._one(data, at, found)
            if not step:
                break
            at += step
        self._held = data[at:]
        return found

    def flush(self) -> list[bytes]:
        """Return the message that the end of the stream ends."""
        held, self._held = self._held, b""
        count = _COUNT.match(held)
        held = held[count.end() :] if count else held
        return [held] if held.strip(b"\0\r\n ") and not self._skip_counted else []

    def _skip(self, data: bytes, at: int) -> int:
        """Return how much of the rest of a message that was too long is in `data`."""
        if self._skip_counted:
            step = min(self._skip_counted, len(data) - at)
            self._skip_counted -= step
            return step
        if self._skip_line:
            end = data.find(b"\n", at)
            self._skip_line = end < 0
            return (len(data) if end < 0 else end + 1) - at
        return 0

    def _one(self, data: bytes, at: int, found: list[bytes]) -> int:
        """Take the message that begins at `at`; return how long it is with its frame, 0 where it has not come whole."""
        if data[at] in b"\0\r\n ":
            return 1
        count = _COUNT.match(data, at)
        if count is not None:
            return self._counted(data, count.end(), int(count[1]), count.end() - at, found)
        if _COUNT_BEGUN.match(data, at):
            return 0
        end = data.find(b"\n", at)
        if end < 0 and len(data) - at <= self._max:
            return 0
        size = (len(data) if end < 0 else end) - at
        found.append(self._cut(data[at : at + size]))
        self._skip_line = end < 0
        return size + (end >= 0)

    def _counted(self, data: bytes, start: int, size: int, n_before: int, found: list[bytes]) -> int:
        if size <= self._max:
            if len(data) - start < size:
                return 0
            found.append(data[start : start + size])
            return n_before + size
        if len(data) - start < self._max:
            return 0
        self.n_truncated += 1
        found.append(data[start : start + self._max])
        self._skip_counted = size - self._max
        return n_before + self._max

    def _cut(self, message: bytes) -> bytes:
        if len(message) <= self._max:
            return message
        self.n_truncated += 1
        return message[: self._max]


def decode(messages: Iterable[tuple[str, bytes]], source: str, received_us: int, tz: str = "UTC") -> Batch:
    """Return the lines of messages, each with its sender's address. Any bytes are a message: text without a header.

    Times of RFC 3164 have neither year nor zone: they are taken in `tz`, in the year that brings them closest to
    `received_us`; one that is more than a day before it or five minutes after it gives way to it.
    """
    lines = Lines()
    zone = _zone(tz)
    received = _EPOCH + timedelta(microseconds=received_us)
    for peer, message in messages:
        text = message.decode("utf-8", "replace").strip("\0\r\n")
        if text:
            _add(lines, text, received, received_us, zone, peer)
    return Batch("syslog", lines.part(source, "syslog"))


def _add(lines: Lines, text: str, received: datetime, received_us: int, zone: tzinfo, peer: str) -> None:
    priority = _PRI.match(text)
    if priority is None or int(priority[1]) > 191:
        lines.add_text(text, Shipped(received_us, writer=peer))
        return
    severity = severities.from_syslog(int(priority[1]))
    v1 = _V1.match(text, priority.end())
    if v1 is not None:
        stamp, host, app, process, message_id, structured, said = v1.groups()
        time_us = _us(_iso(stamp)) if stamp != "-" else received_us
        app = app if app != "-" else ""
        said = said.removeprefix("\ufeff") or (structured if structured != "-" else message_id)
    else:
        time_us, host, app, process, said = _bsd(text[priority.end() :], received, zone)
    about = Shipped(time_us or received_us, app.rsplit("/", 1)[-1], severity, f"{host or peer}|{app}|{process}")
    lines.add_text(_unescaped(said.removeprefix(_COOKIE).lstrip(" ") if said.startswith(_COOKIE) else said), about)


def _bsd(text: str, received: datetime, zone: tzinfo) -> tuple[int, str, str, str, str]:
    """Return time (0: none), host, application, process and message of RFC 3164, or of what is sent in its place."""
    moment: datetime | None = None
    stamp = _STAMP.match(text)
    if stamp is not None:
        moment, text = _stamped(stamp, received, zone), text[stamp.end() :]
    elif (iso := _ISO.match(text)) is not None:
        moment, text = _iso(iso[1]), text[iso.end() :]
    host = ""
    found = _HOST_TAGGED.match(text) if stamp or moment else None
    if found is not None:
        host, app, process, said = found.groups()
    elif (found := _TAGGED.match(text)) is not None:
        app, process, said = found.groups()
    else:
        app, process, said = "", "", text
    return _us(moment), host, app, process or "", said


def _stamped(found: re.Match[str], received: datetime, zone: tzinfo) -> datetime | None:
    """Return the time of a stamp without a zone; None where it is none, or no time for what has just come."""
    name, day, year, hour, minute, second, fraction = found.groups()
    local = received.astimezone(zone)
    near = (local.year,) if 1 < local.month < 12 else (local.year - 1, local.year, local.year + 1)
    years = (int(year),) if year else near
    month, us = _MONTHS.get(name, 0), int((fraction or "0").ljust(6, "0"))
    moments = []
    for each in years:
        try:
            moments.append(datetime(each, month, int(day), int(hour), int(minute), int(second), us, zone))
        except ValueError:
            continue
    best = min(moments, key=lambda moment: abs(moment - received), default=None)
    return best if best is not None and -_BEHIND <= best - received <= _AHEAD else None


def _iso(stamp: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _us(moment: datetime | None) -> int:
    """Return microseconds since the epoch; 0 for no time, and for one before it."""
    if moment is None:
        return 0
    since = moment - _EPOCH
    return max(0, (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)


def _unescaped(text: str) -> str:
    """Return a text with the line feeds and tabs that rsyslog writes as octal numbers."""
    return text.replace("#012", "\n").replace("#011", "\t") if "#01" in text else text


@lru_cache(maxsize=16)
def _zone(tz: str) -> tzinfo:
    try:
        return ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError):
        return UTC
