"""Silences: what people do not want to hear of for a while, each with owner, reason and end.

Knows the store's readers and the command that a silence becomes, and nothing of what it mutes.
"""

from __future__ import annotations

from asyncio import to_thread
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request, Response
from pydantic import BaseModel, Field, model_validator

from fm_anomaly.api.asking import READS, WRITES, Id, TheStore, TheTenant, say_page
from fm_anomaly.api.clock import now_us
from fm_anomaly.api.commanding import Asked, EffectBody, MustSay, TheCommands
from fm_anomaly.api.schemas import AlertSeverity, Moment, Name, PageQuery, moment_us
from fm_anomaly.core.commands import CommandKind
from fm_anomaly.errors import UsageError
from fm_anomaly.storage import Store
from fm_anomaly.storage.people import StoredSilence, silence, silences
from fm_anomaly.storage.timestamps import optional_iso, to_iso

router = APIRouter(responses=READS, tags=["silences"])

_US = 1_000_000
_MAX_S = 366 * 86_400


class Matchers(Asked):
    """Which alerts are silenced: all that are given must hold, and at least one must be given."""

    service: Name | None = None
    kind: Name | None = Field(default=None, examples=["volume_spike"])
    template: Name | None = Field(default=None, description="a template's whole id")
    severity: AlertSeverity | None = Field(default=None, description="the highest that is covered; worse is told")

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Return what is given, as a command has it."""
        return tuple((name, str(value)) for name, value in self if value is not None)


class NewSilence(Asked):
    """A silence; `until` or `for_s` says when it ends."""

    matchers: Matchers = Field(examples=[{"service": "worker", "kind": "volume_spike"}])
    reason: MustSay = Field(examples=["re-indexing until Friday"])
    until: Moment | None = None
    for_s: int | None = Field(default=None, ge=1, le=_MAX_S, examples=[3600])
    until_worse: bool = Field(
        default=False,
        description="an alert that becomes more severe, or more than twice as strong as it was, is told all the same",
    )

    @model_validator(mode="after")
    def _has_one_end(self) -> NewSilence:
        if (self.until is None) == (self.for_s is None):
            raise ValueError("give either until or for_s")
        return self


class ChangedSilence(Asked):
    """What to change of a silence; what is left out stays."""

    reason: MustSay | None = None
    until: Moment | None = None
    for_s: int | None = Field(default=None, ge=1, le=_MAX_S, description="from now on")
    until_worse: bool | None = None


class SilenceQuery(PageQuery):
    """What the list of silences takes."""

    active: bool | None = None


class SilenceBody(BaseModel):
    """A silence, in force or over."""

    silence_id: str
    matchers: dict[str, str]
    owner: str
    reason: str
    start: str
    until: str
    until_worse: bool
    is_active: bool
    ended: str | None = Field(description="when somebody ended it")
    ended_by: str

    @classmethod
    def from_stored(cls, found: StoredSilence) -> SilenceBody:
        """Return the body of a stored silence."""
        same: dict[str, Any] = {
            name: getattr(found, name)
            for name in ("silence_id", "matchers", "owner", "reason", "until_worse", "ended_by")
        }
        return cls(
            start=to_iso(found.start_us),
            until=to_iso(found.until_us),
            is_active=found.is_active(now_us()),
            ended=optional_iso(found.ended_us),
            **same,
        )


@router.get("/silences")
def list_silences(
    request: Request,
    response: Response,
    store: TheStore,
    tenant: TheTenant,
    query: Annotated[SilenceQuery, Query()],
) -> list[SilenceBody]:
    """Silences, latest start first; pages as for alerts."""
    page = silences(store, tenant, now_us(), is_active=query.active, limit=query.limit, cursor=query.cursor)
    say_page(request, response, page)
    return [SilenceBody.from_stored(each) for each in page.items]


@router.post("/silences", responses=WRITES, status_code=201)
async def add_silence(asked: NewSilence, response: Response, commands: TheCommands) -> EffectBody:
    """Silence alerts for a while: they fire and are shown, and nobody is told."""
    told = await commands.give(
        CommandKind.SILENCE,
        text=asked.reason,
        matchers=asked.matchers.pairs(),
        until_us=_end_us(asked.until, asked.for_s),
        until_worse=asked.until_worse,
    )
    response.headers["Location"] = f"/api/v1/silences/{told.command_id}"
    return told


@router.get("/silences/{silence_id}")
def read_silence(silence_id: Id, store: TheStore, tenant: TheTenant) -> SilenceBody:
    """One silence."""
    return SilenceBody.from_stored(_the_silence(store, tenant, silence_id))


@router.patch("/silences/{silence_id}", responses=WRITES)
async def change_silence(silence_id: Id, asked: ChangedSilence, store: TheStore, commands: TheCommands) -> EffectBody:
    """Change the end or the reason of a silence that is in force."""
    found = await to_thread(_in_force, store, commands.tenant, silence_id)
    if asked.until is not None and asked.for_s is not None:
        raise UsageError("give either until or for_s")
    ends = asked.until is not None or asked.for_s is not None
    return await commands.give(
        CommandKind.SILENCE,
        silence_id,
        text=found.reason if asked.reason is None else asked.reason,
        matchers=tuple(sorted(found.matchers.items())),
        until_us=_end_us(asked.until, asked.for_s) if ends else found.until_us,
        until_worse=found.until_worse if asked.until_worse is None else asked.until_worse,
    )


@router.delete("/silences/{silence_id}", responses=WRITES)
async def end_silence(silence_id: Id, store: TheStore, commands: TheCommands) -> EffectBody:
    """End a silence: what still fires is told."""
    await to_thread(_in_force, store, commands.tenant, silence_id)
    return await commands.give(CommandKind.UNSILENCE, silence_id)


def _the_silence(store: Store, tenant: str, silence_id: str) -> StoredSilence:
    found = silence(store, tenant, silence_id)
    if found is None:
        raise HTTPException(404, "there is no silence of this id")
    return found


def _in_force(store: Store, tenant: str, silence_id: str) -> StoredSilence:
    found = _the_silence(store, tenant, silence_id)
    if not found.is_active(now_us()):
        raise HTTPException(409, "this silence is over already")
    return found


def _end_us(until: Any, for_s: int | None) -> int:
    now = now_us()
    end_us = moment_us(until) if until is not None else now + (for_s or 0) * _US
    assert end_us is not None  # noqa: S101 - one of the two was given
    if not now < end_us <= now + _MAX_S * _US:
        raise UsageError("a silence must end within a year from now")
    return end_us
