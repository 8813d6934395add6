"""Feedback: what people say of alerts, acting at once, explained and reversible.

Knows the store's readers and the command that a word becomes, and nothing of what it mutes.
"""

from __future__ import annotations

from asyncio import to_thread
from typing import Literal

from fastapi import APIRouter, HTTPException, Response
from pydantic import BaseModel, Field

from fm_anomaly.api.asking import READS, WRITES, Id, TheStore, TheTenant
from fm_anomaly.api.commanding import Asked, EffectBody, Said, TheCommands
from fm_anomaly.api.routes.alerts import the_alert
from fm_anomaly.core.commands import CommandKind
from fm_anomaly.storage.people import StoredFeedback, feedback, feedback_on
from fm_anomaly.storage.timestamps import optional_iso, to_iso

router = APIRouter(responses=READS, tags=["feedback"])


class NewFeedback(Asked):
    """A word about an alert."""

    verdict: Literal["expected", "noise", "real"] = Field(
        description="noise: nothing like it up to 1.25 times as strong is told; expected: nothing like it at that time "
        "of day; real: nothing as strong is ever muted",
        examples=["noise"],
    )
    note: Said = ""


class FeedbackBody(BaseModel):
    """A word about an alert, in force where it was not removed."""

    feedback_id: str
    alert_id: str
    verdict: Literal["expected", "noise", "real"]
    note: str
    actor: str
    at: str
    effect: str = Field(description="what it did when it was said")
    removed: str | None
    removed_by: str

    @classmethod
    def from_stored(cls, word: StoredFeedback) -> FeedbackBody:
        """Return the body of a stored word."""
        same = {name: getattr(word, name) for name in cls.model_fields if name not in ("at", "removed")}
        return cls.model_validate(same | {"at": to_iso(word.at_us), "removed": optional_iso(word.removed_us)})


@router.post("/alerts/{alert_id}/feedback", responses=WRITES, status_code=201)
async def give_feedback(
    alert_id: Id, asked: NewFeedback, response: Response, store: TheStore, commands: TheCommands
) -> EffectBody:
    """Say that an alert was expected, noise or real; the answer tells what that does, at once."""
    await to_thread(the_alert, store, commands.tenant, alert_id)
    told = await commands.give(CommandKind.FEEDBACK, alert_id, other=asked.verdict, text=asked.note)
    response.headers["Location"] = f"/api/v1/feedback/{told.command_id}"
    return told


@router.get("/alerts/{alert_id}/feedback")
def read_feedback_on(alert_id: Id, store: TheStore, tenant: TheTenant) -> list[FeedbackBody]:
    """What was said of an alert, newest first, what was taken back included."""
    the_alert(store, tenant, alert_id)
    return [FeedbackBody.from_stored(each) for each in feedback_on(store, tenant, alert_id)]


@router.get("/feedback/{feedback_id}")
def read_feedback(feedback_id: Id, store: TheStore, tenant: TheTenant) -> FeedbackBody:
    """One word of feedback."""
    found = feedback(store, tenant, feedback_id)
    if found is None:
        raise HTTPException(404, "there is no feedback of this id")
    return FeedbackBody.from_stored(found)


@router.delete("/feedback/{feedback_id}", responses=WRITES)
async def remove_feedback(feedback_id: Id, store: TheStore, commands: TheCommands) -> EffectBody:
    """Take a word back, and with it all that followed from it."""
    found = await to_thread(feedback, store, commands.tenant, feedback_id)
    if found is None:
        raise HTTPException(404, "there is no feedback of this id")
    if found.removed_us is not None:
        raise HTTPException(409, "this feedback was taken back already")
    return await commands.give(CommandKind.UNFEEDBACK, feedback_id)
