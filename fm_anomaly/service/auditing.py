"""Keeps the audit's second place beside the running service: a thread that brings the signed file up to the store.

Every second at most, and once at the end. Where the file and the store contradict each other it says so and leaves the
file alone. It must not know what rows say.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from fm_anomaly.errors import AuditError, FmAnomalyError, StoreError
from fm_anomaly.logs import Log
from fm_anomaly.service.beside import beside
from fm_anomaly.storage import Store
from fm_anomaly.storage.audit_head import FILE_NAME, keep
from fm_anomaly.storage.installation_key import default_key_file, make_key

_LOG = Log("audit")
_EVERY_S = 1.0


@contextmanager
def keeping_audit(store: Store, folder: Path, every_s: float = _EVERY_S) -> Iterator[None]:
    """Keep `folder`'s file of heads until the block ends."""
    try:
        key = make_key(default_key_file())
    except FmAnomalyError as exc:
        _LOG.warning("audit_head_unsigned", reason=str(exc), meaning="that the last rows were cut is not found")
        yield
        return
    with beside("audit", partial(_run, store, folder / FILE_NAME, key, every_s)):
        yield


def _run(store: Store, path: Path, key: bytes, every_s: float, ended: threading.Event) -> None:
    is_last = False
    while True:
        try:
            keep(store, path, key)
        except StoreError:
            pass  # a database that is away: the next round
        except AuditError as exc:
            _LOG.error("audit_broken", reason=str(exc), meaning="look at it with fm-anomaly audit verify")
            return
        if is_last:
            return
        is_last = ended.wait(every_s)
