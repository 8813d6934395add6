"""The event stream: what happens to alerts and incidents, as server-sent events that can be resumed.

The id of each is its number in the store, so that a restart of the service is as good as a lost connection. Knows
the feed and the store's readers.
"""

from __future__ import annotations

import json
from asyncio import to_thread
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Header, HTTPException, Query, Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from fm_anomaly.api.asking import READS, WRITES, TheCaller, TheGate, TheStore, TheTenant
from fm_anomaly.api.feed import Feed
from fm_anomaly.api.schemas import AlertBody, EventBody
from fm_anomaly.storage import Store, alert
from fm_anomaly.storage.timelines import StoredEvent

router = APIRouter(responses=READS, tags=["stream"])

_MAX_NUMBER = 2**63 - 1
_RETRY_MS = 3_000

MayGoOn = Callable[[], Awaitable[bool]]


@router.get(
    "/stream",
    response_class=StreamingResponse,
    responses={
        200: {
            "content": {
                "text/event-stream": {
                    "schema": {"type": "string"},
                    "example": 'id: 17\nevent: triggered\ndata: {"event_no": 17, "alert": {…}}\n\n',
                }
            },
            "description": "events as they happen; a comment line every 15 s without one",
        },
        429: WRITES[429],
    },
)
async def stream(
    request: Request,
    store: TheStore,
    tenant: TheTenant,
    gate: TheGate,
    caller: TheCaller,
    last_event_id: Annotated[str | None, Header(max_length=32, description="the last id that was received")] = None,
    after: Annotated[
        int | None, Query(ge=0, le=_MAX_NUMBER, description="begin behind this number; 0 is from the first")
    ] = None,
) -> StreamingResponse:
    """Events from now on, or behind `Last-Event-ID`: `id` is the event's number, `event` its action, `data` JSON."""
    feed: Feed = request.app.state.feed
    newest = await feed.newest(tenant)
    start = newest if after is None else after
    if last_event_id:
        start = _number(last_event_id)
    # a number that is not there yet is of another store: its events would be missed for ever
    start = min(start, newest)
    return _Streaming(feed, store, tenant, start, partial(gate.is_still_admitted, caller))


class _Streaming(StreamingResponse):
    """The answer, which holds a place among those who listen from its making to its end."""

    def __init__(self, feed: Feed, store: Store, tenant: str, start: int, may_go_on: MayGoOn) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(_told(feed, store, tenant, start, may_go_on), media_type="text/event-stream", headers=headers)
        self._feed, self._tenant = feed, tenant
        feed.enter(tenant)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._feed.leave(self._tenant)


async def _told(feed: Feed, store: Store, tenant: str, start: int, may_go_on: MayGoOn) -> AsyncIterator[bytes]:
    yield f"retry: {_RETRY_MS}\n\n".encode()
    async for event in feed.events(tenant, start):
        # a key that was revoked, or a session that has ended, hears nothing more
        if not await may_go_on():
            return
        if event is None:
            yield b": nothing new\n\n"
            continue
        body = await to_thread(_body, store, tenant, event)
        said = json.dumps(body, ensure_ascii=True, separators=(",", ":"))
        yield f"id: {event.event_no}\nevent: {event.action}\ndata: {said}\n\n".encode()


def _body(store: Store, tenant: str, event: StoredEvent) -> dict[str, Any]:
    told = EventBody.from_stored(event).model_dump()
    found = alert(store, tenant, event.alert_id) if event.alert_id is not None else None
    return told | {"alert": None if found is None else AlertBody.from_stored(found).model_dump()}


def _number(last_event_id: str) -> int:
    if not last_event_id.isascii() or not last_event_id.isdigit() or int(last_event_id) > _MAX_NUMBER:
        raise HTTPException(400, "Last-Event-ID is the id of an event that was received: a number")
    return int(last_event_id)
