"""The HTTP API over the store: what was found, for machines to read.

Reads the store and never sees a pipeline, so that a slow reader cannot hold a scan back. Today it only
reads, on the loopback address alone; taking logs in and access control come with the service. Importing
this room costs nothing: FastAPI, of the extra ``serve``, is imported when a function here is called.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fm_anomaly.errors import UsageError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from fm_anomaly.storage import Store

__all__ = ["DEFAULT_PORT", "create_app", "serve"]

DEFAULT_PORT = 8010
"""The port that FaultMaven expects this service on."""


def create_app(store: Store, tenant: str = "default") -> FastAPI:
    """Return the ASGI application that reads `tenant`'s part of `store`; the caller closes the store.

    Raises UsageError where the extra ``serve`` is not installed.
    """
    try:
        from fm_anomaly.api.application import create_app as create
    except ModuleNotFoundError as exc:
        raise _missing(exc) from exc
    return create(store, tenant)


def serve(data_dir: Path | str, host: str = "127.0.0.1", port: int = DEFAULT_PORT, tenant: str = "default") -> None:
    """Serve `tenant`'s part of the store in `data_dir` until SIGINT or SIGTERM.

    Raises UsageError where `host` is not a loopback address, the port cannot be bound, or the extra
    ``serve`` is not installed; StoreError where the store cannot be opened.
    """
    try:
        from fm_anomaly.api.serving import serve as serve_forever
    except ModuleNotFoundError as exc:
        raise _missing(exc) from exc
    serve_forever(Path(data_dir), host, port, tenant)


def _missing(exc: ModuleNotFoundError) -> UsageError:
    return UsageError(f"the API needs the package {exc.name!r}: pip install '.[serve]'")
