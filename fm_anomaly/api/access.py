"""Who may ask: a key where one is needed, hosts and origins that are ours, JSON for what changes something.

Closed by default: on the loopback nothing is needed as long as no token is set and no key was ever made, for whoever is
on this machine can read the files anyway; then, and on any other address, each request shows a key. Its tenant is the
key's. It must not know routes beyond `api.scopes`.
"""

from __future__ import annotations

import base64
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from fm_anomaly.api.clock import now_us
from fm_anomaly.api.key_checks import KeyChecks
from fm_anomaly.api.scopes import ACROSS, API, CHANGING, LOGS, needs
from fm_anomaly.core.quotas import Quotas
from fm_anomaly.errors import ConfigError, StoreError
from fm_anomaly.storage import Store
from fm_anomaly.storage.keys import ANY, ApiKey, Scope, is_tenant_name

MIN_TOKEN_CHARS = 16
TENANT_HEADER = "X-Tenant-ID"
ANONYMOUS = "anonymous"
"""Who acts where no key is needed."""
_TOKEN = "token"  # noqa: S105 - who acts with FM_ANOMALY_TOKEN
_HEALTH = ("/health", "/health/live", "/health/ready")
_ALL = frozenset(Scope)
_ELSEWHERE = "requests of pages from elsewhere are refused"


@dataclass(frozen=True, slots=True)
class AccessParams:
    """Who may ask.

    token: `FM_ANOMALY_TOKEN`, an administrator's key of all tenants; None: keys of the store alone. tenant: of requests
    whose key may choose and does not. is_host_allowed: which `Host` headers are answered while no key is needed.
    tenants: further ones that may be chosen, beside those that have a key. quotas: what each may send.
    """

    token: str | None = field(default=None, repr=False)
    tenant: str = "default"
    is_host_allowed: Callable[[str], bool] | None = None
    tenants: frozenset[str] = frozenset()
    quotas: Quotas = field(default_factory=Quotas)

    def __post_init__(self) -> None:
        if self.token is not None and (len(self.token) < MIN_TOKEN_CHARS or not self.token.isascii()):
            raise ConfigError(
                f"FM_ANOMALY_TOKEN must be at least {MIN_TOKEN_CHARS} ASCII characters: openssl rand -hex 32"
            )


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: for which tenant, in whose name, what is open to them; `key_id` is "" without a key of the store."""

    tenant: str
    actor: str
    opens: frozenset[Scope]
    is_any: bool = False
    """Whether all tenants are open."""
    key_id: str = ""
    expires_us: int | None = None
    """When the key ends, or the session."""
    is_session: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is refused; `caller` is whose key it was, where it was one."""

    status: int
    detail: str
    caller: Caller | None = None
    retry_after_s: int = 0


