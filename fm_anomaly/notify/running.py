"""Runs a sender beside the service: a thread a receiver, so that a slow one holds up nobody.

It knows threads and is given the clock; it must not know what is sent.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from fm_anomaly.errors import StoreError
from fm_anomaly.logs import Log
from fm_anomaly.notify.sender import Sender

_STOP_S = 30.0
_MAX_PAUSE_S = 60.0


class SenderThreads:
    """Threads that call a sender every `poll_s` seconds until stopped. Use it in a ``with``."""

    def __init__(self, sender: Sender, now_us: Callable[[], int], poll_s: float = 1.0) -> None:
        self._sender = sender
        self._now_us = now_us
        self._poll_s = poll_s
        self._is_over = threading.Event()
        self._log = Log("notify")
        jobs: list[tuple[str, Callable[[int], object]]] = [("route", sender.route)]
        jobs += [(name, self._job(name)) for name in sender.names]
        self._threads = [
            threading.Thread(target=self._run, args=job, name=f"notify-{job[0]}", daemon=True) for job in jobs
        ]

    def start(self) -> None:
        """Take up what was left, then begin."""
        self._sender.start(self._now_us())
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End after what is being sent; what has not been sent stays in the outbox."""
        self._is_over.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(_STOP_S)
        self._sender.close()

    def __enter__(self) -> SenderThreads:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _job(self, name: str) -> Callable[[int], object]:
        return lambda now_us: self._sender.run_receiver(name, now_us)

    def _run(self, name: str, job: Callable[[int], object]) -> None:
        pause_s = self._poll_s
        while True:
            try:
                job(self._now_us())
                pause_s = self._poll_s
            except StoreError as exc:
                self._log.error("notify_store_failed", receiver=name, error=str(exc))
                pause_s = min(2 * pause_s, _MAX_PAUSE_S)
            except Exception:  # noqa: BLE001 - alerts must go out again whatever went wrong with this one
                self._log.exception("notify_broke", receiver=name)
                pause_s = min(2 * pause_s, _MAX_PAUSE_S)
            if self._is_over.wait(pause_s):
                return
