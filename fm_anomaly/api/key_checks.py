"""Looks keys up and remembers for some seconds what was found, so that a busy shipper costs the store nothing.

A change made by this process counts at once, one made by another (the command line) after `FRESH_S`. While the store is
away what was known holds: nobody can change a key then either. It must not know requests.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from fm_anomaly.errors import StoreError
from fm_anomaly.storage import Store
from fm_anomaly.storage.keys import ApiKey, digest_of, find_key, has_keys, is_secret, key_of_secret

FRESH_S = 5.0
"""A key that another process revoked is refused after so long."""
_MAX_KNOWN = 10_000


class KeyChecks:
    """What is known of keys. Belongs to the event loop's thread."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._known: dict[tuple[str, str], tuple[Any, float]] = {}
        self._has_keys = False

    def forget(self) -> None:
        """Ask the store anew: a key has changed."""
        self._known.clear()

    async def by_secret(self, secret: str) -> ApiKey | None:
        """Return the key of a secret, live or not. Raises StoreError where it is not known and cannot be looked up."""
        if not is_secret(secret):
            return None
        found: ApiKey | None = await self._asked(
            "secret", digest_of(secret), lambda: key_of_secret(self._store, secret)
        )
        return found

    async def by_id(self, key_id: str) -> ApiKey | None:
        """Return the key of an id, live or not. Raises as above."""
        found: ApiKey | None = await self._asked("id", key_id, lambda: find_key(self._store, key_id))
        return found

    async def any_made(self) -> bool:
        """Return whether a key was ever made: from then on every request needs one. Raises as above."""
        if not self._has_keys:
            self._has_keys = bool(await self._asked("made", "", lambda: has_keys(self._store), keep_none=True))
        return self._has_keys

    async def has_tenant(self, tenant: str) -> bool:
        """Return whether a key was ever made for a tenant. Raises as above."""
        return bool(await self._asked("tenant", tenant, lambda: has_keys(self._store, tenant) or None))

    async def _asked(self, kind: str, name: str, ask: Callable[[], Any], *, keep_none: bool = False) -> Any:
        at = self._clock()
        found = self._known.get((kind, name))
        if found is not None:
            if at - found[1] < FRESH_S:
                return found[0]
            # the others go on with what is known while one asks
            self._known[kind, name] = (found[0], at)
        try:
            answer = await asyncio.to_thread(ask)
        except StoreError:
            if found is None:
                raise
            return found[0]
        if answer is None and not keep_none:
            # what is not there is not remembered: a stranger could fill the memory with it
            self._known.pop((kind, name), None)
            return None
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        self._known[kind, name] = (answer, at)
        return answer