class Gate:
    """Decides about requests."""

    def __init__(self, params: AccessParams, store: Store) -> None:
        self.params = params
        self.checks = KeyChecks(store)
        self.open_session: Callable[[str], tuple[str, int] | None] = lambda cookie: None
        """Id of the key and end of the session that a cookie stands for."""

    async def is_closed(self) -> bool:
        """Return whether requests need a key. Raises StoreError where that cannot be known."""
        return self.params.token is not None or await self.checks.any_made()

    async def admit(self, method: str, path: str, headers: Headers) -> Caller | Refusal:
        """Return who asks, or why they are refused. Costs some microseconds; now and then a look into the store.

        Raises StoreError where a key is not known and the store is away.
        """
        if path in _HEALTH:
            return await self._of_a_probe(headers)
        is_closed = await self.is_closed()
        if not is_closed and (told := self._wrong_host(headers)):
            return told
        if _is_from_elsewhere(method, headers):
            return Refusal(403, _ELSEWHERE)
        wanted = needs(method, path)
        caller = await self._caller(headers) if is_closed else self._nobody(_ALL, is_any=True)
        if not wanted:
            return self._nobody() if caller is None else caller
        if caller is None:
            return Refusal(401, "a key is needed: Authorization: Bearer …; make one with fm-anomaly keys create")
        chosen = await self._with_tenant(caller, headers.get(TENANT_HEADER))
        if isinstance(chosen, Refusal):
            return chosen
        return self._checked(chosen, wanted, method, path, headers)

    def caller_of(self, key: ApiKey) -> Caller:
        """Return who a key stands for."""
        tenant = self.params.tenant if key.tenant == ANY else key.tenant
        return Caller(tenant, f"{key.name} ({key.key_id})", key.opens, key.tenant == ANY, key.key_id, key.expires_us)

    async def caller_of_secret(self, secret: str) -> Caller | None:
        """Return who shows a secret; None where it opens nothing. Raises StoreError as above."""
        if self.params.token is not None and hmac.compare_digest(
            secret.encode("utf-8", "replace"), self.params.token.encode()
        ):
            return Caller(self.params.tenant, _TOKEN, _ALL, is_any=True)
        key = await self.checks.by_secret(secret)
        return self.caller_of(key) if key is not None and key.is_live(now_us()) else None

    async def is_still_admitted(self, caller: Caller) -> bool:
        """Return whether who was admitted would be again: for answers that go on for hours. Never raises."""
        if not caller.key_id:
            return not caller.is_session or caller.expires_us is None or now_us() < caller.expires_us
        if caller.expires_us is not None and now_us() >= caller.expires_us:
            return False
        try:
            key = await self.checks.by_id(caller.key_id)
        except StoreError:
            return True
        return key is not None and key.is_live(now_us())

    async def _of_a_probe(self, headers: Headers) -> Caller | Refusal:
        if self.params.token is None and (told := self._wrong_host(headers)) and not await self.checks.any_made():
            return told
        return self._nobody()

    def _nobody(self, opens: frozenset[Scope] = frozenset(), *, is_any: bool = False) -> Caller:
        return Caller(self.params.tenant, ANONYMOUS, opens, is_any)

    def _wrong_host(self, headers: Headers) -> Refusal | None:
        # a page elsewhere may reach a service without keys under a name of its own (DNS rebinding)
        allowed = self.params.is_host_allowed
        if allowed is None or allowed(headers.get("host", "")):
            return None
        return Refusal(400, "this service answers for the loopback address only")

    async def _caller(self, headers: Headers) -> Caller | None:
        sent = headers.get("authorization")
        if sent is not None:
            for secret in _secrets_in(sent):
                if (caller := await self.caller_of_secret(secret)) is not None:
                    return caller
            return None
        cookie = headers.get("cookie")
        return await self._of_session(cookie, headers) if cookie is not None else None

    async def _of_session(self, cookie: str, headers: Headers) -> Caller | None:
        session = self.open_session(cookie)
        if session is None:
            return None
        key_id, ends_us = session
        if key_id == _TOKEN:
            token = self.params.token
            found = Caller(self.params.tenant, _TOKEN, _ALL, is_any=True) if token is not None else None
        else:
            key = await self.checks.by_id(key_id)
            found = self.caller_of(key) if key is not None and key.is_live(now_us()) else None
        if found is None:
            return None
        ends = [each for each in (ends_us, found.expires_us) if each is not None]
        return Caller(found.tenant, found.actor, found.opens, found.is_any, found.key_id, min(ends), is_session=True)

    async def _with_tenant(self, caller: Caller, wanted: str | None) -> Caller | Refusal:
        if wanted is None or wanted == caller.tenant:
            return caller
        if not caller.is_any:
            return Refusal(403, f"this key is of one tenant: send no {TENANT_HEADER}, or its own", caller)
        is_known = is_tenant_name(wanted) and (wanted in self.params.tenants or await self.checks.has_tenant(wanted))
        if wanted != self.params.tenant and not is_known:
            return Refusal(404, "there is no such tenant: make a key for it, or name it in [tenants.NAME]", caller)
        return Caller(wanted, caller.actor, caller.opens, True, caller.key_id, caller.expires_us, caller.is_session)

    def _checked(
        self, caller: Caller, wanted: tuple[Scope, ...], method: str, path: str, headers: Headers
    ) -> Caller | Refusal:
        if not caller.opens.intersection(wanted):
            return Refusal(403, f"this key does not open that: scope {' or '.join(wanted)} is needed", caller)
        if path in ACROSS and not caller.is_any:
            return Refusal(403, "this is of all tenants together: a key of any tenant is needed", caller)
        if caller.is_session and method in CHANGING and "origin" not in headers:
            return Refusal(403, _ELSEWHERE, caller)
        is_ours = path.startswith(API) and path != LOGS
        if is_ours and method in CHANGING and not _is_json_or_empty(method, headers):
            return Refusal(415, "send application/json", caller)
        wait_s = self.params.quotas.request(caller.tenant, time.monotonic())
        if wait_s:
            return Refusal(429, "this tenant has sent as many requests as it may for now", caller, wait_s)
        return caller


def _secrets_in(sent: str) -> tuple[str, ...]:
    """Return what may be a secret in an `Authorization` header, as the clients of all protocols write it."""
    scheme, _, given = sent.partition(" ")
    scheme, given = scheme.lower(), given.strip()
    if scheme in ("bearer", "splunk"):
        return (given,)
    if scheme == "basic":
        return (_behind_name(given),)
    # Elasticsearch: "id:key" in base64; some clients send the key as it is
    return (_behind_name(given), given) if scheme == "apikey" else ()


def _behind_name(given: str) -> str:
    """Return the password of ``NAME:PASSWORD`` in base64, as HTTP's Basic has it and Elasticsearch's API keys."""
    try:
        return base64.b64decode(given, validate=True).decode("utf-8", "replace").partition(":")[2]
    except ValueError:
        return ""


def _is_from_elsewhere(method: str, headers: Headers) -> bool:
    origin = headers.get("origin")
    if origin is not None and not _is_own(origin, headers.get("host", "")):
        return True
    return method in CHANGING and headers.get("sec-fetch-site", "none") not in ("none", "same-origin")


def _is_own(origin: str, host: str) -> bool:
    parts = urlsplit(origin) if origin.startswith(("http://", "https://")) else None
    return parts is not None and parts.netloc.lower() == host.lower()


def _is_json_or_empty(method: str, headers: Headers) -> bool:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind:
        return kind == "application/json"
    # a page cannot send DELETE to another origin without asking first
    return method == "DELETE"
