"""Markers: deploys and changes that people or pipelines of theirs note.

Knows the store's readers and the command that a note becomes.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from fm_anomaly.api.asking import READS, WRITES, TheStore, TheTenant, say_page
from fm_anomaly.api.commanding import Asked, EffectBody, TheCommands
from fm_anomaly.api.schemas import Moment, Name, ServiceSpanQuery, moment_us
from fm_anomaly.core.commands import CommandKind
from fm_anomaly.storage.timelines import StoredMarker, markers
from fm_anomaly.storage.timestamps import to_iso

router = APIRouter(responses=READS, tags=["markers"])


class NewMarker(Asked):
    """A deploy or change to be noted."""

    title: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")] = Field(examples=["api 1.4.2"])
    service: Name = Field(default="", description="empty: all services", examples=["api"])
    at: Moment | None = Field(default=None, description="when; now where it is left out")


class MarkerBody(BaseModel):
    """A deploy or change."""

    marker_id: str
    at: str
    service: str = Field(description="empty: all services")
    title: str
    actor: str

    @classmethod
    def from_stored(cls, marker: StoredMarker) -> MarkerBody:
        """Return the body of a stored marker."""
        same = {name: getattr(marker, name) for name in cls.model_fields if name != "at"}
        return cls.model_validate(same | {"at": to_iso(marker.at_us)})


@router.get("/markers")
def list_markers(
    request: Request,
    response: Response,
    store: TheStore,
    tenant: TheTenant,
    query: Annotated[ServiceSpanQuery, Query()],
) -> list[MarkerBody]:
    """Markers, newest first; pages as for alerts."""
    page = markers(store, tenant, query.span(), limit=query.limit, cursor=query.cursor)
    say_page(request, response, page)
    return [MarkerBody.from_stored(each) for each in page.items]


@router.post("/markers", responses=WRITES, status_code=201)
async def add_marker(asked: NewMarker, commands: TheCommands) -> EffectBody:
    """Note a deploy or change; incidents that begin in the half hour after it name it in their reason."""
    at_us = moment_us(asked.at)
    return await commands.give(CommandKind.MARKER, service=asked.service, at_us=at_us, text=asked.title)
