"""The API keeps to its own OpenAPI: whatever is sent, no route answers with an error of ours (5xx).

Short here; `make long` sends many more. Fuzzed by schemathesis over the whole document.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from fm_anomaly.api.access import AccessParams
from fm_anomaly.api.application import create_app
from tests.api.asking import ask
from tests.live_store import LocalIntake

TOKEN = "0123456789abcdef"
WITH_TOKEN = {"authorization": f"Bearer {TOKEN}"}
LONG = 300
SHORT = 3
# what schemathesis does not know how to write; generated values go as their JSON, which is as wrong as any other
OWN_TYPES = ("application/x-ndjson", "application/x-protobuf", "application/vnd.elasticsearch+x-ndjson")


@schemathesis.serializer(*OWN_TYPES)
def as_bytes(context: Any, value: Any) -> bytes:
    """Return a generated value as the bytes of a body."""
    if isinstance(value, bytes):
        return value
    return value.encode("utf-8", "replace") if isinstance(value, str) else json.dumps(value, default=str).encode()


# it never ends by design; its own tests ask it
UNENDING = "/api/v1/stream"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def app(request: pytest.FixtureRequest, filled: Any) -> Iterator[Any]:
    with filled(request.param, lambda: request.getfixturevalue("postgres")) as store:
        # with a token: a key that is made on the way must not close the door to all that follows
        yield create_app(store, intake=LocalIntake(store), access=AccessParams(TOKEN))


def document(app: Any) -> dict[str, Any]:
    found: dict[str, Any] = app.openapi()
    return found


def known_ids(app: Any) -> dict[str, str]:
    """Return ids that exist, by the names that paths have for them."""
    return {
        "alert_id": ask(app, "GET", "/api/v1/alerts", **WITH_TOKEN).json()[0]["alert_id"],
        "incident_id": ask(app, "GET", "/api/v1/incidents", **WITH_TOKEN).json()[0]["incident_id"],
        "template_id": ask(app, "GET", "/api/v1/templates", **WITH_TOKEN).json()[0]["template_id"],
    }


def fuzz(app: Any, n: int) -> int:
    """Send `n` generated requests to each operation, half of them with ids that exist; return how many were sent."""
    schema = schemathesis.openapi.from_dict(json.loads(json.dumps(document(app))))
    ids = known_ids(app)
    sent = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path == UNENDING:
            continue

        @settings(
            max_examples=n,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def send(case: Any) -> None:
            nonlocal sent
            sent += 1
            if sent % 2:
                case.path_parameters = {**(case.path_parameters or {}), **{
                    name: value for name, value in ids.items() if "{" + name + "}" in case.path
                }}  # fmt: skip
            answer = case.call(app=app, headers=WITH_TOKEN, timeout=300)
            assert answer.status_code < 500, f"{case.method} {case.path}: {answer.status_code} {answer.text}"

        send()
    return sent


def test_no_request_brings_an_error_of_ours(app: Any) -> None:
    """A few generated requests to every operation: nothing above 499."""
    assert fuzz(app, SHORT) > 100


@pytest.mark.long
def test_many_requests_bring_no_error_of_ours(app: Any) -> None:
    """Hundreds for each operation."""
    n = int(os.environ.get("FUZZ_EACH", LONG))
    assert fuzz(app, n) > 40 * n


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/alerts/%00",
        "/api/v1/alerts/%ed%a0%80",
        "/api/v1/templates/%25",
        "/api/v1/templates/t:",
        "/api/v1/alerts?service=%00",
        "/api/v1/templates?q=%00",
        "/api/v1/templates?q=%ff",
        "/api/v1/alerts?since=0001-01-01T00:00:00Z&until=9999-12-31T23:59:59Z",
        "/api/v1/alerts?cursor=WzEsICJcdTAwMDAiXQ",
        "/api/v1/templates/x/history?since=0001-01-01T00:00:00Z",
        "/api/v1/markers?service=" + "x" * 300,
        "/api/v1/stream?after=99999999999999999999999",
    ],
)
def test_what_databases_stumble_over_is_answered(app: Any, path: str) -> None:
    """NUL, broken UTF-8, wildcards, the ends of time: an answer, not an error of ours, on both databases."""
    assert ask(app, "GET", path, **WITH_TOKEN).status_code < 500


def test_every_operation_is_described(app: Any) -> None:
    """Each has a sentence, and a change tells of 429 and 503."""
    for path, operations in document(app)["paths"].items():
        for method, operation in operations.items():
            assert operation.get("description"), f"{method} {path}"
            if path.startswith("/api/v1/") and method in ("post", "patch", "delete") and "tags" in operation:
                assert {"429", "503"} <= set(operation["responses"]), f"{method} {path}"
