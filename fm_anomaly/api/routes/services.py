"""Services with what has been learned of them, and the digest: what is worth a line but no page.

Knows the store's readers and nothing of detectors.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from fm_anomaly.api.asking import READS, TheStore, TheTenant, say_page
from fm_anomaly.api.schemas import ServiceSpanQuery
from fm_anomaly.storage.catalogue import StoredDigest, StoredService, digest, services
from fm_anomaly.storage.timestamps import to_iso

router = APIRouter(responses=READS, tags=["services"])


class ServiceBody(BaseModel):
    """A service: totals since the pipeline began, and how far it has taught the detectors."""

    service: str
    records: int
    errors: int
    templates: int
    learned_s: int = Field(description="seconds of its history that the detectors know")
    ready: dict[str, bool] = Field(description="for each detector whether its warm-up is over")
    is_learning: bool = Field(description="whether a detector still warms up")
    health: str = Field(description="good or degraded: whether its templates can be trusted")
    as_of: str

    @classmethod
    def from_stored(cls, service: StoredService) -> ServiceBody:
        """Return the body of a stored service."""
        same = {name: getattr(service, name) for name in cls.model_fields if name not in ("as_of", "is_learning")}
        is_learning = not service.ready or not all(service.ready.values())
        return cls.model_validate(same | {"as_of": to_iso(service.as_of_us), "is_learning": is_learning})


class DigestBody(BaseModel):
    """A finding worth a line but no page."""

    kind: str
    service: str
    subject: str
    title: str
    reason: str
    start: str
    count: int
    template_ids: list[str]

    @classmethod
    def from_stored(cls, entry: StoredDigest) -> DigestBody:
        """Return the body of a stored entry."""
        same = {name: getattr(entry, name) for name in cls.model_fields if name != "start"}
        return cls.model_validate(same | {"start": to_iso(entry.start_us)})


@router.get("/services")
def list_services(response: Response, store: TheStore, tenant: TheTenant) -> list[ServiceBody]:
    """All services, most records first; brought up to date every five minutes of event time."""
    found = services(store, tenant)
    response.headers["X-Total-Count"] = str(len(found))
    return [ServiceBody.from_stored(each) for each in found]


@router.get("/digest")
def read_digest(
    request: Request,
    response: Response,
    store: TheStore,
    tenant: TheTenant,
    query: Annotated[ServiceSpanQuery, Query()],
) -> list[DigestBody]:
    """What was found and not told, latest start first; pages as for alerts."""
    page = digest(store, tenant, query.span(), limit=query.limit, cursor=query.cursor)
    say_page(request, response, page)
    return [DigestBody.from_stored(each) for each in page.items]
