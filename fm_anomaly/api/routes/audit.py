"""The audit: what people did, with its effect.

Knows the store's reader and nothing of what commands do.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from fm_anomaly.api.asking import READS, TheStore, TheTenant, say_page
from fm_anomaly.api.schemas import PageQuery
from fm_anomaly.storage.people import StoredCommand, commands
from fm_anomaly.storage.timestamps import to_iso

router = APIRouter(responses=READS, tags=["audit"])


class CommandBody(BaseModel):
    """One thing that somebody did."""

    command_id: str
    kind: str
    actor: str
    at: str
    details: dict[str, Any] = Field(description="the command as it stands in the log")
    effect: dict[str, Any]

    @classmethod
    def from_stored(cls, command: StoredCommand) -> CommandBody:
        """Return the body of a stored command."""
        same = {name: getattr(command, name) for name in cls.model_fields if name != "at"}
        return cls.model_validate(same | {"at": to_iso(command.at_us)})


@router.get("/audit")
def list_commands(
    request: Request,
    response: Response,
    store: TheStore,
    tenant: TheTenant,
    query: Annotated[PageQuery, Query()],
) -> list[CommandBody]:
    """What people did, newest first; pages as for alerts."""
    page = commands(store, tenant, limit=query.limit, cursor=query.cursor)
    say_page(request, response, page)
    return [CommandBody.from_stored(each) for each in page.items]
