"""Rows of the outbox as values: what a store keeps and a sender works through, so that neither has to know the other.

Values only. They must not know tables, receivers or the clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fm_anomaly.core.notices import Notice, from_payload

_RANK = {"fire": 0, "update": 1, "resolve": 2}


class State(StrEnum):
    """Where a row stands."""

    PENDING = "pending"
    """To be sent, not before `next_us`."""
    SENDING = "sending"
    """Taken by a sender until `next_us`; after that it is pending again."""
    HELD = "held"
    """Sent, and to be sent again at `next_us`, until the alert is over."""
    RESENDING = "resending"
    """Held, and taken by a sender."""
    SENT = "sent"
    MERGED = "merged"
    """Needed no message of its own: a later change of the same alert said it, or there was nothing left to say."""
    ROUTED = "routed"
    """Copied to each receiver that wants it."""
    DEAD = "dead"
    """Given up; people can look at it and send it again."""


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One change for one receiver."""

    tenant: str
    id: str
    receiver: str
    alert_id: str
    action: str
    payload: dict[str, Any]
    created_us: int
    state: str
    attempts: int
    next_us: int
    last_error: str

    @property
    def order(self) -> tuple[int, int, str]:
        """Sort key: the order in which the changes happened."""
        return (self.created_us, _RANK.get(self.action, 0), self.id)

    @property
    def notice(self) -> Notice:
        """What is told. Raises ValueError where the payload cannot be read."""
        return from_payload(self.payload)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a row that a sender had taken."""

    tenant: str
    id: str
    state: State
    attempts: int
    next_us: int
    last_error: str = ""
