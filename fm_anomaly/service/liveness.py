"""Which streams of a tenant are heard as they are written, and which are history that somebody posted.

A live stream's event time goes on as fast as its receipts do; a file of yesterday brings an hour in a second. Only who
was heard live can fall silent. Judged by time that has passed between entries of the log, so that a replay finds the
same. It must not know records, nor what silence is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self

from fm_anomaly.core.frames import US_PER_S

_LEAST_US = 30 * US_PER_S
"""A pace is told after so long."""
_ROLL_US = 300 * US_PER_S
"""A pace is that of the last one or two such spans."""
_SLACK_US = 60 * US_PER_S
"""Senders bring up to a minute at a time."""


@dataclass(slots=True)
class _Heard:
    """Places (receipt, newest event time) that pace is measured from: the older one counts, the newer one follows."""

    newest_us: int
    from_: tuple[int, int] | None = None
    next_: tuple[int, int] | None = None
    is_live: bool = False

    def note(self, elapsed_us: int, event_us: int) -> None:
        self.newest_us = max(self.newest_us, event_us)
        here = (elapsed_us, self.newest_us)
        if self.from_ is None or self.next_ is None:
            self.from_ = self.next_ = here
            return
        passed_us, came_us = elapsed_us - self.from_[0], self.newest_us - self.from_[1]
        if came_us > 2 * passed_us + _SLACK_US:  # history, or a backlog: what comes behind it has a pace of its own
            self.is_live, self.from_, self.next_ = False, here, here
        elif passed_us >= _LEAST_US and 2 * came_us >= passed_us:
            self.is_live = True
        if elapsed_us - self.next_[0] >= _ROLL_US:
            self.from_, self.next_ = self.next_, here


@dataclass(slots=True)
class Liveness:
    """What is known of a tenant's services, by name."""

    _heard: dict[str, _Heard] = field(default_factory=dict)

    def note(self, service: str, elapsed_us: int, event_us: int) -> None:
        """Say that a service's newest record of a group is of `event_us`; `elapsed_us` passed until its receipt."""
        heard = self._heard.get(service)
        if heard is None:
            heard = self._heard[service] = _Heard(event_us)
        heard.note(elapsed_us, event_us)

    def restarted(self) -> None:
        """Say that receipts were interrupted: who was live stays so until its pace says otherwise."""
        for heard in self._heard.values():
            heard.from_ = heard.next_ = None

    def not_live(self, services: Iterable[str]) -> list[str]:
        """Return those that were not heard live, in the order given."""
        return [name for name in services if (heard := self._heard.get(name)) is None or not heard.is_live]

    def snapshot(self) -> list[Any]:
        """Return the state as plain values."""
        return [
            [name, h.newest_us, h.from_ and list(h.from_), h.next_ and list(h.next_), h.is_live]
            for name, h in self._heard.items()
        ]

    @classmethod
    def restore(cls, state: list[Any]) -> Self:
        """Return what was known."""
        return cls(
            {
                name: _Heard(newest_us, from_ and tuple(from_), next_ and tuple(next_), is_live)
                for name, newest_us, from_, next_, is_live in state
            }
        )
