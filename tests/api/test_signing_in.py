"""Laws of signing in: a key in our own form gives a cookie that stands for it, and ends with it."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from fm_anomaly.api.application import create_app
from fm_anomaly.api.sessions import LIFE_S, Sessions
from fm_anomaly.storage import Store
from fm_anomaly.storage.audit import audit_page
from fm_anomaly.storage.keys import ANY, Scope, create_key, revoke_key
from tests.live_store import LocalIntake

OWN = {"Origin": "https://logs.example", "Content-Type": "application/x-www-form-urlencoded"}
HTML = {"Accept": "text/html"}


class Browser:
    """Keeps cookies as a browser does, and follows nothing by itself."""

    def __init__(self, app: Any, base_url: str = "https://logs.example") -> None:
        self.app = app
        self.base_url = base_url
        self.cookie = ""

    def ask(self, method: str, path: str, body: str = "", **headers: str) -> httpx.Response:
        async def request() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            sent = {**({"Cookie": self.cookie} if self.cookie else {}), **headers}
            async with httpx.AsyncClient(transport=transport, base_url=self.base_url) as client:
                return await client.request(method, path, content=body, headers=sent)

        answer = asyncio.run(request())
        if "set-cookie" in answer.headers:
            self.cookie = answer.headers["set-cookie"].partition(";")[0]
        return answer

    def sign_in(self, secret: str, onward: str = "", **headers: str) -> httpx.Response:
        return self.ask("POST", "/sign-in", urlencode({"key": secret, "next": onward}), **{**OWN, **headers})


def now_us() -> int:
    return time.time_ns() // 1_000


def key(store: Store, *scopes: Scope, tenant: str = "default") -> tuple[str, str]:
    made, secret = create_key(store, tenant, "ann", frozenset(scopes), by="t", now_us=now_us())
    return made.key_id, secret


@pytest.fixture
def app(live_store: Store) -> Any:
    return create_app(live_store, intake=LocalIntake(live_store))


def test_a_key_opens_the_page_until_it_is_revoked(app: Any, live_store: Store) -> None:
    """Sent to the form, back to the page that was asked for; the cookie is no script's and no other site's; a key that
    is revoked ends the session at the next request; all of it is in the audit."""
    key_id, secret = key(live_store, Scope.OPERATE)
    browser = Browser(app)
    sent_away = browser.ask("GET", "/incidents?state=firing", **HTML)
    assert (sent_away.status_code, sent_away.headers["location"]) == (
        303,
        "/sign-in?next=%2Fincidents%3Fstate%3Dfiring",
    )
    form = browser.ask("GET", sent_away.headers["location"], **HTML)
    assert form.status_code == 200
    assert 'value="/incidents?state=firing"' in form.text
    assert "script-src 'self'" in form.headers["content-security-policy"]
    signed_in = browser.sign_in(secret, "/incidents?state=firing")
    assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/incidents?state=firing")
    told = signed_in.headers["set-cookie"].lower()
    for word in ("httponly", "samesite=strict", "secure", "path=/", f"max-age={LIFE_S}"):
        assert word in told
    assert secret.rpartition("_")[2] not in told
    page = browser.ask("GET", "/incidents", **HTML)
    assert page.status_code == 200
    assert "Sign out" in page.text
    own = {"Origin": "https://logs.example", "Content-Type": "application/json"}
    assert browser.ask("POST", "/api/v1/markers", '{"title": "x"}', **own).status_code == 201
    revoke_key(live_store, "default", key_id, by="t", now_us=now_us())
    app.state.gate.checks.forget()
    assert browser.ask("GET", "/incidents", **HTML).status_code == 303
    assert browser.ask("GET", "/api/v1/alerts").status_code == 401
    told_of = [row.action for row in audit_page(live_store, "default").items]
    assert {"signed_in", "marker", "key_revoked"} <= set(told_of)
    (marker,) = [row for row in audit_page(live_store, "default").items if row.action == "marker"]
    assert marker.actor == f"ann ({key_id})"


def test_signing_out_ends_it(app: Any, live_store: Store) -> None:
    """The cookie is taken back; over plain HTTP it is not Secure."""
    _, secret = key(live_store, Scope.READ)
    browser = Browser(app, "http://127.0.0.1:8010")
    own = {**OWN, "Origin": "http://127.0.0.1:8010"}
    assert "secure" not in browser.sign_in(secret, Origin=own["Origin"]).headers["set-cookie"].lower()
    assert browser.ask("GET", "/services", **HTML).status_code == 200
    gone = browser.ask("POST", "/sign-out", **own)
    assert (gone.status_code, gone.headers["location"]) == (303, "/sign-in")
    assert browser.ask("GET", "/services", **HTML).status_code == 303
    assert "signed_out" in [row.action for row in audit_page(live_store, "default").items]


def test_no_other_page_signs_in_or_acts(app: Any, live_store: Store) -> None:
    """Forms of other origins are refused, and so is a change with the cookie and no origin."""
    _, secret = key(live_store, Scope.ADMIN)
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://logs.example", "Content-Type": "text/plain"},
        {"Origin": "https://logs.example", "Sec-Fetch-Site": "cross-site"},
    ):
        assert Browser(app).sign_in(secret, **headers).status_code == 403
    browser = Browser(app)
    body = urlencode({"key": secret})
    assert browser.ask("POST", "/sign-in", body, **{"Content-Type": OWN["Content-Type"]}).status_code == 403
    browser.sign_in(secret)
    for headers in ({}, {"Origin": "https://evil.example"}):
        sent = {"Content-Type": "application/json", **headers}
        assert browser.ask("POST", "/api/v1/markers", '{"title": "x"}', **sent).status_code == 403
        assert browser.ask("DELETE", "/api/v1/keys/x", **sent).status_code == 403


def test_a_key_that_may_not_read_does_not_sign_in(app: Any, live_store: Store) -> None:
    """Wrong, or without the scope: said on the form, in the audit, and without a cookie."""
    _, ingest = key(live_store, Scope.INGEST)
    for secret, status, told in (
        ("fma_nothing", 401, "opens nothing"),
        (ingest, 403, "may not read"),
        ("", 401, "key"),
    ):
        browser = Browser(app)
        refused = browser.sign_in(secret, "/templates")
        assert refused.status_code == status
        assert told in refused.text
        assert 'value="/templates"' in refused.text
        assert not browser.cookie

    def refused_rows() -> list[str]:
        return [row.action for tenant in ("default", ANY) for row in audit_page(live_store, tenant).items]

    end = time.monotonic() + 30
    while refused_rows().count("refused") < 2 and time.monotonic() < end:
        time.sleep(0.05)
    assert refused_rows().count("refused") == 2


@pytest.mark.parametrize(
    "onward", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:x", "/sign-in"]
)
def test_nobody_is_sent_elsewhere(app: Any, live_store: Store, onward: str) -> None:
    """Where it goes on is a path of ours."""
    _, secret = key(live_store, Scope.READ)
    assert Browser(app).sign_in(secret, onward).headers["location"] == "/incidents"


def test_what_is_asked_from_elsewhere_asks_once_more(app: Any, live_store: Store) -> None:
    """A link in a chat comes without the strict cookie: the page asks for itself, then with it; a part that htmx asks
    for moves the whole window to the form; what is no page is 401."""
    key(live_store, Scope.READ)
    browser = Browser(app)
    again = browser.ask("GET", "/incidents/i-1?x=%22%3E", **{**HTML, "Sec-Fetch-Site": "cross-site"})
    assert again.status_code == 200
    assert 'content="0;url=/incidents/i-1?x=%22%3E"' in again.text
    part = browser.ask("GET", "/incidents", **{"HX-Request": "true"})
    assert (part.status_code, part.headers["hx-redirect"]) == (401, "/sign-in")
    assert browser.ask("GET", "/api/v1/alerts", **HTML).status_code == 401


def test_a_reader_is_offered_nothing_to_do(app: Any, live_store: Store) -> None:
    """Without the scope operate the forms are not there, and it is said why; what they would send is refused."""
    browser = Browser(app)
    browser.sign_in(key(live_store, Scope.READ)[1])
    page = browser.ask("GET", "/silences", **HTML).text
    assert "New silence" not in page
    assert "This key reads only" in page
    own = {"Origin": "https://logs.example", "Content-Type": "application/json"}
    assert browser.ask("POST", "/api/v1/markers", '{"title": "x"}', **own).status_code == 403


def test_a_session_is_signed_and_ends() -> None:
    """Nothing but what was made is opened, by the same installation, for twelve hours."""
    sessions = Sessions(b"k" * 32)
    value = sessions.made("fma_a", now_us())
    assert sessions.opened(f"a=b; fm_session={value}; c=d") is not None
    assert Sessions(b"k" * 32).opened(f"fm_session={value}") is not None
    assert Sessions(b"x" * 32).opened(f"fm_session={value}") is None
    over = sessions.made("fma_a", now_us() - LIFE_S * 1_000_000 - 1_000_000)
    for bad in (over, value[:-1], value.replace("fma_a", "fma_b"), "", "...", value + "x", "a.b.c.d", "é"):
        assert sessions.opened(f"fm_session={bad}") is None
    assert sessions.opened("") is None
