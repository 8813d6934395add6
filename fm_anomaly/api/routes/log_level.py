"""The level of the service's own log: read, and changed for a while, without a restart.

Of the whole process, not of a tenant. Knows the levels and nothing of what is logged.
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field

from fm_anomaly.api.asking import READS, WRITES, actor_of
from fm_anomaly.logs import Levels, Log

router = APIRouter(tags=["log level"])
_LOG = Log("service")
_MAX_MINUTES = 24 * 60


class LevelBody(BaseModel):
    """The level now, the usual one, and until when it is another."""

    level: str
    usual: str
    until: str | None = Field(description="when the usual level is back; null where it is the one")

    @classmethod
    def of(cls, levels: Levels) -> LevelBody:
        """Return the body of how things stand."""
        until = levels.until
        text = None if until is None else until.isoformat(timespec="seconds").replace("+00:00", "Z")
        return cls(level=levels.level, usual=levels.usual, until=text)


class LevelChange(BaseModel):
    """A level, and for how long."""

    model_config = ConfigDict(extra="forbid")

    level: Literal["debug", "info", "warning", "error"]
    minutes: float = Field(15, gt=0, le=_MAX_MINUTES, description="then the usual level is back")


def levels_of(request: Request) -> Levels:
    """Return the levels of this process; 404 where it does not write a log of its own."""
    levels: Levels | None = getattr(request.app.state, "log_levels", None)
    if levels is None:
        raise HTTPException(404, "this process has no log of its own to change")
    return levels


TheLevels = Annotated[Levels, Depends(levels_of)]


@router.get("/log-level", responses=READS)
def read_log_level(levels: TheLevels) -> LevelBody:
    """The level of the service's own log."""
    return LevelBody.of(levels)


@router.put("/log-level", responses=WRITES)
def change_log_level(change: LevelChange, levels: TheLevels, request: Request) -> LevelBody:
    """Write more, or less, for a while. At `debug` text of logs may stand in it unmasked."""
    levels.change(change.level, change.minutes * 60)
    _LOG.warning("log_level_changed", level=change.level, minutes=change.minutes, actor=actor_of(request))
    return LevelBody.of(levels)
