"""The audit: who did what, on what, with which outcome.

Knows the store's reader and nothing of what commands do.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from fm_anomaly.api.asking import READS, TheStore, TheTenant, say_page
from fm_anomaly.api.schemas import PageQuery
from fm_anomaly.storage.audit import AuditRow, audit_page
from fm_anomaly.storage.timestamps import to_iso

router = APIRouter(responses=READS, tags=["audit"])


class AuditBody(BaseModel):
    """One thing that somebody did, or was refused."""

    audit_no: int
    at: str
    actor: str
    action: str = Field(examples=["silence", "key_created", "signed_in", "refused"])
    subject: str = Field(description="id of what it was done to")
    outcome: str = Field(description="done or refused")
    details: dict[str, Any] = Field(description="of a command: what was said, and its effect")
    hash: str = Field(description="of this row and all before it")

    @classmethod
    def from_stored(cls, row: AuditRow) -> AuditBody:
        """Return the body of a stored row."""
        same = {name: getattr(row, name) for name in cls.model_fields if name not in ("at", "details")}
        return cls.model_validate(same | {"at": to_iso(row.at_us), "details": json.loads(row.details)})


@router.get("/audit")
def list_audit(
    request: Request,
    response: Response,
    store: TheStore,
    tenant: TheTenant,
    query: Annotated[PageQuery, Query()],
) -> list[AuditBody]:
    """What people did, newest first; pages as for alerts. `fm-anomaly audit verify` checks the chain of hashes."""
    page = audit_page(store, tenant, limit=query.limit, cursor=query.cursor)
    say_page(request, response, page)
    return [AuditBody.from_stored(each) for each in page.items]
