"""Fakes that the package ships: a clock that moves only when told, an intake that keeps what it is given, small logs.

For tests of live sources and of the service; no part of the package needs it to run.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fm_anomaly.core.commands import Command
    from fm_anomaly.ingest.batches import Batch
    from fm_anomaly.service.intake import Receipt

_START = datetime(2026, 3, 2, 10, 0, 0)
_TRACEBACK = """Traceback (most recent call last):
  File "/srv/shop/app/cart.py", line 41, in total
    price = prices.fetch(item)
  File "/srv/shop/app/prices.py", line 17, in fetch
    raise PriceError(f"no price for {item}")
app.errors.PriceError: no price for 991"""


class ManualClock:
    """A clock that stands still until `sleep` or `advance` moves it.

    `on_sleep` is called after each sleep with the new time: a test changes files there, which is how
    it plays the world that goes on while a source waits.

    >>> clock = ManualClock(start_us=5_000_000)
    >>> clock.sleep(0.5); clock.now_us()
    5500000
    """

    def __init__(self, start_us: int = 0, on_sleep: Callable[[int], None] | None = None) -> None:
        self._now_us = start_us
        self._on_sleep = on_sleep

    def now_us(self) -> int:
        """Return the time, in microseconds since the epoch."""
        return self._now_us

    def advance(self, seconds: float) -> None:
        """Move the time forward by `seconds`."""
        self._now_us += round(seconds * 1_000_000)

    def sleep(self, seconds: float) -> None:
        """Move the time forward by `seconds`, then let `on_sleep` act."""
        self.advance(seconds)
        if self._on_sleep is not None:
            self._on_sleep(self._now_us)


class ListIntake:
    """An intake that keeps what it is given, for tests of routes and listeners; refuses while `refusal` is set.

    `refusals` are raised by the next calls, one each, before that.
    """

    def __init__(self) -> None:
        self.batches: list[tuple[str, Batch, str | None]] = []
        self.commands: list[tuple[str, Command]] = []
        self.refusal: Exception | None = None
        self.refusals: list[Exception] = []
        self._seq_by_id: dict[tuple[str, str], int] = {}

    async def submit(self, tenant: str, batch: Batch, batch_id: str | None = None) -> Receipt:
        """Keep a batch, once for each tenant and id."""
        from fm_anomaly.service.intake import Receipt

        if self.refusals:
            raise self.refusals.pop(0)
        if self.refusal is not None:
            raise self.refusal
        known = self._seq_by_id.get((tenant, batch_id)) if batch_id is not None else None
        if known is not None:
            return Receipt(known, batch.n_lines, is_duplicate=True)
        self.batches.append((tenant, batch, batch_id))
        if batch_id is not None:
            self._seq_by_id[tenant, batch_id] = len(self.batches)
        return Receipt(len(self.batches), batch.n_lines)

    async def command(self, tenant: str, command: Command) -> dict[str, Any]:
        """Keep a command."""
        if self.refusal is not None:
            raise self.refusal
        self.commands.append((tenant, command))
        return {"effect": "kept"}


def quiet_log(minutes: int = 90, seed: int = 1) -> list[str]:
    """Return the lines of a web shop on an ordinary morning."""
    rng = Random(seed)  # noqa: S311 - a log, no cryptography
    lines = []
    for second in range(0, minutes * 60, 2):
        at = _START + timedelta(seconds=second)
        lines.append(
            f"{at:%Y-%m-%d %H:%M:%S} INFO [cart] added item {rng.randint(1, 9999)} for user {rng.randint(1, 99)}"
        )
        if rng.random() < 0.2:
            lines.append(
                f"{at:%Y-%m-%d %H:%M:%S} INFO [mail] sent receipt {rng.randint(1, 9999)} in {rng.randint(5, 60)}ms"
            )
    return lines


def outage_log(minutes: int = 90, seed: int = 1) -> list[str]:
    """Return `quiet_log` with three minutes of a new error in it, a traceback with every third."""
    out = []
    for line in quiet_log(minutes, seed):
        out.append(line)
        at = line[11:16]
        if "[cart]" in line and "11:10" <= at < "11:13":
            out.append(f"{line[:19]} ERROR [cart] price service answered 503 for item {len(out)}")
            if len(out) % 3 == 0:
                out.append(f"{line[:19]} ERROR [cart] checkout failed\n{_TRACEBACK}")
    return out


def as_bytes(lines: list[str]) -> bytes:
    """Return lines as the bytes of a file."""
    return ("\n".join(lines) + "\n").encode()
