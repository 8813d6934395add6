"""Splunk's HTTP Event Collector: events, raw text, health and acknowledgements.

Statuses, codes and texts are Splunk's. Whatever has been answered with success is durable, so every acknowledgement
that was given out is true. Senders send again after 503.
"""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from fm_anomaly.api.clock import now_us
from fm_anomaly.api.receiving import decoded, read_body, refusal_of, submitted
from fm_anomaly.errors import FmAnomalyError
from fm_anomaly.ingest import splunk
from fm_anomaly.ingest.batches import Batch

_MAX_ACKS = 100_000


def routes() -> APIRouter:
    """Return the routes, with and without the version in their paths."""
    router = APIRouter(prefix="/services/collector", tags=["intake"])

    async def events(request: Request) -> Response:
        """Take events: JSON objects one after the other."""
        return await _taken(request, splunk.decode_events)

    async def raw(request: Request) -> Response:
        """Take lines of text; `source`, `sourcetype` and `host` stand in the query."""
        return await _taken(request, splunk.decode_raw)

    async def health() -> Response:
        """Say that events are taken."""
        return _answer(200, "HEC is healthy", 17)

    async def ack(request: Request) -> Response:
        """Say which acknowledgements are reached: all that can have been given out."""
        try:
            asked = msgspec.json.decode(await read_body(request))
            ids = asked["acks"][:_MAX_ACKS]
            told = {str(each): True for each in ids if type(each) is int and each >= 0}
        except (FmAnomalyError, msgspec.MsgspecError, ValueError, TypeError, KeyError):
            return _answer(400, "Invalid data format", 6)
        return Response(msgspec.json.encode({"acks": told}), media_type="application/json")

    post: dict[str, Any] = {"methods": ["POST"], "response_class": Response, "responses": _RESPONSES}
    router.add_api_route("", events, openapi_extra=_EVENTS, **post)
    for path in ("/event", "/event/1.0"):
        router.add_api_route(path, events, include_in_schema=False, **post)
    router.add_api_route("/raw", raw, openapi_extra=_RAW, **post)
    router.add_api_route("/raw/1.0", raw, include_in_schema=False, **post)
    router.add_api_route("/ack", ack, include_in_schema=False, **post)
    for path in ("/health", "/health/1.0"):
        router.add_api_route(path, health, methods=["GET", "HEAD"], include_in_schema=False)
    return router


async def _taken(request: Request, decode: Any) -> Response:
    origin = splunk.Origin(*(request.query_params.get(name, "") for name in ("source", "sourcetype", "host")))
    received_us = now_us()
    try:
        batch: Batch = await decoded(lambda body: decode(body, received_us, origin), await read_body(request))
        receipt = await submitted(request, batch)
    except splunk.EventError as exc:
        place = {"invalid-event-number": exc.at} if exc.code != 5 else {}
        return _answer(400, str(exc), exc.code, more=place)
    except FmAnomalyError as exc:
        refused = refusal_of(exc)
        if refused.status in (429, 503):
            return _answer(503, "Server is busy", 9, refused.headers)
        return _answer(refused.status, refused.detail, 6)
    channel = request.headers.get("x-splunk-request-channel") or request.query_params.get("channel")
    return _answer(200, "Success", 0, more={"ackId": receipt.seq} if channel else {})


def _answer(
    status: int, text: str, code: int, headers: dict[str, str] | None = None, more: dict[str, int] | None = None
) -> Response:
    body = msgspec.json.encode({"text": text, "code": code, **(more or {})})
    return Response(body, status, headers, "application/json")


_EXAMPLE = '{"time":1772445600.25,"source":"shop","event":"ERROR no prices"}'
_EVENTS = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object"}, "example": msgspec.json.decode(_EXAMPLE)}},
    }
}
_RAW = {
    "requestBody": {
        "required": True,
        "content": {"text/plain": {"schema": {"type": "string"}, "example": "ERROR no prices"}},
    }
}
_OBJECT = {"application/json": {"schema": {"type": "object"}}}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "Taken and durable; with `ackId` where the request names a channel", "content": _OBJECT},
    400: {"description": "Splunk's code and the number of the event that cannot be read", "content": _OBJECT},
    413: {"description": "Too large", "content": _OBJECT},
    415: {"description": "Another encoding", "content": _OBJECT},
    503: {"description": "Code 9, server is busy: come again after `Retry-After` seconds", "content": _OBJECT},
}
