"""fm_anomaly tells what is going wrong from logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fm_anomaly.client import AsyncClient, Client
    from fm_anomaly.store_frames import open_store

__version__ = "0.1.0"

__all__ = ["AsyncClient", "Client", "__version__", "open_store"]

_HOMES = {
    "AsyncClient": "fm_anomaly.client",
    "Client": "fm_anomaly.client",
    "open_store": "fm_anomaly.store_frames",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: `import fm_anomaly` alone loads nothing."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found: object = getattr(import_module(home), name)
    globals()[name] = found
    return found
