"""Templates: search, one with its lineage and samples, how often it came; names and merges that people give.

Knows the store's readers and the commands that people's actions become, and nothing of how templates are mined.
"""

from __future__ import annotations

from asyncio import to_thread
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Query, Request, Response
from pydantic import BaseModel, Field

from fm_anomaly.api.asking import READS, WRITES, Id, Service, TheStore, TheTenant, say_page
from fm_anomaly.api.commanding import Asked, EffectBody, TheCommands
from fm_anomaly.api.schemas import EvidenceLine, Moment, Name, PageQuery, moment_us
from fm_anomaly.core.commands import CommandKind
from fm_anomaly.storage import Store, tables
from fm_anomaly.storage.catalogue import (
    CatalogueTemplate,
    TemplateFilter,
    aliases,
    catalogue,
    samples,
    template_places,
)
from fm_anomaly.storage.counts import Point, SeriesKey, points
from fm_anomaly.storage.timestamps import optional_iso, to_iso

router = APIRouter(responses=READS, tags=["templates"])

_STEPS = {"minute": tables.MINUTE_S, "hour": tables.HOUR_S, "day": tables.DAY_S}
_MAX_POINTS = 2_000
_US = 1_000_000


class TemplateQuery(PageQuery):
    """What the list of templates takes."""

    q: Name | None = Field(default=None, description="looked for in text, name, event key; or the beginning of an id")
    service: Name | None = None
    errors_only: bool = False
    new_since: Moment | None = Field(default=None, description="first seen at or after")
    order: Literal["newest", "count"] = "newest"
    with_merged: bool = Field(default=False, description="also those that another one stands for")


class Rename(Asked):
    """A name for a template."""

    name: Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")] = Field(examples=["payment declined"])
    service: Name | None = Field(default=None, description="which one, where several services write it")


class Merge(Asked):
    """The other template."""

    other: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00]*$")] = Field(
        description="its id, or a unique beginning of it"
    )
    service: Name | None = Field(default=None, description="which one, where several services write it")


class TemplateBody(BaseModel):
    """A template of one service."""

    template_id: str
    service: str
    name: str = Field(description="what people call it; empty where nobody named it")
    template: str
    event_key: str
    count: int
    errors: int
    severity: int = Field(description="highest seen, number of OpenTelemetry's log model")
    first: str | None
    last: str | None
    sample: str
    is_coarse: bool = Field(description="the catch-all of a service whose templates exploded")
    merged_into: str | None

    @classmethod
    def from_stored(cls, template: CatalogueTemplate) -> TemplateBody:
        """Return the body of a stored template."""
        return cls.model_validate(_fields(template))


class TemplateDetailBody(TemplateBody):
    """A template asked for by its id, with where it came from."""

    birth_text: str = Field(description="the text it was born with; `template` may have widened since")
    aliases: list[str] = Field(description="ids that it stands for")
    other_services: list[str] = Field(description="services that write the same message")
    samples: list[EvidenceLine]


class HistoryPoint(BaseModel):
    """How often a template came in one span; spans without it are left out."""

    start: str
    count: int
    errors: int

    @classmethod
    def from_point(cls, point: Point) -> HistoryPoint:
        """Return the body of a point."""
        return cls(start=to_iso(point.start_us), count=point.count, errors=point.errors)


class HistoryQuery(BaseModel):
    """What the history of a template takes."""

    service: Name | None = None
    step: Literal["minute", "hour", "day"] = "hour"
    since: Moment | None = None
    until: Moment | None = None


@router.get("/templates")
def list_templates(
    request: Request,
    response: Response,
    store: TheStore,
    tenant: TheTenant,
    query: Annotated[TemplateQuery, Query()],
) -> list[TemplateBody]:
    """Templates, the newest first or the most frequent; pages as for alerts."""
    where = TemplateFilter(
        text=query.q,
        service=query.service,
        errors_only=query.errors_only,
        new_since_us=moment_us(query.new_since),
        with_merged=query.with_merged,
    )
    page = catalogue(store, tenant, where, by_count=query.order == "count", limit=query.limit, cursor=query.cursor)
    say_page(request, response, page)
    return [TemplateBody.from_stored(each) for each in page.items]


