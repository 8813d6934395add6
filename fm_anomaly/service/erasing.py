"""Erases a tenant from everything that a service keeps: store, log, snapshots; while the service is stopped.

What waits in the log is worked on first, then the tenant's state is dropped, snapshots are written anew and the log
behind them is deleted. It must not know HTTP.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from fm_anomaly.service.labelling import models_of
from fm_anomaly.service.running import Service, ServiceParams
from fm_anomaly.storage import Store
from fm_anomaly.storage.audit_head import FILE_NAME, Head, keep, read_heads, stored_heads, write_heads
from fm_anomaly.storage.erasing import compact, erase


def erase_tenant(
    folder: Path, store: Store, tenant: str, params: ServiceParams, key: bytes, *, by: str, now_us: int
) -> int:
    """Erase a tenant; return how many rows of the store went. `key` is this installation's, which signs the audit.

    The caller holds the folder. Raises AuditError, before anything is erased, where the audit is not whole; StoreError.
    """
    path = folder / FILE_NAME
    keep(store, path, key)
    service = Service(folder, store, params)
    service.start()
    service.stop()
    service = Service(folder, store, params)
    service.forget(tenant)
    service.start()
    service.stop()
    for damaged in (folder / "state").glob("*.damaged"):
        damaged.unlink()
    _erase_models(service.models, params.applier.pipeline.tenant, tenant)
    keep(store, path, key)
    n, erased_no, erased_hash = erase(store, tenant, by=by, now_us=now_us)
    heads = dict(read_heads(path, key) or {})
    with store.reading() as connection:
        stored = stored_heads(connection, heads)
    last = stored[tenant]
    write_heads(path, key, {**stored, tenant: Head(last.audit_no, last.hash, erased_no, erased_hash)})
    compact(store)
    return n


def _erase_models(folder: Path, own: str, tenant: str) -> None:
    """Delete the models of a tenant: categories have examples of its errors. Those of others lie apart."""
    root = models_of(folder, own, tenant)
    if not root.is_dir():
        return
    for path in sorted(root.iterdir()):
        if path != folder / "tenants":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
