"""Telling people, beside the running service: the outbox of its store and the configured receivers, brought together.

It starts and ends with the service. It must not know alerts, HTTP or the settings file.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from fm_anomaly.ingest.clock import Clock, SystemClock
from fm_anomaly.notify import NotifyParams, Sender, SenderThreads, Target
from fm_anomaly.storage import Store
from fm_anomaly.storage.outbox import Outbox


@dataclass(frozen=True, slots=True)
class NotifyingParams:
    """Whom to tell, and how."""

    targets: tuple[Target, ...] = ()
    sending: NotifyParams = field(default_factory=NotifyParams)


@contextmanager
def notifying(store: Store, params: NotifyingParams, clock: Clock | None = None) -> Iterator[Sender]:
    """Send what is in the outbox, in threads, until the block ends; what is left then is sent after the next start.

    Without receivers it only notes that nobody wanted to hear. Raises UsageError where httpx is missing.
    """
    sender = Sender(Outbox(store), params.targets, params.sending)
    with SenderThreads(sender, (clock or SystemClock()).now_us):
        yield sender
