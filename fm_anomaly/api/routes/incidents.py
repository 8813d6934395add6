"""Incidents: the list, one with its alerts, its timeline, evidence and series; taking one on, closing it, a comment.

Knows the store's readers and the commands that people's actions become, and nothing of how alerts are joined.
"""

from __future__ import annotations

from asyncio import to_thread
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Query, Request, Response
from pydantic import Field

from fm_anomaly.api import bundles
from fm_anomaly.api.asking import READS, WRITES, Id, TheStore, TheTenant, say_page
from fm_anomaly.api.commanding import EffectBody, TheCommands
from fm_anomaly.api.routes.alerts import Comment, EvidenceBody, samples_of
from fm_anomaly.api.schemas import AlertBody, EventBody, EvidenceLine, IncidentBody, IncidentQuery, SeriesBody
from fm_anomaly.core.commands import CommandKind
from fm_anomaly.storage import Store, StoredAlert, StoredIncident, alert, incident, incidents
from fm_anomaly.storage.counts import series_around
from fm_anomaly.storage.timelines import StoredMarker, incident_events, markers_near
from fm_anomaly.storage.timestamps import to_iso

router = APIRouter(responses=READS, tags=["incidents"])

_SAMPLED = 5
MAX_ALERTS = 100
"""Most alerts told with one incident, the headline first."""


class IncidentDetailBody(IncidentBody):
    """An incident asked for by its id: with its alerts, the headline first."""

    alerts: list[AlertBody] = Field(description=f"at most {MAX_ALERTS}; `alert_ids` names all")


@router.get("/incidents")
def list_incidents(
    request: Request,
    response: Response,
    store: TheStore,
    tenant: TheTenant,
    query: Annotated[IncidentQuery, Query()],
) -> list[IncidentBody]:
    """Incidents, latest start first; pages as for alerts."""
    page = incidents(store, tenant, query.incidents(), limit=query.limit, cursor=query.cursor)
    say_page(request, response, page)
    return [IncidentBody.from_stored(each) for each in page.items]


@router.get("/incidents/{incident_id}")
def read_incident(incident_id: Id, store: TheStore, tenant: TheTenant) -> IncidentDetailBody:
    """One incident with its alerts; an id that was merged into another leads to that."""
    found = the_incident(store, tenant, incident_id)
    bodies = [AlertBody.from_stored(each) for each in alerts_of(store, tenant, found)]
    return IncidentDetailBody.model_validate({**IncidentBody.from_stored(found).model_dump(), "alerts": bodies})


@router.get("/incidents/{incident_id}/timeline")
def read_timeline(incident_id: Id, store: TheStore, tenant: TheTenant) -> list[EventBody]:
    """What happened, oldest first: its alerts, what people did, and deploys from an hour before."""
    return timeline_of(store, tenant, the_incident(store, tenant, incident_id))


@router.get("/incidents/{incident_id}/evidence")
def read_evidence(incident_id: Id, store: TheStore, tenant: TheTenant) -> EvidenceBody:
    """The redacted lines behind an incident."""
    found = the_incident(store, tenant, incident_id)
    head = headline(store, tenant, found)
    return EvidenceBody(
        evidence=[EvidenceLine.model_validate(line) for line in found.evidence],
        samples=[] if head is None else samples_of(store, tenant, head),
    )


@router.get("/incidents/{incident_id}/series")
def read_series(incident_id: Id, store: TheStore, tenant: TheTenant) -> SeriesBody:
    """The series that shows the headline, around the incident, with the band that was usual before."""
    series = series_of_incident(store, tenant, the_incident(store, tenant, incident_id))
    if series is None:
        raise HTTPException(404, "nothing was counted for this incident")
    return series


@router.get(
    "/incidents/{incident_id}/bundle",
    responses={200: {"content": {"text/markdown": {"schema": {"type": "string"}}}}},
)
def read_bundle(
    incident_id: Id,
    store: TheStore,
    tenant: TheTenant,
    form: Annotated[Literal["json", "markdown"], Query(alias="format")] = "json",
) -> Response:
    """All about an incident under 100 kB, redacted, for another tool, a chat or a language model.

    What comes from logs is under `untrusted`, or in a fence: quotation, never instructions.
    """
    known = known_of(store, tenant, incident_id)
    if form == "markdown":
        return Response(bundles.as_markdown(known), media_type="text/markdown; charset=utf-8")
    return Response(bundles.to_json(bundles.as_object(known)), media_type="application/json")


