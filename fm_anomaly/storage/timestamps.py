"""Event time between its two forms: integer microseconds in tables, ISO 8601 with Z on the wire.

Knows nothing of tables or routes.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)


def to_us(text: str) -> int:
    """Return ISO 8601 `text` as microseconds since the epoch; a time without a zone is UTC.

    Raises ValueError where `text` is no such time.

    >>> to_us("1970-01-01T00:00:01.5Z")
    1500000
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // _US


def to_iso(us: int) -> str:
    """Return microseconds since the epoch as ISO 8601, UTC, with Z; the fraction only where there is one.

    >>> to_iso(1500000)
    '1970-01-01T00:00:01.500000Z'
    """
    return (_EPOCH + us * _US).isoformat().replace("+00:00", "Z")


def optional_us(text: str | None) -> int | None:
    """Return `to_us` of `text`, and None of None."""
    return None if text is None else to_us(text)


def optional_iso(us: int | None) -> str | None:
    """Return `to_iso` of `us`, and None of None."""
    return None if us is None else to_iso(us)
