"""Holds the data folder for one process: two would write one log.

By a lock that ends with the process. It must not know what the folder holds.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fm_anomaly.errors import UsageError


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold the folder until the block ends. Raises UsageError where another process does, or it is not ours."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        reason = (exc.strerror or str(exc)).lower()
        raise UsageError(f"cannot write to {folder}: {reason}; give --data a folder that is yours") from exc
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        os.close(descriptor)
        raise UsageError(f"{folder} is in use by another `fm-anomaly serve`; give --data another folder") from exc
    try:
        yield
    finally:
        os.close(descriptor)
