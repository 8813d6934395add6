"""What a receiver has yet to be told: the changes of each alert that wait, made one.

A receiver that could not be reached for an hour must hear what is true now, not the story: an alert that fired and
went meanwhile is one sentence, one that fired and became worse is told once, at its worst. Pure; it must not know what
a message looks like.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from fm_anomaly.core.alert_values import AlertSeverity
from fm_anomaly.core.notices import Notice, Novelty
from fm_anomaly.core.outbox_rows import OutboxRow, State

_WAITS = frozenset({State.PENDING, State.SENDING})


class Says(StrEnum):
    """What one alert's changes come down to for one receiver."""

    FIRES = "fires"
    """The receiver believes that it does not."""
    WORSE = "worse"
    """It is known to fire and has become more severe."""
    OVER = "over"
    """It is known to fire, and does no more."""
    PASSED = "passed"
    """It fired and went before it could be told."""
    STILL = "still"
    """Nothing new: it fires, as is known."""
    NOTHING = "nothing"
    """Nothing new."""


@dataclass(frozen=True, slots=True)
class Change:
    """One alert's waiting changes for one receiver, made one."""

    says: Says
    row: OutboxRow
    """The change that says how the alert stands."""
    notice: Notice
    """What it says."""
    novelty: Novelty
    told: Notice | None
    """How the receiver believes that it stands; None: never heard of it."""
    rows: tuple[OutboxRow, ...]
    """What is settled by telling it, oldest first."""

    @property
    def is_worth_telling(self) -> bool:
        """Whether a person should get a message."""
        return self.says not in (Says.STILL, Says.NOTHING)

    @property
    def was_severity(self) -> AlertSeverity | None:
        """The severity that the receiver knows, None where it knows none."""
        return None if self.told is None else self.told.severity


def changes(rows: Sequence[OutboxRow], told: Mapping[str, OutboxRow]) -> list[Change]:
    """Return what each alert's rows come down to, in the order of their first change.

    Parameters
    ----------
    rows
        All unfinished rows of the alerts, those that are held among them.
    told
        By alert id: the last change that the receiver knows of.
    """
    by_alert: dict[str, list[OutboxRow]] = {}
    for row in sorted(rows, key=lambda row: row.order):
        by_alert.setdefault(row.alert_id, []).append(row)
    return [_change(some, told.get(alert_id)) for alert_id, some in by_alert.items()]


def _change(rows: list[OutboxRow], known: OutboxRow | None) -> Change:
    waiting = [row for row in rows if row.state in _WAITS]
    if known is None:
        known = next((row for row in rows if row not in waiting), None)
    told = None if known is None else known.notice
    last = waiting[-1] if waiting else rows[-1]
    if known is not None and told is not None and known.order >= last.order:
        # an old letter sent again by hand, or a firing alert told again: what is known stands
        says = Says.STILL if told.is_firing else Says.NOTHING
        return Change(says, known, told, Novelty.ONGOING, told, tuple(rows))
    fired = [row.notice for row in waiting if row.notice.is_firing]
    says, novelty = _says(last.notice, told, fired)
    return Change(says, last, last.notice, novelty, told, tuple(rows))


def _says(now: Notice, told: Notice | None, fired: Sequence[Notice]) -> tuple[Says, Novelty]:
    if now.is_firing:
        if told is None:
            return Says.FIRES, fired[0].novelty
        if not told.is_firing:
            return Says.FIRES, Novelty.REGRESSED
        is_worse = now.severity.rank > told.severity.rank
        return (Says.WORSE, Novelty.ESCALATING) if is_worse else (Says.STILL, Novelty.ONGOING)
    if told is not None and told.is_firing:
        return Says.OVER, Novelty.ONGOING
    return (Says.PASSED, fired[0].novelty) if fired else (Says.NOTHING, Novelty.ONGOING)
