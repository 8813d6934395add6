"""Python's garbage collector in a process that holds much state and must answer soon.

A full collection walks through everything that the pipelines know, some hundred milliseconds in which no thread goes
on, and by itself it comes again and again while they learn or a snapshot is made. Here what was there at the start is
left out for good, young objects are collected as ever, and everything is walked through once in ten minutes. It must
not know what the process does.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from fm_anomaly.service.beside import beside

EVERY_S = 600.0
"""Between two full collections: what leaks meanwhile are cycles that were not young any more when they fell apart."""
_YOUNG = (2_000, 10)
_NEVER = (1 << 31) - 1


@contextmanager
def collecting(every_s: float = EVERY_S) -> Iterator[None]:
    """Collect fully every `every_s` seconds, and only then, until the block ends; to be entered once all is loaded."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_YOUNG, _NEVER)
    try:
        with beside("collector", partial(_run, every_s), join_s=None):
            yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _run(every_s: float, ended: threading.Event) -> None:
    while not ended.wait(every_s):
        gc.collect()
