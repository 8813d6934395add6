"""Which file names are rotations of one log, and in which order they were written.

Works on names alone; it opens nothing.
"""

from __future__ import annotations

import re
from pathlib import PurePath

_COMPRESSED = re.compile(r"\.(?:gz|zst|zstd|bz2|xz)$", re.IGNORECASE)
_DATE = r"(?P<date>(?:19|20)\d\d[-_.]?[01]\d[-_.]?[0-3]\d(?:[-_.T]?\d{2}(?:[-_.]?\d{2}){0,2})?)"
_DATE_LAST = re.compile(rf"^(?P<base>.+?)[-_.]{_DATE}(?:\.(?P<n>\d{{1,4}}))?$")
_DATE_INSIDE = re.compile(rf"^(?P<stem>.+?)[-_.]{_DATE}(?P<suffix>\.[A-Za-z]+)(?:\.(?P<n>\d{{1,4}}))?$")
_NUMBER_LAST = re.compile(r"^(?P<base>.+?)\.(?P<n>\d{1,4})$")
_NUMBER_INSIDE = re.compile(r"^(?P<stem>.+?)\.(?P<n>\d{1,4})(?P<suffix>\.(?:log|txt|jsonl?|ndjson|out|err))$")

Age = tuple[int, str, int]
"""Sorts oldest first: dated files by date, then numbered ones from the highest, then the live file."""

_LIVE: Age = (2, "", 0)


def base_name(name: str) -> str:
    """Return the name of the live file that `name` is a rotation of; `name` itself if it is none.

    >>> [base_name(n) for n in ("app.log", "app.log.2.gz", "app.log-20260302", "app-2026-03-02.log")]
    ['app.log', 'app.log', 'app.log', 'app.log']
    """
    return _split(name)[0]


def age(name: str) -> Age:
    """Return the key that sorts the rotations of one log oldest first.

    >>> sorted(["app.log", "app.log.1", "app.log.10.gz", "app.log.2.gz"], key=age)
    ['app.log.10.gz', 'app.log.2.gz', 'app.log.1', 'app.log']
    """
    return _split(name)[1]


def _split(name: str) -> tuple[str, Age]:
    plain = _COMPRESSED.sub("", name)
    for pattern in (_DATE_LAST, _DATE_INSIDE, _NUMBER_LAST, _NUMBER_INSIDE):
        found = pattern.match(plain)
        if found is None:
            continue
        parts = found.groupdict()
        base = parts.get("base") or f"{parts['stem']}{parts['suffix']}"
        digits = re.sub(r"\D", "", parts.get("date") or "")
        return base, (0 if digits else 1, digits.ljust(14, "0") if digits else "", -int(parts.get("n") or 0))
    return plain, _LIVE


def in_sets(paths: list[str]) -> list[list[str]]:
    """Group paths into rotated sets: same folder, same base name, oldest first.

    Sets stand in the order of their first member in `paths`; a path given twice counts once.
    """
    sets: dict[tuple[str, str], list[str]] = {}
    for path in dict.fromkeys(paths):
        pure = PurePath(path)
        sets.setdefault((str(pure.parent), base_name(pure.name)), []).append(path)
    return [sorted(members, key=lambda p: (age(PurePath(p).name), p)) for members in sets.values()]
