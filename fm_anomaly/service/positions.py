"""How far followed sources have been taken: the last position of each, known to be durable with what it stands behind.

A position is part of the entry that it follows, so that after a restart nothing is read twice and nothing is left out.
It must not know what a position means.
"""

from __future__ import annotations

from typing import Self

from fm_anomaly.core.state import State


class Positions:
    """The newest position of each source of a tenant. Noted in the order of the log; bounded by what is followed."""

    def __init__(self) -> None:
        self._by_key: dict[tuple[str, str], str] = {}

    def note(self, tenant: str, source: str, position: str) -> None:
        """Say that the entry that a source's `position` stands behind is durable."""
        self._by_key[tenant, source] = position

    def of(self, tenant: str, source: str) -> str | None:
        """Return the last position of a source; None where there is none."""
        return self._by_key.get((tenant, source))

    def forget(self, tenant: str) -> None:
        """Drop the positions of a tenant."""
        self._by_key = {key: at for key, at in self._by_key.items() if key[0] != tenant}

    def snapshot(self) -> State:
        """Return all positions as plain values; one that is noted meanwhile is in the log behind the snapshot."""
        return {"positions": [[tenant, source, at] for (tenant, source), at in list(self._by_key.items())]}

    @classmethod
    def restore(cls, state: State) -> Self:
        """Return the positions as they were."""
        found = cls()
        for tenant, source, at in state["positions"]:
            found.note(tenant, source, at)
        return found
