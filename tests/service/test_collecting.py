"""Laws of the collector in the service: cycles are found, full walks come when they are told to, all is put back."""

from __future__ import annotations

import gc
import time
import weakref

from fm_anomaly.service.collecting import collecting


class _Node:
    def __init__(self) -> None:
        self.other: _Node | None = None


def _cycle() -> weakref.ref[_Node]:
    one, two = _Node(), _Node()
    one.other, two.other = two, one
    return weakref.ref(one)


def test_what_was_told_is_done_and_put_back() -> None:
    """No full collection comes by itself, an old cycle goes with the next one that is told, thresholds are restored."""
    before = gc.get_threshold()
    with collecting(every_s=0.05):
        assert gc.get_threshold()[2] > 1 << 30
        lost = _cycle()
        end = time.monotonic() + 30
        while lost() is not None:
            assert time.monotonic() < end
            time.sleep(0.02)
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
