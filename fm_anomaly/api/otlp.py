"""OTLP/HTTP: `POST /v1/logs`, answers in the encoding of the request.

Follows the OTLP specification 1.x: 200 with partial success, a `google.rpc.Status` else; exporters send again after
429 and 503, and drop what was answered otherwise.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from fm_anomaly.api.clock import now_us
from fm_anomaly.api.receiving import decoded, read_body, refusal_of, submitted
from fm_anomaly.errors import FmAnomalyError
from fm_anomaly.ingest import otlp

_CODES = {429: 8, 503: 14}
"""HTTP status → gRPC code; 3, invalid argument, for all others."""
_EXAMPLE = {
    "resourceLogs": [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
            "scopeLogs": [
                {
                    "scope": {"name": "shop.cart"},
                    "logRecords": [
                        {
                            "timeUnixNano": "1772445600000000000",
                            "severityNumber": 17,
                            "body": {"stringValue": "cannot reach the price list"},
                        }
                    ],
                }
            ],
        }
    ]
}


def routes() -> APIRouter:
    """Return the route, under its own path and the one that Loki has for OTLP."""
    router = APIRouter(tags=["intake"])

    @router.post("/otlp/v1/logs", include_in_schema=False)
    @router.post("/v1/logs", response_class=Response, responses=_RESPONSES, openapi_extra=_BODY)
    async def export_logs(request: Request) -> Response:
        """Take an OTLP `ExportLogsServiceRequest`, protobuf or JSON, gzip if you like."""
        media = otlp.JSON if "json" in request.headers.get("content-type", "").lower() else otlp.PROTOBUF
        try:
            media = otlp.media_type(request.headers.get("content-type", ""))
            received_us = now_us()
            batch = await decoded(lambda body: otlp.decode(body, media, received_us), await read_body(request))
            await submitted(request, batch)
        except FmAnomalyError as exc:
            refused = refusal_of(exc)
            told = otlp.error(_CODES.get(refused.status, 3), refused.detail, media)
            return Response(told, refused.status, refused.headers, media)
        return Response(otlp.answer(batch.rejected, media), 200, media_type=media)

    return router


_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            otlp.JSON: {"schema": {"type": "object"}, "example": _EXAMPLE},
            otlp.PROTOBUF: {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
_STATUS = {otlp.JSON: {"schema": {"type": "object"}}, otlp.PROTOBUF: {"schema": {"type": "string", "format": "binary"}}}
_RESPONSES: dict[int | str, dict[str, object]] = {
    200: {"description": "Taken and durable; `partialSuccess` tells of records that were not", "content": _STATUS},
    400: {"description": "No such message", "content": _STATUS},
    413: {"description": "Too large", "content": _STATUS},
    415: {"description": "Another content type or encoding", "content": _STATUS},
    429: {"description": "Come again after `Retry-After` seconds", "content": _STATUS},
    503: {"description": "Come again after `Retry-After` seconds", "content": _STATUS},
}
