"""Tells people: one file a receiver that makes its requests, and one sender that works through the outbox.

A receiver's module is pure: changes of alerts in, requests out. Nothing here knows tables, pipelines or the API;
importing this room costs nothing, httpx (extra ``serve``) is imported when something is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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

_HOMES = {
    "NotifyParams": "fm_anomaly.notify.receivers",
    "OutboxPort": "fm_anomaly.notify.sender",
    "Receiver": "fm_anomaly.notify.receivers",
    "ReceiverKind": "fm_anomaly.notify.receivers",
    "Sender": "fm_anomaly.notify.sender",
    "SenderThreads": "fm_anomaly.notify.running",
    "Sent": "fm_anomaly.notify.sender",
    "Target": "fm_anomaly.notify.receivers",
    "receivers_of": "fm_anomaly.notify.receivers",
    "target": "fm_anomaly.notify.receivers",
    "wants": "fm_anomaly.notify.receivers",
}


def __getattr__(name: str) -> object:
    """Import a name when it is first used: settings name receivers, and need no sender."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found: object = getattr(import_module(home), name)
    globals()[name] = found
    return found
