"""What routes ask of a request: whose it is, the store, a person's command, and how a page says where it goes on.

The tenant and the actor are those that access control found (`request.state`), else the application's own. Knows no
resource.
"""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, HTTPException, Path, Query, Request, Response

from fm_anomaly.api.access import ANONYMOUS, Caller, Gate
from fm_anomaly.api.schemas import ErrorBody
from fm_anomaly.service.intake import Intake
from fm_anomaly.storage import Page, Store

_PLAIN = r"^[^\x00-\x1f\x7f]*$"

Id = Annotated[str, Path(min_length=1, max_length=128, pattern=_PLAIN)]
"""An id in a path: nothing that a database or a header could stumble over."""
Service = Annotated[str | None, Query(max_length=256, pattern=_PLAIN, description="name of the service")]

READS: dict[int | str, dict[str, type[ErrorBody]]] = {code: {"model": ErrorBody} for code in (400, 404, 422, 503)}
"""What any route that reads may answer besides its own."""
WRITES = READS | {code: {"model": ErrorBody} for code in (409, 415, 429, 507)}
"""What any route that gives a command may answer besides its own."""


def store_of(request: Request) -> Store:
    """Return the store of the application."""
    store: Store = request.app.state.store
    return store


def tenant_of(request: Request) -> str:
    """Return the tenant whose credential came with the request."""
    tenant: str = getattr(request.state, "tenant", None) or request.app.state.tenant
    return tenant


def actor_of(request: Request) -> str:
    """Return who acts."""
    actor: str = getattr(request.state, "actor", None) or ANONYMOUS
    return actor


def caller_of(request: Request) -> Caller:
    """Return who asks, as access control found."""
    caller: Caller = request.state.caller
    return caller


def gate_of(request: Request) -> Gate:
    """Return what decides who may ask."""
    gate: Gate = request.app.state.gate
    return gate


def intake_of(request: Request) -> Intake:
    """Return what takes commands; 503 where this process only reads a store."""
    intake: Intake | None = request.app.state.intake
    if intake is None:
        raise HTTPException(503, "this service only reads a store; start `fm-anomaly serve` with intake for changes")
    return intake


TheStore = Annotated[Store, Depends(store_of)]
TheTenant = Annotated[str, Depends(tenant_of)]
TheActor = Annotated[str, Depends(actor_of)]
TheCaller = Annotated[Caller, Depends(caller_of)]
TheGate = Annotated[Gate, Depends(gate_of)]
TheIntake = Annotated[Intake, Depends(intake_of)]


def say_page(request: Request, response: Response, page: Page[Any]) -> None:
    """Tell the total of a list, and where its next page is."""
    response.headers["X-Total-Count"] = str(page.total)
    if page.next_cursor is not None:
        same = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
        following = f"{request.url.path}?{urlencode([*same, ('cursor', page.next_cursor)])}"
        response.headers["X-Next-Cursor"] = page.next_cursor
        response.headers["Link"] = f'<{following}>; rel="next"'
