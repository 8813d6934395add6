"""A thread that works beside a block, from its beginning to its end.

It must not know what the thread does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def beside(name: str, run: Callable[[threading.Event], None], join_s: float | None = 10.0) -> Iterator[None]:
    """Call `run` in a thread; when the block ends the event is set, and `run` has `join_s` seconds to return."""
    ended = threading.Event()
    thread = threading.Thread(target=run, args=(ended,), name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(join_s)
