"""Laws of access: closed by default, and a page of another origin can change nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from fm_anomaly.api.access import AccessParams, refusal
from fm_anomaly.api.conventions import is_loopback_host_header
from fm_anomaly.errors import ConfigError

TOKEN = "t0ken-" * 4
LOCAL = AccessParams(is_host_allowed=is_loopback_host_header)
CLOSED = AccessParams(TOKEN)


def status(params: AccessParams, method: str, path: str, **headers: str) -> int | None:
    sent = {"host": "127.0.0.1:8010", **{name.replace("_", "-"): value for name, value in headers.items()}}
    refused = refusal(params, method, path, Headers(sent))
    return None if refused is None else refused.status


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://127.0.0.1:9999", "http://localhost:8010", "null", "x"]
)
@pytest.mark.parametrize("path", ["/api/v1/logs", "/api/v1/alerts/a1/ack", "/v1/logs", "/_bulk", "/app/_bulk"])
def test_a_page_of_another_origin_can_change_nothing(origin: str, path: str) -> None:
    """Whatever it posts, its origin gives it away; nor may it read."""
    for method in ("POST", "PUT", "DELETE", "GET"):
        assert status(LOCAL, method, path, origin=origin, content_type="application/json") == 403


def test_a_page_that_hides_its_origin_is_known_by_its_browser() -> None:
    """`Sec-Fetch-Site` says that a page elsewhere sent it."""
    assert status(LOCAL, "POST", "/api/v1/logs", sec_fetch_site="cross-site") == 403
    assert status(LOCAL, "POST", "/api/v1/logs", sec_fetch_site="same-origin") is None


def test_our_own_page_may() -> None:
    """The origin of the very host that was asked."""
    assert (
        status(LOCAL, "POST", "/api/v1/silences", origin="http://127.0.0.1:8010", content_type="application/json")
        is None
    )


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_what_changes_something_is_json(content_type: str) -> None:
    """A form cannot be sent to routes of ours; shippers of logs send what they will."""
    sent = {"content_type": content_type} if content_type else {}
    assert status(LOCAL, "POST", "/api/v1/alerts/a1/ack", **sent) == 415
    for path in ("/api/v1/logs", "/v1/logs", "/loki/api/v1/push", "/app/_bulk", "/services/collector"):
        assert status(LOCAL, "POST", path, **sent) is None
    assert status(LOCAL, "DELETE", "/api/v1/silences/s1") is None


@given(sent=st.text(st.characters(min_codepoint=33, max_codepoint=255), max_size=60))
def test_only_the_token_opens(sent: str) -> None:
    """Any other word is 401, whatever its bytes; health needs none."""
    assert status(CLOSED, "GET", "/api/v1/alerts", authorization=f"Bearer {sent}") == (None if sent == TOKEN else 401)
    assert status(CLOSED, "GET", "/health/live") is None
    assert status(CLOSED, "GET", "/metrics") == 401


def test_the_schemes_that_carry_it() -> None:
    """Bearer, and Splunk's own; Basic does not."""
    assert status(CLOSED, "POST", "/services/collector", authorization=f"Splunk {TOKEN}") is None
    assert status(CLOSED, "GET", "/api/v1/alerts", authorization=f"bearer {TOKEN}") is None
    assert status(CLOSED, "GET", "/api/v1/alerts", authorization=f"Basic {TOKEN}") == 401


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[::1", "169.254.0.1"])
def test_a_name_that_resolves_to_the_loopback_is_not_the_loopback(host: str) -> None:
    """DNS rebinding: health too answers for loopback names only."""
    assert status(LOCAL, "GET", "/health", host=host) == 400


def test_a_token_is_long_and_never_shown() -> None:
    """Sixteen characters at least; its value stands in no message and no repr."""
    with pytest.raises(ConfigError, match="at least 16") as refused:
        AccessParams("hunter2")
    assert "hunter2" not in str(refused.value)
    assert TOKEN not in repr(CLOSED)
