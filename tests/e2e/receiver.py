"""A real server on a real port, whose intake keeps what arrives: what end-to-end tests send to."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn

from fm_anomaly.api.application import create_app
from fm_anomaly.ingest.batches import Batch, Part
from fm_anomaly.service.syslog_listeners import SyslogParams, listen
from fm_anomaly.storage import open_store
from fm_anomaly.testing import ListIntake
from tests.ingest.wire import records_of

START_S = 30.0
ARRIVE_S = 60.0


@dataclass(slots=True)
class Receiver:
    """Where to send to, and what has come."""

    port: int
    intake: ListIntake
    syslog_udp: int = 0
    syslog_tcp: int = 0
    started_us: int = field(default_factory=lambda: time.time_ns() // 1_000)

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self.port}"

    def records(self) -> list[dict[str, Any]]:
        """What the core reads in all that has come, one source after the other."""
        data: dict[str, list[Part]] = {}
        for _, batch, _ in self.intake.batches:
            for part in batch.parts:
                data.setdefault(part.source, []).append(part)
        whole = [Part(s, "", b"".join(p.data for p in ps), sum(p.n_lines for p in ps)) for s, ps in data.items()]
        return records_of(Batch("all", tuple(whole)))

    def wait_for(self, n: int) -> list[dict[str, Any]]:
        """Return the records once there are `n` of them, or what there is when patience ends."""
        self.until(lambda: len(self.records()) >= n)
        return self.records()

    def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until something is so, or patience ends."""
        deadline = time.monotonic() + ARRIVE_S
        while not is_so() and time.monotonic() < deadline:
            time.sleep(0.05)

    def is_now(self, us: int) -> bool:
        """Whether a time lies between the start of this receiver and now."""
        return self.started_us - 1_000_000 <= us <= time.time_ns() // 1_000 + 1_000_000


@contextmanager
def running(folder: Path, *, has_syslog: bool = False) -> Iterator[Receiver]:
    """A receiver, until the block ends."""
    with open_store(folder / "s.db") as store:
        intake = ListIntake()
        app = create_app(store, intake=intake)
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False))
        found = Receiver(0, intake)
        ready = threading.Event()

        async def main() -> None:
            address = "127.0.0.1:0" if has_syslog else None
            listeners = await listen(intake, "default", SyslogParams(udp=address, tcp=address))
            found.syslog_udp, found.syslog_tcp = listeners.udp_port, listeners.tcp_port
            serving = asyncio.create_task(server.serve())
            while not server.started and not serving.done():
                await asyncio.sleep(0.01)
            found.port = server.servers[0].sockets[0].getsockname()[1]
            ready.set()
            await serving
            await listeners.close()

        thread = threading.Thread(target=asyncio.run, args=(main(),))
        thread.start()
        try:
            assert ready.wait(START_S), "the server did not start"
            yield found
        finally:
            server.should_exit = True
            thread.join(START_S)
