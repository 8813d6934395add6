"""Loki: `POST /loki/api/v1/push` and the `/ready` that its agents ask first.

Answers are Loki's: 204 without a body; errors as plain text. Agents send again after 429 and 5xx, and drop what was
answered otherwise; as with Loki, 400 may mean that all but the entries named have been taken.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from fm_anomaly.api.clock import now_us
from fm_anomaly.api.receiving import decoded, read_body, refusal_of, submitted
from fm_anomaly.errors import FmAnomalyError
from fm_anomaly.ingest import loki
from fm_anomaly.ingest.batches import Batch

_EXAMPLE = {"streams": [{"stream": {"service_name": "shop"}, "values": [["1772445600000000000", "ERROR no prices"]]}]}


def routes() -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["intake"])

    @router.post("/api/prom/push", include_in_schema=False)
    @router.post(
        "/loki/api/v1/push", status_code=204, response_class=Response, responses=_RESPONSES, openapi_extra=_BODY
    )
    async def push(request: Request) -> Response:
        """Take streams of entries, as JSON or as protobuf in a raw block of snappy."""
        try:
            media = loki.media_type(request.headers.get("content-type", ""))
            received_us = now_us()
            body = await _read(request, media)
            batch = await decoded(lambda data: loki.decode(data, media, received_us), body)
            await submitted(request, batch)
        except FmAnomalyError as exc:
            refused = refusal_of(exc)
            return PlainTextResponse(refused.detail + "\n", refused.status, refused.headers)
        return _partly(batch) if batch.rejected else Response(status_code=204)

    @router.get("/ready", include_in_schema=False)
    async def ready() -> PlainTextResponse:
        """Say that entries are taken."""
        return PlainTextResponse("ready\n")

    return router


async def _read(request: Request, media: str) -> bytes:
    """Return the body; snappy is part of the message, though some agents name it as the encoding too."""
    if media == loki.PROTOBUF and request.headers.get("content-encoding", "").strip().lower() == "snappy":
        headers = [pair for pair in request.scope["headers"] if pair[0] != b"content-encoding"]
        request = Request({**request.scope, "headers": headers}, request.receive)
    return await read_body(request)


def _partly(batch: Batch) -> Response:
    first, n = batch.rejected[0], len(batch.rejected)
    told = f"entry {first.at}: {first.reason}; {n} rejected, {batch.n_lines} lines taken\n"
    return PlainTextResponse(told, 400)


_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            loki.JSON: {"schema": {"type": "object"}, "example": _EXAMPLE},
            loki.PROTOBUF: {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
_TEXT = {"text/plain": {"schema": {"type": "string"}}}
_RESPONSES: dict[int | str, dict[str, object]] = {
    204: {"description": "Taken and durable"},
    400: {"description": "Cannot be read; the text says what was taken all the same", "content": _TEXT},
    413: {"description": "Too large", "content": _TEXT},
    415: {"description": "Another content type or encoding", "content": _TEXT},
    429: {"description": "Come again after `Retry-After` seconds", "content": _TEXT},
    503: {"description": "Come again after `Retry-After` seconds", "content": _TEXT},
}
