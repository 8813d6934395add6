"""Own patterns: messages that an expression finds are one template, from then on.

Knows the store's readers and the command that a pattern becomes, and nothing of how it is applied.
"""

from __future__ import annotations

from asyncio import to_thread
from typing import Annotated

from fastapi import APIRouter, HTTPException, Response
from pydantic import BaseModel, Field

from fm_anomaly.api.asking import READS, WRITES, Id, TheStore, TheTenant
from fm_anomaly.api.commanding import Asked, EffectBody, TheCommands
from fm_anomaly.api.schemas import Name
from fm_anomaly.core.commands import CommandKind
from fm_anomaly.storage.people import StoredPattern, patterns
from fm_anomaly.storage.timestamps import to_iso

router = APIRouter(responses=READS, tags=["templates"])


class NewPattern(Asked):
    """A pattern of one's own."""

    name: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")] = Field(
        description="the text of the template", examples=["payment declined by <bank>"]
    )
    expression: Annotated[str, Field(min_length=1, max_length=1_000, pattern=r"^[^\x00]*$")] = Field(
        description="a regular expression of Rust's regex crate, which runs in linear time; at most 1,000 bytes",
        examples=["^payment \\d+ declined by "],
    )
    service: Name = Field(default="", description="empty: all services")


class PatternBody(BaseModel):
    """A pattern in force."""

    pattern_id: str
    service: str
    name: str
    expression: str
    actor: str
    at: str

    @classmethod
    def from_stored(cls, pattern: StoredPattern) -> PatternBody:
        """Return the body of a stored pattern."""
        same = {name: getattr(pattern, name) for name in cls.model_fields if name != "at"}
        return cls.model_validate(same | {"at": to_iso(pattern.at_us)})


@router.get("/patterns")
def list_patterns(response: Response, store: TheStore, tenant: TheTenant) -> list[PatternBody]:
    """All patterns in force, in the order in which they were given; the first that finds a message has it."""
    found = patterns(store, tenant)
    response.headers["X-Total-Count"] = str(len(found))
    return [PatternBody.from_stored(each) for each in found]


@router.post("/patterns", responses=WRITES, status_code=201)
async def add_pattern(asked: NewPattern, commands: TheCommands) -> EffectBody:
    """Gather the messages that an expression finds in one template, from now on."""
    return await commands.give(CommandKind.PATTERN, service=asked.service, text=asked.name, other=asked.expression)


@router.delete("/patterns/{pattern_id}", responses=WRITES)
async def remove_pattern(pattern_id: Id, store: TheStore, commands: TheCommands) -> EffectBody:
    """Let messages be mined again, from now on; what was counted stays."""
    found = await to_thread(patterns, store, commands.tenant)
    if pattern_id not in {each.pattern_id for each in found}:
        raise HTTPException(404, "there is no pattern of this id in force")
    return await commands.give(CommandKind.UNPATTERN, pattern_id)
