"""Notes refused requests in the audit, a bounded number of rows: one a minute for each who and why.

The first is written at once, those that follow within the minute are counted in the next row. It must not know what was
asked for beyond its path.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from fm_anomaly.api.access import Refusal
from fm_anomaly.api.clock import now_us
from fm_anomaly.core.display import clip
from fm_anomaly.errors import StoreError
from fm_anomaly.storage import Store
from fm_anomaly.storage.audit import REFUSED, Deed, note_alone
from fm_anomaly.storage.tables import ANY

_MINUTE_US = 60_000_000
_MAX_KINDS = 30
"""Kinds told apart in a minute; what comes beyond them counts as one."""
NOTED = (401, 403)
_STRANGER = "unknown"


@dataclass(slots=True)
class _Kind:
    since_us: int
    n_untold: int = 0


class Refusals:
    """What has been refused lately. Belongs to the event loop's thread."""

    def __init__(self, store: Store, clock: Callable[[], int] = now_us) -> None:
        self._store = store
        self._clock = clock
        self._kinds: dict[tuple[str, str, int], _Kind] = {}
        self._writing: set[asyncio.Future[None]] = set()

    def note(self, refused: Refusal, method: str, path: str, peer: str) -> None:
        """Count a refusal, and write a row where it is due; returns at once."""
        if refused.status not in NOTED:
            return
        caller, at_us = refused.caller, self._clock()
        key = (ANY, _STRANGER, refused.status)
        if caller is not None:
            key = (caller.tenant if not caller.is_any else ANY, caller.actor, refused.status)
        kind = self._kind(key, at_us)
        if kind is None:
            return
        details = {"method": method, "from": peer, "why": refused.detail, "times": kind.n_untold + 1}
        kind.n_untold = 0
        deed = Deed(at_us, key[1], "refused", clip(path, 120), REFUSED, details)
        task = asyncio.get_running_loop().run_in_executor(None, self._write, key[0], deed)
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    def _kind(self, key: tuple[str, str, int], at_us: int) -> _Kind | None:
        """Return the kind where a row is due, None where it was only counted."""
        found = self._kinds.get(key)
        if found is None and len(self._kinds) >= _MAX_KINDS:
            old = [name for name, kind in self._kinds.items() if at_us - kind.since_us >= _MINUTE_US]
            for name in old:
                del self._kinds[name]
            if not old:
                key = (ANY, _STRANGER, 0)
                found = self._kinds.get(key)
        if found is None:
            found = self._kinds[key] = _Kind(at_us)
            return found
        if at_us - found.since_us < _MINUTE_US:
            found.n_untold += 1
            return None
        found.since_us = at_us
        return found

    def _write(self, tenant: str, deed: Deed) -> None:
        try:
            note_alone(self._store, tenant, deed)
        except StoreError:
            return  # a database that is away; the refusal itself has been answered
