"""What the routes of all protocols share: a body in, a decoder over it, the batch to the intake, and refusals by kind.

Each protocol's router says the answers in its own words; which status a refusal has is decided here. Must not know
any protocol.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from starlette.requests import Request

from fm_anomaly.api.bodies import BodyReader
from fm_anomaly.errors import BusyError, DecodeError, DiskFullError, FmAnomalyError
from fm_anomaly.ingest.batches import Batch
from fm_anomaly.service.intake import Intake, Receipt
from fm_anomaly.service.running import Service

_INLINE_BYTES = 1 << 18
"""A larger body is decoded in a thread, so that the others need not wait."""
_MAX_BATCH_ID = 256

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing was taken."""

    status: int
    """400, 408, 413, 415: sending the same again is of no use; 429 and 503: it may be sent again."""
    detail: str
    retry_after_s: int = 0

    @property
    def headers(self) -> dict[str, str]:
        """The headers that go with it."""
        return {"Retry-After": str(self.retry_after_s)} if self.retry_after_s else {}


async def read_body(request: Request) -> bytes:
    """Return the decompressed body, within the limits that all routes share. Raises DecodeError and BusyError.

    Where there is no room for it, that is said before work is spent on it.
    """
    bodies: BodyReader = request.app.state.bodies
    intake: Intake | None = request.app.state.intake
    return await (bodies.read(request, intake.look_for_room) if isinstance(intake, Service) else bodies.read(request))


async def decoded(decode: Callable[[bytes], T], body: bytes) -> T:
    """Return what a decoder makes of a body; a large one is decoded beside the event loop. Raises DecodeError."""
    return decode(body) if len(body) <= _INLINE_BYTES else await asyncio.to_thread(decode, body)


async def submitted(request: Request, batch: Batch) -> Receipt:
    """Return the receipt of a batch once it is durable; `X-Batch-ID` makes it exactly once.

    Raises what `Intake.submit` raises, and BusyError where this process takes nothing in.
    """
    intake: Intake | None = request.app.state.intake
    if intake is None:
        raise BusyError("this process only reads; send to one that takes logs in", 60)
    if not batch.parts:
        return Receipt(0, 0)
    batch_id = request.headers.get("x-batch-id")
    if batch_id is not None and not 1 <= len(batch_id) <= _MAX_BATCH_ID:
        raise DecodeError(f"X-Batch-ID is empty or longer than {_MAX_BATCH_ID} characters")
    tenant, quotas = tenant_of(request), request.app.state.gate.params.quotas
    if wait_s := quotas.text(tenant, sum(len(part.data) for part in batch.parts), time.monotonic()):
        raise BusyError("this tenant has sent as much text as it may for now", wait_s)
    receipt = await intake.submit(tenant, batch, batch_id)
    # the number counts the entries of all tenants
    return receipt if request.state.caller.is_any else replace(receipt, seq=0)


def tenant_of(request: Request) -> str:
    """Return whose logs a request brings: the credential's tenant, else the process's."""
    tenant: str = getattr(request.state, "tenant", None) or request.app.state.tenant
    return tenant


def refusal_of(exc: FmAnomalyError) -> Refusal:
    """Return the status and the words for an exception of the way in."""
    if isinstance(exc, DecodeError):
        return Refusal(exc.status, str(exc))
    if isinstance(exc, BusyError):
        return Refusal(429, str(exc), exc.retry_after_s)
    if isinstance(exc, DiskFullError):
        return Refusal(503, str(exc), 30)
    return Refusal(503, str(exc), 5)
