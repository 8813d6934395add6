"""What an access line tells: method, route with its ids masked, status and duration.

Knows HTTP, and nothing of the format that the request stood in.
"""

from __future__ import annotations

import re

METHODS = "GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS|CONNECT|TRACE"

_ID = re.compile(
    r"/(?!(?:v\d+(?:[._]\d+)*|[A-Za-z]{1,6}\d|\.well-known)(?=/|$))"
    r"(?:[^/]*[\d@][^/]*|[A-Za-z0-9_\-]{28,}|[0-9a-fA-F]{16,}|<[^/]*)(?=/|$)"
)
_REQUEST = re.compile(rf"\b({METHODS}) (\S+?)(?=[\s\"?]|$)")
_OUTCOME = re.compile(r"-> (\d{3})\b(?: in (\d+(?:\.\d+)?)(ms|s)\b)?")


def operation(method: str, path: str) -> str:
    """Return ``METHOD /route`` with ids in the path as ``<id>``, without host, query and fragment.

    >>> operation("POST", "/api/v1/cases/case-88/turns?full=1")
    'POST /api/v1/cases/<id>/turns'
    """
    if "://" in path[:12]:
        path = "/" + path.split("://", 1)[1].partition("/")[2]
    path = path.partition("?")[0].partition("#")[0][:300]
    return f"{method[:10].upper()} {_ID.sub('/<id>', path)}"


def request_in(text: str) -> tuple[str | None, int | None, float | None]:
    """Return (operation, status, duration in ms) that a sentence about a request states.

    >>> request_in("Request completed: GET /api/v1/cases/7 -> 503 in 0.250s")
    ('GET /api/v1/cases/<id>', 503, 250.0)
    """
    request = _REQUEST.search(text)
    if request is None:
        return None, None, None
    outcome = _OUTCOME.search(text, request.end())
    status = int(outcome[1]) if outcome else None
    took = None
    if outcome and outcome[2]:
        took = float(outcome[2]) * (1000.0 if outcome[3] == "s" else 1.0)
    return operation(request[1], request[2]), status, took
