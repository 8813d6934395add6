"""People's commands to a Pipeline: inputs like records and time, so that a replay repeats them.

A command names its tenant and actor and where in the input it stands. This module holds the values; what one does
is the Pipeline's. Feedback, silences and markers join `CommandKind` with the service that takes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class CommandKind(StrEnum):
    """What a person can tell a Pipeline."""

    MERGE = "merge"
    """Two templates are one event: `subject` and `other` are their ids, or unique prefixes of them."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `at_us` is the event time at which it was given, µs; `service` is where its templates live."""

    kind: CommandKind
    tenant: str
    actor: str
    at_us: int
    service: str
    subject: str
    other: str = ""
