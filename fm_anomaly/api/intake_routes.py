"""Logs in by plain HTTP, and what became of them.

Bytes go through: a body is decoded into lines and handed to the intake, no model is built of it. It must not know how
batches are kept.
"""

from __future__ import annotations

from typing import Any, cast

import msgspec
from fastapi import APIRouter, HTTPException, Request, Response

from fm_anomaly.api.receiving import read_body, submitted, tenant_of
from fm_anomaly.ingest.batches import Batch
from fm_anomaly.ingest.log_lines import decode
from fm_anomaly.service.intake import Intake, Receipt
from fm_anomaly.service.running import Service

_TOLD_REJECTS = 20
_OF_ALL = ("waiting", "duplicates")
_encoder = msgspec.json.Encoder()

_LOGS_DOCS: dict[str, Any] = {
    "parameters": [
        {
            "name": "service",
            "in": "query",
            "schema": {"type": "string", "maxLength": 100, "default": "app"},
            "description": "the service of records that tell none",
        },
        {
            "name": "X-Batch-ID",
            "in": "header",
            "schema": {"type": "string", "maxLength": 256},
            "description": "a batch with an id that was taken within 24 hours is not taken again",
        },
    ],
    "requestBody": {
        "required": True,
        "content": {
            "application/x-ndjson": {
                "schema": {"type": "string"},
                "example": '{"timestamp": "2026-03-02T09:14:07Z", "level": "error", "event": "price refused"}\n',
            },
            "application/json": {"schema": {"type": "array", "items": {"type": "object"}}},
            "text/plain": {"schema": {"type": "string"}, "example": "2026-03-02 09:14:07 ERROR [cart] no price\n"},
        },
    },
}
_ANSWER = {
    "accepted": 1_000,
    "rejected": 1,
    "errors": [{"line": 17, "reason": "not a JSON object"}],
    "seq": 42,
    "duplicate": False,
}


def routes() -> APIRouter:
    """Return the routes of this module."""
    router = APIRouter(prefix="/api/v1")

    @router.post(
        "/logs",
        openapi_extra=_LOGS_DOCS,
        response_class=Response,
        responses={200: {"description": "kept", "content": {"application/json": {"example": _ANSWER}}}},
    )
    async def take_logs(request: Request) -> Response:
        """Take log lines: NDJSON, a JSON array or plain text, gzip or zstd if need be. Answered once they are durable.

        Lines that cannot be read are named and set aside, the others are taken; 400 where none can.
        """
        intake_of(request)
        body = await read_body(request)
        batch = decode(body, request.headers.get("content-type", ""), request.query_params.get("service", "app"))
        receipt = await submitted(request, batch)
        return Response(_encoder.encode(_told(batch, receipt)), media_type="application/json")

    @router.get("/intake")
    async def read_intake(request: Request) -> dict[str, Any]:
        """What became of every line: in total, by protocol, by service. Exact after any restart."""
        intake = intake_of(request)
        if not isinstance(intake, Service):
            raise HTTPException(404, "this service takes no logs in")
        told = await intake.accounting(tenant_of(request))
        # of all tenants together
        return told if request.state.caller.is_any else {k: v for k, v in told.items() if k not in _OF_ALL}

    return router


def intake_of(request: Request) -> Intake:
    """Return the intake; 404 where this process only reads."""
    intake = request.app.state.intake
    if intake is None:
        raise HTTPException(404, "this service takes no logs in: it was started to read only")
    return cast(Intake, intake)


def _told(batch: Batch, receipt: Receipt) -> dict[str, Any]:
    return {
        "accepted": 0 if receipt.is_duplicate else receipt.n_lines,
        "rejected": len(batch.rejected),
        "errors": [{"line": each.at, "reason": each.reason} for each in batch.rejected[:_TOLD_REJECTS]],
        "seq": receipt.seq,
        "duplicate": receipt.is_duplicate,
    }
