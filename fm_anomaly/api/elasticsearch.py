"""Elasticsearch: `_bulk`, and what its clients ask before they send.

There are no indices here: documents are records, and requests to set up templates, policies, pipelines or data
streams are answered as if they had been, for nothing depends on them. Clients send again what is answered with 429 or
5xx, and single items whose status is 429.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec
from fastapi import APIRouter, HTTPException, Request, Response

from fm_anomaly.api.clock import now_us
from fm_anomaly.api.receiving import decoded, read_body, refusal_of, submitted
from fm_anomaly.errors import FmAnomalyError
from fm_anomaly.ingest import elasticsearch

_VERSION = "9.0.0"
"""What is said to clients that want to know: all that has been needed since version 7 is here."""
_ABOUT = {
    "name": "fm_anomaly",
    "cluster_name": "fm_anomaly",
    "cluster_uuid": "fm_anomaly",
    "version": {
        "number": _VERSION,
        "build_flavor": "default",
        "build_type": "fm_anomaly",
        "build_snapshot": False,
        "lucene_version": "10.1.0",
        "minimum_wire_compatibility_version": "8.18.0",
        "minimum_index_compatibility_version": "8.0.0",
    },
    "tagline": "You Know, for Search",
}
_LICENSE = {"license": {"status": "active", "uid": "fm_anomaly", "type": "basic", "mode": "basic"}}
_HEALTH = {"cluster_name": "fm_anomaly", "status": "green", "timed_out": False, "number_of_nodes": 1}
_SETUP = (
    *("_ilm/policy", "_index_template", "_template", "_component_template", "_ingest/pipeline", "_data_stream"),
    "_alias",
)
_TYPES = {429: "es_rejected_execution_exception", 413: "content_too_long_exception", 503: "unavailable_exception"}
_JSON = "application/json"
_ITS_OWN = re.compile(r"application/vnd\.elasticsearch\+json;\s*compatible-with=\d{1,3}")


def routes() -> APIRouter:
    """Return the routes; what is only there for its clients' questions is not part of our own schema."""
    router = APIRouter(tags=["intake"])
    for prefix in ("", "/elasticsearch"):
        _add_bulk(router, prefix)
        _add_questions(router, prefix)
    return router


def _add_bulk(router: APIRouter, prefix: str) -> None:
    async def bulk(request: Request) -> Response:
        """Take documents in pairs of lines: an action (`create`, `index`) and the document."""
        return await _taken(request, lambda body, at: elasticsearch.decode(body, "", at))

    async def bulk_of(request: Request, index: str) -> Response:
        """Take documents for one index."""
        _must_be_index(index)
        return await _taken(request, lambda body, at: elasticsearch.decode(body, index, at))

    async def one(request: Request, index: str) -> Response:
        """Take one document."""
        _must_be_index(index)
        return await _taken(request, lambda body, at: elasticsearch.decode_one(body, index, at), is_one=True)

    options: dict[str, Any] = {"methods": ["POST", "PUT"], "response_class": Response}
    for path in ("{index}/_bulk", "{index}/{kind}/_bulk"):
        router.add_api_route(f"{prefix}/{path}", bulk_of, include_in_schema=False, **options)
    for path in ("{index}/_doc", "{index}/_doc/{id}", "{index}/_create/{id}"):
        router.add_api_route(f"{prefix}/{path}", one, include_in_schema=False, **options)
    shown: dict[str, Any] = {"openapi_extra": _BODY, "responses": _RESPONSES} if not prefix else {}
    for method in ("POST", "PUT"):
        # one route a method: both stand in the schema, and an operation's id must be its own
        options["methods"] = [method]
        router.add_api_route(f"{prefix}/_bulk", bulk, include_in_schema=not prefix, **options, **shown)


def _must_be_index(index: str) -> None:
    """Refuse what lies under our own API: another scope opens it."""
    if index == "api":
        raise HTTPException(404, "there is no such route")


async def _taken(
    request: Request, decode: Callable[[bytes, int], elasticsearch.Bulk], *, is_one: bool = False
) -> Response:
    received_us = now_us()
    try:
        found = await decoded(lambda body: decode(body, received_us), await read_body(request))
        receipt = await submitted(request, found.batch)
    except FmAnomalyError as exc:
        refused = refusal_of(exc)
        cause = {"type": _TYPES.get(refused.status, "illegal_argument_exception"), "reason": refused.detail}
        told = {"error": {"root_cause": [cause], **cause}, "status": refused.status}
        return _answer(request, told, refused.status, refused.headers)
    if is_one:
        return _answer(request, found.items[0].to_dict(receipt.seq)["index"], 201)
    took_ms = max((now_us() - received_us) // 1_000, 0)
    return _answer(request, found.answer(receipt.seq, took_ms, is_brief="filter_path" in request.query_params))


async def about(request: Request) -> Response:
    """Tell a client at `/` what it talks to."""
    return _answer(request, _ABOUT)


def _add_questions(router: APIRouter, prefix: str) -> None:
    def add(path: str, told: dict[str, Any]) -> None:
        async def tell(request: Request) -> Response:
            """Tell what a client wants to know."""
            return _answer(request, told)

        router.add_api_route(f"{prefix}{path}", tell, methods=["GET", "HEAD"], include_in_schema=False)

    for path in ("", "/") if prefix else ("/",):
        add(path, _ABOUT)
    add("/_license", _LICENSE)
    add("/_xpack", {**_LICENSE, "features": {}})
    add("/_cluster/health", _HEALTH)

    async def health_in_text() -> Response:
        """Tell the one line of `_cat/health`."""
        return Response(
            "0 00:00:00 fm_anomaly green 1 1 0 0 0 0 0 0 - 100.0%\n", media_type="text/plain", headers=_PRODUCT
        )

    async def set_up(request: Request, name: str = "") -> Response:
        """Say that it is there, or has been made: nothing depends on it."""
        is_question = request.method in ("GET", "HEAD")
        return _answer(request, {name: {}} if is_question else {"acknowledged": True})

    router.add_api_route(f"{prefix}/_cat/health", health_in_text, methods=["GET", "HEAD"], include_in_schema=False)
    for kind in _SETUP:
        path = f"{prefix}/{kind}/{{name:path}}"
        router.add_api_route(path, set_up, methods=["GET", "HEAD", "PUT", "POST"], include_in_schema=False)


def _answer(
    request: Request, told: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """Return JSON, as the content type of its own that a client asks for, or as plain JSON."""
    own = _ITS_OWN.match(request.headers.get("accept", "").lower())
    return Response(msgspec.json.encode(told), status, {**_PRODUCT, **(headers or {})}, own[0] if own else _JSON)


_PRODUCT = {"X-Elastic-Product": "Elasticsearch"}
"""Clients send nothing to a server that does not say this."""
_LINES = '{"create":{}}\n{"@timestamp":"2026-03-02T10:00:00Z","message":"ERROR no prices","service":{"name":"shop"}}\n'
_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/x-ndjson": {"schema": {"type": "string"}, "example": _LINES}},
    }
}
_OBJECT = {_JSON: {"schema": {"type": "object"}}}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "A result for each item; those of status 201 are durable", "content": _OBJECT},
    400: {"description": "A line that cannot be read, by its number; nothing was taken", "content": _OBJECT},
    413: {"description": "Too large", "content": _OBJECT},
    415: {"description": "Another encoding", "content": _OBJECT},
    429: {"description": "Come again after `Retry-After` seconds", "content": _OBJECT},
    503: {"description": "Come again after `Retry-After` seconds", "content": _OBJECT},
}
