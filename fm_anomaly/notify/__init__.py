"""Tells people: one file a receiver that makes its requests, and one sender that works through the outbox.

A receiver's module is pure: changes of alerts in, requests out. Nothing here knows tables, pipelines or the API;
importing this room costs nothing, httpx (extra ``serve``) is imported when something is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fm_anomaly.lazy import lazily

if TYPE_CHECKING:
    from fm_anomaly.notify.receivers import NotifyParams, Receiver, ReceiverKind, Target, receivers_of, target, wants
    from fm_anomaly.notify.running import SenderThreads
    from fm_anomaly.notify.sender import OutboxPort, Sender, Sent

__all__ = [
    "NotifyParams",
    "OutboxPort",
    "Receiver",
    "ReceiverKind",
    "Sender",
    "SenderThreads",
    "Sent",
    "Target",
    "receivers_of",
    "target",
    "wants",
]

# settings name receivers, and need no sender
__getattr__ = lazily(
    __name__,
    {
        "fm_anomaly.notify.receivers": (
            "NotifyParams",
            "Receiver",
            "ReceiverKind",
            "Target",
            "receivers_of",
            "target",
            "wants",
        ),
        "fm_anomaly.notify.running": ("SenderThreads",),
        "fm_anomaly.notify.sender": ("OutboxPort", "Sender", "Sent"),
    },
)
