"""Laws of access: closed by default, a page of another origin can change nothing, a key opens what its scopes say."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from fm_anomaly.api.access import AccessParams, Caller, Gate, Refusal
from fm_anomaly.api.conventions import is_loopback_host_header
from fm_anomaly.api.key_checks import FRESH_S, KeyChecks
from fm_anomaly.core.quotas import QuotaParams, Quotas
from fm_anomaly.errors import ConfigError, StoreError
from fm_anomaly.storage import Store, open_store
from fm_anomaly.storage.keys import ANY, Scope, create_key, revoke_key, rotate_key

TOKEN = "t0ken-" * 4
LOCAL = AccessParams(is_host_allowed=is_loopback_host_header)
CLOSED = AccessParams(TOKEN)
HOUR_US = 3_600_000_000


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with open_store(tmp_path_factory.mktemp("empty") / "s.db") as opened:
        yield opened


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with open_store(tmp_path_factory.mktemp("keyed") / "s.db") as opened:
        yield opened


def asked(gate: Gate, method: str, path: str, **headers: str) -> Caller | Refusal:
    sent = {"host": "127.0.0.1:8010", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return asyncio.run(gate.admit(method, path, Headers(sent)))


def status(params: AccessParams, store: Store, method: str, path: str, **headers: str) -> int | None:
    found = asked(Gate(params, store), method, path, **headers)
    return found.status if isinstance(found, Refusal) else None


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


# -- hosts and origins -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://127.0.0.1:9999", "http://localhost:8010", "null", "x"]
)
@pytest.mark.parametrize("path", ["/api/v1/logs", "/api/v1/alerts/a1/ack", "/v1/logs", "/_bulk", "/app/_bulk"])
def test_a_page_of_another_origin_can_change_nothing(empty: Store, origin: str, path: str) -> None:
    """Whatever it posts, its origin gives it away; nor may it read."""
    for method in ("POST", "PUT", "DELETE", "GET"):
        assert status(LOCAL, empty, method, path, origin=origin, content_type="application/json") == 403


def test_a_page_that_hides_its_origin_is_known_by_its_browser(empty: Store) -> None:
    """`Sec-Fetch-Site` says that a page elsewhere sent it."""
    assert status(LOCAL, empty, "POST", "/api/v1/logs", sec_fetch_site="cross-site") == 403
    assert status(LOCAL, empty, "POST", "/api/v1/logs", sec_fetch_site="same-origin") is None


def test_our_own_page_may(empty: Store) -> None:
    """The origin of the very host that was asked."""
    own = {"origin": "http://127.0.0.1:8010", "content_type": "application/json"}
    assert status(LOCAL, empty, "POST", "/api/v1/silences", **own) is None


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_what_changes_something_is_json(empty: Store, content_type: str) -> None:
    """A form cannot be sent to routes of ours; shippers of logs send what they will."""
    sent = {"content_type": content_type} if content_type else {}
    assert status(LOCAL, empty, "POST", "/api/v1/alerts/a1/ack", **sent) == 415
    for path in ("/api/v1/logs", "/v1/logs", "/loki/api/v1/push", "/app/_bulk", "/services/collector"):
        assert status(LOCAL, empty, "POST", path, **sent) is None
    assert status(LOCAL, empty, "DELETE", "/api/v1/silences/s1") is None


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[::1", "169.254.0.1"])
def test_a_name_that_resolves_to_the_loopback_is_not_the_loopback(empty: Store, host: str) -> None:
    """DNS rebinding: health too answers for loopback names only, as long as no key is needed."""
    assert status(LOCAL, empty, "GET", "/health", host=host) == 400
    assert status(LOCAL, empty, "GET", "/api/v1/alerts", host=host) == 400


# -- the token ---------------------------------------------------------------------------------------------------------


@given(sent=st.text(st.characters(min_codepoint=33, max_codepoint=255), max_size=60))
def test_only_the_token_opens(empty: Store, sent: str) -> None:
    """Any other word is 401, whatever its bytes; health needs none."""
    opened = status(CLOSED, empty, "GET", "/api/v1/alerts", authorization=f"Bearer {sent}")
    assert opened == (None if sent == TOKEN else 401)
    assert status(CLOSED, empty, "GET", "/health/live") is None
    assert status(CLOSED, empty, "GET", "/metrics") == 401


def test_a_token_is_long_and_never_shown() -> None:
    """Sixteen characters at least; its value stands in no message and no repr."""
    with pytest.raises(ConfigError, match="at least 16") as refused:
        AccessParams("hunter2")
    assert "hunter2" not in str(refused.value)
    assert TOKEN not in repr(CLOSED)


# -- keys --------------------------------------------------------------------------------------------------------------


def make(store: Store, tenant: str, *scopes: Scope, now_us: int | None = None, expires_us: int | None = None) -> str:
    import time

    at = time.time_ns() // 1_000 if now_us is None else now_us
    return create_key(store, tenant, "test", frozenset(scopes), by="tests", now_us=at, expires_us=expires_us)[1]


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_the_schemes_that_carry_a_key(store: Store) -> None:
    """As the clients of all protocols write it; in the wrong place, or cut, it opens nothing."""
    key = make(store, "default", Scope.INGEST)
    gate = Gate(LOCAL, store)
    for carried in (
        *(f"Bearer {key}", f"bearer {key}", f"Splunk {key}"),
        *(f"Basic {encoded(f'any:{key}')}", f"ApiKey {encoded(f'id:{key}')}", f"ApiKey {key}"),
    ):
        assert isinstance(asked(gate, "POST", "/v1/logs", authorization=carried), Caller), carried
    for carried in (
        *(key, f"Basic {key}", f"Basic {encoded(f'{key}:any')}", f"Digest {key}", f"Bearer {key[:-1]}"),
        *(f"Bearer {key.upper()}", f"Bearer  {key} x", "Basic", "Bearer", ""),
    ):
        found = asked(gate, "POST", "/v1/logs", authorization=carried)
        assert isinstance(found, Refusal) and found.status == 401, carried


OPENED: dict[Scope, set[str]] = {
    Scope.INGEST: {"logs"},
    Scope.READ: {"read"},
    Scope.OPERATE: {"read", "operate"},
    Scope.ADMIN: {"logs", "read", "operate", "admin"},
}
ASKED = {
    "logs": "POST /api/v1/logs, POST /v1/logs, PUT /_bulk, POST /a/_bulk, GET /ready, POST /services/collector/event, "
    "POST /loki/api/v1/push, POST /api/prom/push, GET /_license",
    "read": "GET /api/v1/alerts, HEAD /api/v1/alerts, GET /api/v1/intake, GET /api/v1/stream, "
    "GET /api/v1/openapi.json, GET /incidents, GET /incidents/i-1, GET /send",
    "operate": "POST /api/v1/alerts/a/ack, DELETE /api/v1/silences/s, PATCH /api/v1/silences/s, PUT /api/v1/new",
    "admin": "GET /api/v1/keys, GET /api/v1/keys/, POST /api/v1/keys, DELETE /api/v1/keys/k, GET /api/v1/audit, "
    "POST /api/v1/keys/k/rotate",
}


@pytest.mark.parametrize("scope", list(Scope))
def test_a_key_opens_what_its_scope_says(keyed: Store, scope: Scope) -> None:
    """And nothing else: 403, and it says which scope is needed."""
    gate = Gate(CLOSED, keyed)
    key = make(keyed, "default", scope)
    for kind, requests in ASKED.items():
        for method, path in (each.split(" ") for each in requests.split(", ")):
            found = asked(gate, method, path, content_type="application/json", **bearer(key))
            assert isinstance(found, Caller) == (kind in OPENED[scope]), (scope, method, path)
            if isinstance(found, Refusal):
                assert found.status == 403
                assert "scope" in found.detail


def test_a_first_key_closes_the_loopback(tmp_path: Path) -> None:
    """Nothing is needed until a key was made; from then on it is, also when it has been revoked."""
    with open_store(tmp_path / "s.db") as store:
        assert status(LOCAL, store, "GET", "/api/v1/alerts") is None
        made, _ = create_key(store, "default", "x", frozenset({Scope.READ}), by="t", now_us=1)
        assert status(LOCAL, store, "GET", "/api/v1/alerts") == 401
        revoke_key(store, "default", made.key_id, by="t", now_us=2)
        assert status(LOCAL, store, "GET", "/api/v1/alerts") == 401
        assert status(LOCAL, store, "GET", "/health") is None


def test_a_key_that_is_over_opens_nothing(store: Store) -> None:
    """Expired, revoked, or rotated with its overlap behind it; the one in its place does."""
    gate = Gate(LOCAL, store)
    assert isinstance(asked(gate, "GET", "/api/v1/alerts", **bearer(make(store, "default", Scope.READ))), Caller)
    expired = make(store, "default", Scope.READ, now_us=1, expires_us=2)
    old, secret = create_key(store, "default", "x", frozenset({Scope.READ}), by="t", now_us=1)
    _, renewed, _ = rotate_key(store, "default", old.key_id, by="t", now_us=2, overlap_us=0)
    for dead in (expired, secret):
        found = asked(gate, "GET", "/api/v1/alerts", **bearer(dead))
        assert isinstance(found, Refusal) and found.status == 401
    assert isinstance(asked(gate, "GET", "/api/v1/alerts", **bearer(renewed)), Caller)


def test_a_tenant_is_chosen_by_a_key_of_any_and_no_other(store: Store) -> None:
    """A header moves only those who may choose, and only to tenants that there are."""
    gate = Gate(AccessParams(TOKEN, "default", tenants=frozenset({"named"})), store)
    bound, chooser = make(store, "shop", Scope.READ), make(store, ANY, Scope.READ)

    def tenant(secret: str, wanted: str | None) -> str | int:
        more = {} if wanted is None else {"x_tenant_id": wanted}
        found = asked(gate, "GET", "/api/v1/alerts", **bearer(secret), **more)
        return found.status if isinstance(found, Refusal) else found.tenant

    assert [tenant(bound, each) for each in (None, "shop", "default", "*", "", "Shop")] == ["shop", "shop"] + [403] * 4
    for secret in (chooser, TOKEN):
        assert [tenant(secret, each) for each in (None, "shop", "named")] == ["default", "shop", "named"]
        assert [tenant(secret, each) for each in ("nobody", "*", "", "../shop", "shop ")] == [404] * 5


def test_metrics_are_for_those_who_may_choose(store: Store) -> None:
    """They are told over all tenants."""
    gate = Gate(LOCAL, store)
    bound, chooser = make(store, "shop", Scope.ADMIN), make(store, ANY, Scope.READ)
    found = asked(gate, "GET", "/metrics", **bearer(bound))
    assert isinstance(found, Refusal) and found.status == 403
    assert isinstance(asked(gate, "GET", "/metrics", **bearer(chooser)), Caller)


# -- what is remembered ------------------------------------------------------------------------------------------------


def test_what_is_known_of_a_key_is_fresh_and_outlives_the_store(store: Store) -> None:
    """A key that is known costs the store nothing for some seconds; its end is seen after them, at once when told.
    While the store is away known keys go on, and others cannot be judged."""
    at = 0.0
    made, secret = create_key(store, "default", "x", frozenset({Scope.READ}), by="t", now_us=1)
    checks = KeyChecks(store, lambda: at)

    def is_live() -> bool:
        key = asyncio.run(checks.by_secret(secret))
        return key is not None and key.is_live(10)

    assert is_live()
    revoke_key(store, "default", made.key_id, by="t", now_us=2)
    at += FRESH_S - 1
    assert is_live()
    at += 1.5
    assert not is_live()
    checks.forget()
    _, other = create_key(store, "default", "y", frozenset({Scope.READ}), by="t", now_us=1)
    assert asyncio.run(checks.by_secret(other)) is not None
    broken = KeyChecks(store, lambda: at)
    broken._known = dict(checks._known)
    broken._store = Away()  # type: ignore[assignment]
    at += 1_000
    assert asyncio.run(broken.by_secret(other)) is not None
    with pytest.raises(StoreError):
        asyncio.run(broken.by_secret(secret))


class Away:
    """A store that cannot be reached."""

    def reading(self) -> Any:
        raise StoreError("away")


def test_strangers_fill_no_memory(empty: Store) -> None:
    """Secrets that open nothing are not remembered."""
    checks = KeyChecks(empty)
    for n in range(20):
        assert asyncio.run(checks.by_secret(f"fma_{n:08}_{'x' * 52}")) is None
    assert not checks._known


def test_a_quota_is_a_tenants_own(keyed: Store) -> None:
    """429 with when to come again; the others go on."""
    quotas = Quotas(QuotaParams(requests_per_s=0.2), {"free": QuotaParams()})
    gate = Gate(AccessParams(TOKEN, tenants=frozenset({"free"}), quotas=quotas), keyed)
    shop = make(keyed, "shop", Scope.READ)
    found = [asked(gate, "GET", "/api/v1/alerts", **bearer(shop)) for _ in range(4)]
    assert [isinstance(each, Caller) for each in found[:2]] == [True, True]
    assert isinstance(found[3], Refusal)
    assert (found[3].status, found[3].retry_after_s > 0) == (429, True)
    for _ in range(5):
        assert isinstance(asked(gate, "GET", "/api/v1/alerts", x_tenant_id="free", **bearer(TOKEN)), Caller)
