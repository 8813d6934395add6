"""Alerts: the list, one with its history, its evidence and its series; taking one on, closing it, speaking of it.

Knows the store's readers and the commands that people's actions become, and nothing of how alerts come about.
"""

from __future__ import annotations

from asyncio import to_thread
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request, Response
from pydantic import BaseModel, Field

from fm_anomaly.api.asking import READS, WRITES, Id, TheStore, TheTenant, say_page
from fm_anomaly.api.commanding import Asked, EffectBody, MustSay, TheCommands
from fm_anomaly.api.schemas import AlertBody, AlertDetailBody, AlertQuery, EventBody, EvidenceLine, SeriesBody
from fm_anomaly.core.commands import CommandKind
from fm_anomaly.storage import Store, StoredAlert, alert, alert_history, alerts
from fm_anomaly.storage.catalogue import samples
from fm_anomaly.storage.counts import series_around
from fm_anomaly.storage.timestamps import optional_iso

router = APIRouter(responses=READS, tags=["alerts"])

_TEMPLATES = 5


class Comment(Asked):
    """A comment."""

    text: MustSay = Field(examples=["the replica was rebuilt, watching it"])


class TemplateSamples(BaseModel):
    """Redacted lines of one template that an alert is about, newest first."""

    template_id: str
    lines: list[EvidenceLine]


class EvidenceBody(BaseModel):
    """The lines behind an alert: those of the moment it fired, and more of its templates."""

    evidence: list[EvidenceLine]
    samples: list[TemplateSamples]


@router.get("/alerts")
def list_alerts(
    request: Request,
    response: Response,
    store: TheStore,
    tenant: TheTenant,
    query: Annotated[AlertQuery, Query()],
) -> list[AlertBody]:
    """Alerts, latest start first; `X-Total-Count` counts all, `X-Next-Cursor` leads to the next page."""
    page = alerts(store, tenant, query.alerts(), limit=query.limit, cursor=query.cursor)
    say_page(request, response, page)
    return [AlertBody.from_stored(each) for each in page.items]


@router.get("/alerts/{alert_id}")
def read_alert(alert_id: Id, store: TheStore, tenant: TheTenant) -> AlertDetailBody:
    """One alert with its history."""
    return AlertDetailBody.from_history(the_alert(store, tenant, alert_id), alert_history(store, tenant, alert_id))


@router.get("/alerts/{alert_id}/timeline")
def read_alert_timeline(alert_id: Id, store: TheStore, tenant: TheTenant) -> list[EventBody]:
    """What happened to an alert, oldest first."""
    the_alert(store, tenant, alert_id)
    return [EventBody.from_stored(each) for each in alert_history(store, tenant, alert_id)]


@router.get("/alerts/{alert_id}/evidence")
def read_alert_evidence(alert_id: Id, store: TheStore, tenant: TheTenant) -> EvidenceBody:
    """The redacted lines behind an alert."""
    found = the_alert(store, tenant, alert_id)
    return EvidenceBody(
        evidence=[EvidenceLine.model_validate(line) for line in found.evidence],
        samples=samples_of(store, tenant, found),
    )


@router.get("/alerts/{alert_id}/series")
def read_alert_series(alert_id: Id, store: TheStore, tenant: TheTenant) -> SeriesBody:
    """The series that shows what an alert is about, around it, with the band that was usual before."""
    found = the_alert(store, tenant, alert_id)
    last_us = found.as_of_us if found.end_us is None else found.end_us
    return SeriesBody.from_series(series_around(store, tenant, found, found.start_us, last_us))


@router.post("/alerts/{alert_id}/ack", responses=WRITES)
async def ack_alert(alert_id: Id, store: TheStore, commands: TheCommands) -> EffectBody:
    """Say that you have taken an alert on."""
    await to_thread(the_alert, store, commands.tenant, alert_id)
    return await commands.give(CommandKind.ACK, alert_id, alert_ids=(alert_id,))


@router.post("/alerts/{alert_id}/resolve", responses=WRITES)
async def resolve_alert(alert_id: Id, store: TheStore, commands: TheCommands) -> EffectBody:
    """Say that an alert is over; where it goes on it fires again and is told."""
    await to_thread(the_alert, store, commands.tenant, alert_id)
    return await commands.give(CommandKind.RESOLVE, alert_id, alert_ids=(alert_id,))


@router.post("/alerts/{alert_id}/comments", responses=WRITES, status_code=201)
async def comment_alert(alert_id: Id, asked: Comment, store: TheStore, commands: TheCommands) -> EffectBody:
    """Say something of an alert; it stands in its timeline."""
    await to_thread(the_alert, store, commands.tenant, alert_id)
    return await commands.give(CommandKind.COMMENT, alert_id, text=asked.text)


def the_alert(store: Store, tenant: str, alert_id: str) -> StoredAlert:
    """Return the alert, or answer 404."""
    found = alert(store, tenant, alert_id)
    if found is None:
        raise HTTPException(404, "there is no alert of this id")
    return found


def samples_of(store: Store, tenant: str, found: StoredAlert) -> list[TemplateSamples]:
    """Return lines of the first templates that an alert is about."""
    bodies = []
    for template_id in found.template_ids[:_TEMPLATES]:
        lines = [
            EvidenceLine(
                source=each.source,
                line=each.line,
                timestamp=optional_iso(each.ts_us),
                service=each.service,
                text=each.text,
            )
            for each in samples(store, tenant, found.service, template_id, limit=5)
        ]
        if lines:
            bodies.append(TemplateSamples(template_id=template_id, lines=lines))
    return bodies
