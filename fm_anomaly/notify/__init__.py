"""Tells people: one file a receiver that makes its requests, and one sender that works through the outbox.

A receiver's module is pure: changes of alerts in, requests out. Nothing here knows tables, pipelines or the API;
importing this room costs nothing, httpx (extra ``serve``) is imported when something is sent.
"""

from __future__ import annotations

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