@router.get("/templates/{template_id}")
def read_template(template_id: Id, store: TheStore, tenant: TheTenant, service: Service = None) -> TemplateDetailBody:
    """One template by its id, a unique beginning of it, or an alias; of one service where several write it."""
    found, others = the_template(store, tenant, template_id, service)
    lines = samples(store, tenant, found.service, found.template_id)
    return TemplateDetailBody.model_validate(
        {
            **_fields(found),
            "birth_text": found.birth_text or found.template,
            "aliases": list(aliases(store, tenant, found.service, found.template_id)),
            "other_services": others,
            "samples": [
                EvidenceLine(
                    source=each.source,
                    line=each.line,
                    timestamp=optional_iso(each.ts_us),
                    service=each.service,
                    text=each.text,
                )
                for each in lines
            ],
        }
    )


@router.get("/templates/{template_id}/history")
def read_history(
    template_id: Id, store: TheStore, tenant: TheTenant, query: Annotated[HistoryQuery, Query()]
) -> list[HistoryPoint]:
    """How often a template came, with what it stands for: the last 2,000 spans of the step, oldest first."""
    found, _ = the_template(store, tenant, template_id, query.service)
    step_s = _STEPS[query.step]
    until_us = moment_us(query.until)
    end_us = (found.last_us or 0) + 1 if until_us is None else until_us
    since_us = moment_us(query.since)
    oldest_us = end_us - _MAX_POINTS * step_s * _US
    start_us = oldest_us if since_us is None else max(since_us, oldest_us)
    merged = aliases(store, tenant, found.service, found.template_id)
    key = SeriesKey(found.service, "template", found.template_id)
    return [HistoryPoint.from_point(each) for each in points(store, tenant, key, step_s, start_us, end_us, merged)]


@router.post("/templates/{template_id}/rename", responses=WRITES)
async def rename_template(template_id: Id, asked: Rename, store: TheStore, commands: TheCommands) -> EffectBody:
    """Give a template a name that people know it by; an empty one takes it back."""
    found, _ = await to_thread(the_template, store, commands.tenant, template_id, asked.service)
    return await commands.give(CommandKind.RENAME, found.template_id, service=found.service, text=asked.name)


@router.post("/templates/{template_id}/merge", responses=WRITES)
async def merge_templates(template_id: Id, asked: Merge, store: TheStore, commands: TheCommands) -> EffectBody:
    """Say that two templates of a service are one event: the older one's id stays, the other is its alias."""
    found, _ = await to_thread(the_template, store, commands.tenant, template_id, asked.service)
    other, _ = await to_thread(the_template, store, commands.tenant, asked.other, found.service)
    return await commands.give(CommandKind.MERGE, found.template_id, service=found.service, other=other.template_id)


def the_template(
    store: Store, tenant: str, template_id: str, service: str | None
) -> tuple[CatalogueTemplate, list[str]]:
    """Return the template in that service, or in the one that writes it most, and the other services; or answer 404."""
    places = template_places(store, tenant, template_id)
    wanted = [each for each in places if service is None or each.service == service]
    if not wanted:
        raise HTTPException(404, "there is no template of this id here, or several begin with it")
    found = max(wanted, key=lambda each: (each.count, each.service))
    return found, [each.service for each in places if each.service != found.service]


def _fields(template: CatalogueTemplate) -> dict[str, object]:
    left_out = ("first", "last")
    same = {name: getattr(template, name) for name in TemplateBody.model_fields if name not in left_out}
    return same | {"first": optional_iso(template.first_us), "last": optional_iso(template.last_us)}
