"""The HTTP API: logs in to the service, what was found out of the store, for machines to read.

Reads the store and never sees a pipeline, so that a slow reader cannot hold the work back. Importing this room costs
nothing: FastAPI, of the extra ``serve``, is imported when a function here is called.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fm_anomaly.errors import UsageError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from fm_anomaly.api.serving import ServeParams
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


def serve(params: ServeParams, on_ready: Callable[[str], None] = lambda address: None) -> None:
    """Serve until SIGINT or SIGTERM; see `fm_anomaly.api.serving.serve`.

    Raises UsageError too where the extra ``serve`` is not installed.
    """
    try:
        from fm_anomaly.api.serving import serve as serve_forever
    except ModuleNotFoundError as exc:
        raise _missing(exc) from exc
    serve_forever(params, on_ready)


def _missing(exc: ModuleNotFoundError) -> UsageError:
    return UsageError(f"the API needs the package {exc.name!r}: pip install '.[serve]'")
