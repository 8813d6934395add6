"""Turns what a person asks over HTTP into commands, and waits until they have been applied.

Every change takes this road, so that a replay repeats it. Knows no resource.
"""

from __future__ import annotations

import secrets
from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from fm_anomaly.api.asking import actor_of, intake_of, tenant_of
from fm_anomaly.api.clock import now_us
from fm_anomaly.core.commands import Command, CommandKind

_MAX_TEXT = 2_000

Said = Annotated[str, Field(max_length=_MAX_TEXT, pattern=r"^[^\x00]*$")]
"""What a person writes: a comment, a reason."""
MustSay = Annotated[str, Field(min_length=1, max_length=_MAX_TEXT, pattern=r"^[^\x00]*$")]


class Asked(BaseModel):
    """The body of a change; an unknown field is an error, for one that is ignored misleads."""

    model_config = ConfigDict(extra="forbid")


class EffectBody(BaseModel):
    """What a command did."""

    command_id: str
    effect: str = Field(description="in words", examples=["14 of the last 20 alerts of this kind would be gone"])
    numbers: dict[str, int] = Field(description="the same in numbers")


class Commands:
    """Gives commands in the name of a request's tenant and actor."""

    def __init__(self, request: Request) -> None:
        self.tenant = tenant_of(request)
        self.actor = actor_of(request)
        self._intake = intake_of(request)

    async def give(
        self, kind: CommandKind, subject: str = "", *, service: str = "", at_us: int | None = None, **more: Any
    ) -> EffectBody:
        """Give one command and return its effect. Raises UsageError where it cannot be done, and what intake raises."""
        command = Command(
            kind=kind,
            tenant=self.tenant,
            actor=self.actor,
            at_us=now_us() if at_us is None else at_us,
            service=service,
            subject=subject,
            command_id=secrets.token_hex(8),
            **more,
        )
        effect = await self._intake.command(self.tenant, command)
        return EffectBody(
            command_id=command.command_id,
            effect=str(effect.get("effect", "")),
            numbers={name: int(n) for name, n in effect.get("numbers", {}).items()},
        )


TheCommands = Annotated[Commands, Depends(Commands)]
