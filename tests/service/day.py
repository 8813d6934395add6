"""A day of fifty services at 200 lines a second through a service whose clock is moved: what a test watches.

    python -m tests.service.day FOLDER HOURS

Prints an object: lines sent, the accounting, memory after each hour (KiB), and records by hour as the store has them.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import func, select

from fm_anomaly.errors import BusyError
from fm_anomaly.service import Service, ServiceParams
from fm_anomaly.service.collecting import collecting
from fm_anomaly.storage import Store, open_store, tables
from fm_anomaly.storage.retention import sweep
from fm_anomaly.storage.segments import SegmentParams
from fm_anomaly.testing import ManualClock
from tests.service.logs import START, batch

SERVICES = 50
LINES_PER_S = 200
STEP_S = 10
_EVENTS = (
    "served page @N of catalogue {b}",
    "cache miss for key item:@N",
    "order @N of customer {a} accepted",
    "sent receipt {a} in {b}ms",
    "retrying upstream call {b} of 3",
    "session {h} opened from 10.0.{b}.7",
)


def seconds(rng: random.Random, n: int) -> list[bytes]:
    """Return `n` different seconds of logs, with places for the time (@T) and for a number that never repeats (@N)."""
    out = []
    for _ in range(n):
        lines = []
        for at in range(LINES_PER_S):
            text = rng.choice(_EVENTS).format(
                a=rng.randrange(10**6), b=rng.randrange(250), h=f"{rng.randrange(1 << 48):012x}"
            )
            level = "error" if rng.random() < 0.002 else "info"
            line = {"timestamp": "@T", "level": level, "service": f"service-{at % SERVICES}", "event": text}
            lines.append(json.dumps(line))
        out.append(("\n".join(lines) + "\n").encode())
    return out


def steps(hours: int) -> Iterator[bytes]:
    """Yield step after step; for two minutes of every sixth hour one service fails anew."""
    rng = random.Random(3)
    some = seconds(rng, 200)
    for second in range(0, hours * 3_600, STEP_S):
        pieces = []
        for at in range(second, second + STEP_S):
            moment = (START + timedelta(seconds=at)).isoformat().replace("+00:00", "Z")
            piece = some[rng.randrange(len(some))].replace(b"@T", moment.encode()).replace(b"@N", b"%d" % (10**7 + at))
            if at % 21_600 in range(7_000, 7_120):
                piece = piece.replace(
                    b'"info", "service": "service-7", "event": "',
                    b'"error", "service": "service-7", "event": "price service refused ',
                )
            pieces.append(piece)
        yield b"".join(pieces)


async def fed(service: Service, clock: ManualClock, store: Store, hours: int) -> tuple[int, list[int]]:
    """Send the day; return how many lines it had, and the memory after each hour."""
    n_lines, memory = 0, list[int]()
    for number, data in enumerate(steps(hours), 1):
        some = batch(data)
        while True:
            try:
                await service.submit("default", some)
                break
            except BusyError:
                await asyncio.sleep(0.05)
        n_lines += data.count(b"\n")
        clock.advance(STEP_S)
        if number % (3_600 // STEP_S) == 0:
            while service.figures()["queue_entries"]:
                await asyncio.sleep(0.05)
            while sweep(store, clock.now_us()) >= 2_000:
                pass
            memory.append(int(re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())[1]))  # type: ignore[index]
            print(f"hour {len(memory)}: {memory[-1] / 1024:.0f} MiB", file=sys.stderr, flush=True)
    return n_lines, memory


def main() -> None:
    """Run and print."""
    folder, hours = Path(sys.argv[1]), int(sys.argv[2])
    clock = ManualClock(int(START.timestamp() * 1e6))
    params = replace(ServiceParams(), segments=SegmentParams("os", min_free_bytes=0))
    with open_store(folder / "s.db") as store:
        service = Service(folder, store, params, clock=clock)
        with collecting(every_s=60.0):
            service.start()
            n_lines, memory = asyncio.run(fed(service, clock, store, hours))
            told = asyncio.run(service.accounting("default"))
            service.stop()
        counts = tables.counts
        query = select(counts.c.start_us, func.sum(counts.c.count)).where(
            counts.c.step_s == tables.HOUR_S, counts.c.name == "records"
        )
        with store.reading() as connection:
            hourly = connection.execute(query.group_by(counts.c.start_us).order_by(counts.c.start_us)).all()
            n_alerts = connection.scalar(select(func.count()).select_from(tables.alerts))
    by_hour = {datetime.fromtimestamp(at / 1e6, UTC).isoformat(): int(n) for at, n in hourly}
    print(json.dumps({"lines": n_lines, "intake": told, "memory_kib": memory, "by_hour": by_hour, "alerts": n_alerts}))


if __name__ == "__main__":
    main()
