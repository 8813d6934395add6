"""People's commands to a Pipeline: inputs like records and time, so that a replay repeats them.

A command names its tenant and actor and where in the input it stands. This module holds the values; what one does
is `core.applying`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from fm_anomaly.core.alert_values import AlertEvent


class CommandKind(StrEnum):
    """What a person can tell a Pipeline."""

    MERGE = "merge"
    """Two templates are one event: `subject` and `other` are their ids, or unique prefixes of them."""
    RENAME = "rename"
    """Template `subject` of `service` is called `text`; "" takes the name back."""
    PATTERN = "pattern"
    """Messages of `service` ("" all) that the expression `other` finds are one template, called `text`."""
    UNPATTERN = "unpattern"
    """Pattern `subject` no longer applies to what comes."""
    ACK = "ack"
    """Somebody has taken on `subject`, an alert or incident, whose alerts are `alert_ids`."""
    RESOLVE = "resolve"
    """The alerts `alert_ids` of `subject` are over."""
    COMMENT = "comment"
    """`text` is said of `subject`."""
    FEEDBACK = "feedback"
    """Alert `subject` was `other`: expected, noise or real; `text` is a note."""
    UNFEEDBACK = "unfeedback"
    """Feedback `subject` is taken back."""
    SILENCE = "silence"
    """Alerts that fit all `matchers` are not told until `until_us`, for the reason `text`; `subject`, where given, is
    the silence that is changed."""
    UNSILENCE = "unsilence"
    """Silence `subject` is over."""
    MARKER = "marker"
    """`text` was deployed or changed in `service` ("" all)."""
    RENAME_CATEGORY = "rename_category"
    """Category `subject` is called `text`."""
    MERGE_CATEGORIES = "merge_categories"
    """Category `subject` is part of category `other`."""
    PIN_GROUP = "pin_group"
    """Errors of group `subject` are of category `other`, whatever they look like."""
    UNDO_CATEGORY = "undo_category"
    """What was said of category or group `subject` is taken back."""


OF_CATEGORIES = frozenset({
    CommandKind.RENAME_CATEGORY, CommandKind.MERGE_CATEGORIES, CommandKind.PIN_GROUP, CommandKind.UNDO_CATEGORY
})  # fmt: skip
"""What is said of the batch job's categories: a Pipeline has none, and only answers."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `at_us` is the event time at which it was given, µs; `service` is where its subject lives."""

    kind: CommandKind
    tenant: str
    actor: str
    at_us: int
    service: str
    subject: str
    other: str = ""
    command_id: str = ""
    """Its own id, and that of the silence, marker, pattern or feedback that it makes; the same in every replay."""
    text: str = ""
    alert_ids: tuple[str, ...] = ()
    matchers: tuple[tuple[str, str], ...] = ()
    """Pairs of service, kind, template or severity and the value that must hold."""
    until_us: int | None = None
    until_worse: bool = False
    """Whether the silence ends for an alert that gets worse."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a command did."""

    text: str
    """A sentence for the person."""
    events: tuple[AlertEvent, ...] = ()
    """What it changed at once."""
    numbers: dict[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return what is answered to the person."""
        return {"effect": self.text, "numbers": dict(self.numbers)}


@dataclass(frozen=True, slots=True)
class Applied:
    """A command with its effect, as the store keeps it; `received_us` is when it came: `at_us` may lie in the past."""

    command: Command
    effect: Effect
    received_us: int = 0
