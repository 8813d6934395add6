"""What an access line tells: method, route with its ids masked, status and duration.

Knows HTTP, and nothing of the format that the request stood in.
"""

from __future__ import annotations

import re
from functools import lru_cache

METHODS = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "CONNECT", "TRACE"))

_NAME = re.compile(r"v\d+(?:[._]\d+)*|[A-Za-z]{1,6}\d|\.well-known")
_ID = re.compile(r".*[\d@].*|[A-Za-z0-9_\-]{28,}|[0-9a-fA-F]{16,}|<.*", re.DOTALL)
_REQUEST = re.compile(rf"\b({'|'.join(sorted(METHODS))}) (/\S*?|[a-z]+://\S+?)(?=[\s\"?]|$)")
_OUTCOME = re.compile(r"-> (\d{3})\b(?: in (\d+(?:\.\d+)?)(ms|s)\b)?")
_MAX_NAMES = 4096
_names: dict[str, str] = {"": ""}
"""Path segments that are names, as seen so far; what a segment is depends on nothing else."""


@lru_cache(maxsize=4096)  # a request is logged when it starts, when it is over, and in its summary
def operation(method: str, path: str) -> str:
    """Return ``METHOD /route`` with ids in the path as ``<id>``, without host, query and fragment.

    >>> operation("POST", "/api/v1/cases/case-88/turns?full=1")
    'POST /api/v1/cases/<id>/turns'
    """
    if "?" in path or "#" in path or len(path) > 300 or path[:1] != "/":
        path = _bare_path(path)
    names = _names
    route = "/".join([names[part] if part in names else _segment(part) for part in path.split("/")])
    return f"{method} {route}" if method in METHODS else f"{method[:10].upper()} {route}"


def _bare_path(path: str) -> str:
    """Return a path or URL without host, query and fragment."""
    if "://" in path[:12]:
        path = "/" + path.split("://", 1)[1].partition("/")[2]
    return path.partition("?")[0].partition("#")[0][:300]


def _segment(part: str) -> str:
    """Return a segment of a path, ``<id>`` if it is one."""
    if part.isdigit() or (len(part) == 36 and part[8] == "-") or (_ID.fullmatch(part) and not _NAME.fullmatch(part)):
        return "<id>"
    if len(_names) < _MAX_NAMES:
        _names[part] = part
    return part


def request_in(text: str) -> tuple[str | None, int | None, float | None]:
    """Return (operation, status, duration in ms) that a sentence about a request states.

    >>> request_in("Request completed: GET /api/v1/cases/7 -> 503 in 0.250s")
    ('GET /api/v1/cases/<id>', 503, 250.0)
    """
    method, _, rest = text.partition(": ")[2].partition(" ")
    if method in METHODS:
        path, end = rest.split(" ", 1)[0], len(text) - len(rest)
    else:
        request = _REQUEST.search(text) if " /" in text or "://" in text else None
        if request is None:
            return None, None, None
        method, path, end = request[1], request[2], request.end()
    outcome = _OUTCOME.search(text, end) if "-> " in text else None
    status = int(outcome[1]) if outcome else None
    took = None
    if outcome and outcome[2]:
        took = float(outcome[2]) * (1000.0 if outcome[3] == "s" else 1.0)
    return operation(method, path), status, took
