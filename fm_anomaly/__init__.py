"""fm_anomaly tells what is going wrong from logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fm_anomaly.lazy import lazily

if TYPE_CHECKING:
    from fm_anomaly.client import AsyncClient, Client
    from fm_anomaly.store_frames import open_store

__version__ = "0.1.0"

__all__ = ["AsyncClient", "Client", "__version__", "open_store"]

__getattr__ = lazily(
    __name__,
    {
        "fm_anomaly.client": ("AsyncClient", "Client"),
        "fm_anomaly.store_frames": ("open_store",),
    },
)
