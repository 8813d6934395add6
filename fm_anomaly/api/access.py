"""Who may ask: a bearer token where one is set, hosts and origins that are ours, JSON for what changes something.

Closed by default: on the loopback no token is needed, for whoever is on this machine can read the files anyway; any
other address has a token or was opened on purpose. It must not know routes beyond their paths.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from fm_anomaly.errors import ConfigError

MIN_TOKEN_CHARS = 16
_HEALTH = ("/health", "/health/live", "/health/ready")
_CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_OURS = "/api/"
_LOGS = "/api/v1/logs"
"""What is not under `_OURS`, and this, is posted to by shippers of logs, with what content type they will."""


@dataclass(frozen=True, slots=True)
class AccessParams:
    """Who may ask.

    token: the bearer token that everything but health needs; None needs none. is_host_allowed: which `Host` headers
    are answered. tenant: whose logs and alerts the token stands for.
    """

    token: str | None = field(default=None, repr=False)
    tenant: str = "default"
    is_host_allowed: Callable[[str], bool] | None = None

    def __post_init__(self) -> None:
        if self.token is not None and (len(self.token) < MIN_TOKEN_CHARS or not self.token.isascii()):
            raise ConfigError(
                f"FM_ANOMALY_TOKEN must be at least {MIN_TOKEN_CHARS} ASCII characters: openssl rand -hex 32"
            )


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is refused."""

    status: int
    detail: str


def refusal(params: AccessParams, method: str, path: str, headers: Headers) -> Refusal | None:
    """Return why a request is refused, None where it may be answered. Costs some microseconds."""
    host = headers.get("host", "")
    if params.is_host_allowed is not None and not params.is_host_allowed(host):
        return Refusal(400, "this service answers for the loopback address only")
    if path in _HEALTH:
        return None
    origin = headers.get("origin")
    if origin is not None and not _is_own(origin, host):
        return Refusal(403, "requests of pages from elsewhere are refused")
    if method in _CHANGING and headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return Refusal(403, "requests of pages from elsewhere are refused")
    if params.token is not None and not _has_token(headers.get("authorization", ""), params.token):
        return Refusal(401, "a bearer token is needed: Authorization: Bearer …")
    is_ours = path.startswith(_OURS) and path != _LOGS
    if is_ours and method in _CHANGING and not _is_json_or_empty(method, headers):
        return Refusal(415, "send application/json")
    return None


def _has_token(sent: str, token: str) -> bool:
    scheme, _, given = sent.partition(" ")
    given = given.strip()
    # shippers say "Splunk TOKEN", or "Basic" and "ApiKey" with the token behind a name; the comparison takes as long
    # for a wrong one as for the right one
    is_known = scheme.lower() in ("bearer", "splunk", "basic", "apikey")
    if scheme.lower() in ("basic", "apikey"):
        given = _behind_name(given)
    return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode()) and is_known


def _behind_name(given: str) -> str:
    """Return the password of ``NAME:PASSWORD`` in base64, as HTTP's Basic has it and Elasticsearch's API keys."""
    try:
        return base64.b64decode(given, validate=True).decode("utf-8", "replace").partition(":")[2]
    except ValueError:
        return ""


def _is_own(origin: str, host: str) -> bool:
    parts = urlsplit(origin) if origin.startswith(("http://", "https://")) else None
    return parts is not None and parts.netloc.lower() == host.lower()


def _is_json_or_empty(method: str, headers: Headers) -> bool:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind:
        return kind == "application/json"
    # a page cannot send DELETE to another origin without asking first
    return method == "DELETE"
