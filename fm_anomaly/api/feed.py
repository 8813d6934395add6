"""The event stream behind one connection: numbered events from the store, as they become visible, to bounded clients.

One look at the store serves all who listen: it asks for a tenant's newest number and wakes them. Each reads what is
behind its own number, so that a slow one holds no memory, and a resumed one misses nothing. Knows no HTTP.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass

from fm_anomaly.errors import BusyError, StoreError
from fm_anomaly.storage import Store
from fm_anomaly.storage.timelines import StoredEvent, events_after, newest_event

_A_READ = 200


@dataclass(frozen=True, slots=True)
class FeedParams:
    """poll_s: how often the store is looked at while somebody listens. heartbeat_s: the longest silence on a
    connection. max_clients: those who may listen at once, over all tenants."""

    poll_s: float = 0.25
    heartbeat_s: float = 15.0
    max_clients: int = 100


class Feed:
    """All who listen to the events of a store. Belongs to one event loop."""

    def __init__(self, store: Store, params: FeedParams = FeedParams()) -> None:
        self.params = params
        self._store = store
        self._listening: Counter[str] = Counter()
        self._newest: dict[str, int] = {}
        self._changed = asyncio.Condition()
        self._watching: asyncio.Task[None] | None = None
        self._is_closed = False

    def close(self) -> None:
        """End all streams within a poll: a service that stops does not wait for who listens. Safe in a signal."""
        self._is_closed = True

    @property
    def n_clients(self) -> int:
        """How many listen."""
        return self._listening.total()

    def enter(self, tenant: str) -> None:
        """Take a place; whoever does calls `leave` once. Raises BusyError where as many listen as may."""
        if self.n_clients >= self.params.max_clients:
            raise BusyError(f"{self.params.max_clients} clients listen to events already", 30)
        self._listening[tenant] += 1

    def leave(self, tenant: str) -> None:
        """Give a place back; with the last one nothing looks at the store any more."""
        self._listening[tenant] -= 1
        if not self._listening[tenant]:
            del self._listening[tenant]
            self._newest.pop(tenant, None)
        if not self._listening and self._watching is not None:
            self._watching.cancel()
            self._watching = None

    async def newest(self, tenant: str) -> int:
        """Return the number of the tenant's newest event. Raises StoreError."""
        return await asyncio.to_thread(newest_event, self._store, tenant)

    async def events(self, tenant: str, after: int) -> AsyncIterator[StoredEvent | None]:
        """Yield the events behind number `after` until `close`, and None where there was none for a while.

        For whoever has a place.
        """
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())
        while not self._is_closed:
            found = await self._read(tenant, after)
            for event in found:
                yield event
                after = event.event_no
            if not found and not await self._has_more(tenant, after):
                yield None

    async def _read(self, tenant: str, after: int) -> tuple[StoredEvent, ...]:
        try:
            return await asyncio.to_thread(events_after, self._store, tenant, after, _A_READ)
        except StoreError:
            return ()  # a database that is away for a while; the heartbeat goes on

    async def _has_more(self, tenant: str, after: int) -> bool:
        """Wait until there is an event behind `after`; False where there was none for a heartbeat."""
        async with self._changed:
            more = self._changed.wait_for(lambda: self._is_closed or self._newest.get(tenant, 0) > after)
            try:
                await asyncio.wait_for(more, self.params.heartbeat_s)
            except TimeoutError:
                return False
        return True

    async def _watch(self) -> None:
        while True:
            for tenant in list(self._listening):
                try:
                    self._newest[tenant] = await self.newest(tenant)
                except StoreError:
                    continue
            async with self._changed:
                self._changed.notify_all()
            await asyncio.sleep(self.params.poll_s)
