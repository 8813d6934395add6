"""Which scope a request needs: one table, read by access control, the OpenAPI and the documents' test.

By method and path alone, before anything is routed. What no rule names is a shipper's path and needs `ingest`, so that
a path that was forgotten here opens nothing to readers. Knows no keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fm_anomaly.storage.keys import Scope

API = "/api/v1/"
LOGS = "/api/v1/logs"
PUBLIC = ("/health", "/health/live", "/health/ready", "/sign-in")
"""Answered to everybody: what a probe asks, and the form to sign in."""
STATIC = "/static/"
"""Style and script of the page, which the form needs too."""
ACROSS = ("/metrics", "/api/v1/log-level")
"""Of all tenants together: only for those who may choose theirs."""
PAGES = ("/incidents", "/templates", "/categories", "/services", "/digest", "/silences", "/send")
CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True, slots=True)
class Rule:
    """`prefix` covers itself and what is below it; `is_changing` None is both reading and changing."""

    prefix: str
    is_changing: bool | None
    scopes: tuple[Scope, ...]
    """One of these is needed."""


RULES = (
    Rule("/api/v1/keys", None, (Scope.ADMIN,)),
    Rule("/api/v1/audit", None, (Scope.ADMIN,)),
    Rule("/api/v1/log-level", True, (Scope.ADMIN,)),
    Rule("/api/v1/logs", True, (Scope.INGEST,)),
    Rule("/api/v1", True, (Scope.OPERATE,)),
    Rule("/api/v1", False, (Scope.READ,)),
    *(Rule(page, False, (Scope.READ,)) for page in PAGES),
    Rule("/sign-out", None, (Scope.READ,)),
    Rule("/metrics", False, (Scope.READ,)),
)
"""The first that fits holds."""
_ROOT = (Scope.READ, Scope.INGEST)
_OTHERS = (Scope.INGEST,)


def needs(method: str, path: str) -> tuple[Scope, ...]:
    """Return the scopes one of which a request needs; none where everybody may ask.

    >>> [str(each) for each in needs("POST", "/api/v1/alerts/a1/ack")], needs("GET", "/health")
    (['operate'], ())
    """
    if path in PUBLIC or (path.startswith(STATIC) and method not in CHANGING):
        return ()
    is_changing = method not in ("GET", "HEAD")
    for rule in RULES:
        if rule.is_changing in (None, is_changing) and (path == rule.prefix or path.startswith(f"{rule.prefix}/")):
            return rule.scopes
    return _ROOT if path == "/" and not is_changing else _OTHERS


def describe(document: dict[str, Any]) -> dict[str, Any]:
    """Return an OpenAPI document with how to show a key, and the scope that each operation needs."""
    schemes = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "a key: Authorization: Bearer fma_…"},
        "basic": {"type": "http", "scheme": "basic", "description": "for shippers: any name, the key as password"},
    }
    document.setdefault("components", {})["securitySchemes"] = schemes
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            wanted = [str(scope) for scope in needs(method.upper(), path)]
            operation["security"] = [{name: wanted} for name in schemes] if wanted else []
    return document
