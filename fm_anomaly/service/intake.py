"""The door of the service: what a route or listener calls to hand a batch or a command in.

A port and its values; it must not know how batches are kept, nor which protocol brought them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from fm_anomaly.core.commands import Command
from fm_anomaly.ingest.batches import Batch


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a batch that is durable now."""

    seq: int
    """Number of its entry in the log; that of the first one where it is a duplicate; 0 for a batch without lines."""
    n_lines: int
    is_duplicate: bool = False
    """Whether a batch of this tenant and id was there already: nothing was taken a second time."""


class Intake(Protocol):
    """Takes batches and commands of a tenant, in one total order."""

    async def submit(self, tenant: str, batch: Batch, batch_id: str | None = None) -> Receipt:
        """Return once the batch is durable.

        Raises BusyError under backpressure and DiskFullError where it could not be kept; nothing was taken then.
        """
        ...

    async def command(self, tenant: str, command: Command) -> dict[str, Any]:
        """Return a command's effect, in words and numbers, once it has been applied.

        Raises UsageError where it cannot be done as asked, and what `submit` raises.
        """
        ...