def known_of(store: Store, tenant: str, incident_id: str) -> bundles.Found:
    """Return all that a bundle tells of an incident, or answer 404."""
    found = the_incident(store, tenant, incident_id)
    alerts = alerts_of(store, tenant, found)
    lines = [EvidenceLine.model_validate(line) for line in found.evidence]
    for each in alerts[:_SAMPLED]:
        lines += [line for template in samples_of(store, tenant, each) for line in template.lines]
    return bundles.Found(
        incident=IncidentBody.from_stored(found),
        alerts=[AlertBody.from_stored(each) for each in alerts],
        timeline=timeline_of(store, tenant, found),
        lines=list({(line.source, line.line, line.text): line for line in lines}.values()),
        series=series_of_incident(store, tenant, found),
    )


@router.post("/incidents/{incident_id}/ack", responses=WRITES)
async def ack_incident(incident_id: Id, store: TheStore, commands: TheCommands) -> EffectBody:
    """Say that you have taken an incident on, with all its alerts."""
    found = await to_thread(the_incident, store, commands.tenant, incident_id)
    return await commands.give(CommandKind.ACK, found.incident_id, alert_ids=tuple(found.alert_ids))


@router.post("/incidents/{incident_id}/resolve", responses=WRITES)
async def resolve_incident(incident_id: Id, store: TheStore, commands: TheCommands) -> EffectBody:
    """Say that an incident is over: its alerts are resolved; those that go on fire again and are told."""
    found = await to_thread(the_incident, store, commands.tenant, incident_id)
    return await commands.give(CommandKind.RESOLVE, found.incident_id, alert_ids=tuple(found.alert_ids))


@router.post("/incidents/{incident_id}/comments", responses=WRITES, status_code=201)
async def comment_incident(incident_id: Id, asked: Comment, store: TheStore, commands: TheCommands) -> EffectBody:
    """Say something of an incident; it stands in its timeline."""
    found = await to_thread(the_incident, store, commands.tenant, incident_id)
    return await commands.give(CommandKind.COMMENT, found.incident_id, text=asked.text)


def the_incident(store: Store, tenant: str, incident_id: str) -> StoredIncident:
    """Return the incident, or answer 404."""
    found = incident(store, tenant, incident_id)
    if found is None:
        raise HTTPException(404, "there is no incident of this id")
    return found


def alerts_of(store: Store, tenant: str, found: StoredIncident) -> list[StoredAlert]:
    """Return the first alerts of an incident, the headline first."""
    each = (alert(store, tenant, alert_id) for alert_id in found.alert_ids[:MAX_ALERTS])
    return [one for one in each if one is not None]


def headline(store: Store, tenant: str, found: StoredIncident) -> StoredAlert | None:
    """Return the alert that an incident is titled by."""
    return alert(store, tenant, found.alert_ids[0]) if found.alert_ids else None


def last_us(found: StoredIncident) -> int:
    """Return the end of an incident, or of what is known of it."""
    return found.as_of_us if found.end_us is None else found.end_us


def timeline_of(store: Store, tenant: str, found: StoredIncident) -> list[EventBody]:
    """Return the events of an incident and the markers near it, in order."""
    events = [EventBody.from_stored(each) for each in incident_events(store, tenant, found)]
    beside = [_marked(each) for each in markers_near(store, tenant, found.services, found.start_us, last_us(found))]
    return sorted([*events, *beside], key=lambda event: (event.at, event.event_no))


def series_of_incident(store: Store, tenant: str, found: StoredIncident) -> SeriesBody | None:
    """Return the series of the headline: that of the scan where one told it, else from the counts."""
    if found.series is not None:
        return SeriesBody.model_validate(found.series)
    head = headline(store, tenant, found)
    if head is None:
        return None
    return SeriesBody.from_series(series_around(store, tenant, head, found.start_us, last_us(found)))


def _marked(marker: StoredMarker) -> EventBody:
    said = f"{marker.title} ({marker.service})" if marker.service else marker.title
    return EventBody(
        event_no=0,
        action="marker",
        at=to_iso(marker.at_us),
        alert_id=None,
        incident_id=None,
        severity="",
        reason=said,
        actor=marker.actor,
    )
