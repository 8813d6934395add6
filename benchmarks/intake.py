"""How many lines a second the service takes in, durable, whole pipeline behind it, beside `Pipeline.observe`.

    python benchmarks/intake.py [--seconds 20] [--bodies 200]

A real `fm-anomaly serve` is pinned to one core and sent NDJSON bodies of 1,000 lines from the other. In the same run,
turn about, `Pipeline.observe` takes the same bodies in a process of its own on the server's core. Prints sustained
lines a second, the ratio, where the server's time went, the answer's 99th percentile at half the load, and how long
the last line of a burst takes to its alert in the API.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

N_LINES = 1_000
_LISTENS = re.compile(r"listens on http://127\.0\.0\.1:(\d+)")
_START = datetime(2026, 3, 2, 10, 0, 0, tzinfo=UTC)
_EVENTS = (
    "served page {a} of catalogue {b}",
    "cache miss for key item:{a}",
    "order {a} of customer {b} accepted",
    "sent receipt {a} in {c}ms",
    "retrying upstream call {c} of 3",
    "session {h} opened from 10.0.{c}.{d}",
)


def bodies(n: int, seed: int = 1, lines_per_s: float = 20_000.0) -> list[bytes]:
    """Return `n` bodies of NDJSON as FaultMaven writes it, 300 bytes a line, numbers drawn anew in each line."""
    rng = random.Random(seed)
    out = []
    for body in range(n):
        lines = []
        for at in range(N_LINES):
            moment = _START + timedelta(seconds=(body * N_LINES + at) / lines_per_s)
            a, b, c, d = rng.randrange(10**6), rng.randrange(10**4), rng.randrange(250), rng.randrange(250)
            h = f"{rng.randrange(1 << 48):012x}"
            line = {
                "timestamp": moment.isoformat().replace("+00:00", "Z"),
                "level": "error" if at % 97 == 0 else "info",
                "logger": f"shop.service_{at % 20}.worker",
                "service": f"service-{at % 20}",
                "event": _EVENTS[(at * 7 + body) % len(_EVENTS)].format(a=a, b=b, c=c, d=d, h=h),
                "correlation_id": f"{rng.randrange(1 << 64):016x}-{h}",
                "path": f"/api/v1/items/{a}",
                "duration_seconds": round(rng.random(), 4),
                "user_id": f"u-{b}",
            }
            lines.append(json.dumps(line))
        out.append(("\n".join(lines) + "\n").encode())
    return out


class Connection:
    """One keep-alive connection; cheaper than any client library, so that the load's core is not what is measured."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._left = b""

    def post(self, body: bytes) -> int:
        """Send a body; return the status."""
        head = (
            f"POST /api/v1/logs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-ndjson\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        self._socket.sendall(head.encode() + body)
        return self._answer()[0]

    def get(self, path: str) -> bytes:
        """Return the body of an answer."""
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        return self._answer()[1]

    def _answer(self) -> tuple[int, bytes]:
        raw = self._left
        while b"\r\n\r\n" not in raw:
            raw += self._more()
        head, _, body = raw.partition(b"\r\n\r\n")
        size = int(re.search(rb"content-length: (\d+)", head, re.IGNORECASE)[1])  # type: ignore[index]
        while len(body) < size:
            body += self._more()
        self._left = body[size:]
        return int(head[9:12]), body[:size]

    def _more(self) -> bytes:
        part = self._socket.recv(1 << 16)
        if not part:
            raise ConnectionError("the server closed the connection")
        return part


class Server:
    """`fm-anomaly serve` on one core."""

    def __init__(self, folder: Path, core: int) -> None:
        command = [sys.executable, "-m", "fm_anomaly.cli", "serve", "--data", str(folder), "--port", "0"]
        environ = {**os.environ, "POLARS_MAX_THREADS": "1"}
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environ)
        os.sched_setaffinity(self.process.pid, {core})
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if found := _LISTENS.search(line):
                self.port = int(found[1])
                break
        threading.Thread(target=lambda: [None for _ in self.process.stderr or ()], daemon=True).start()

    def cpu_s(self) -> float:
        """Return the CPU time used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_mib(self) -> float:
        """Return the most memory it has had."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]

    def stop(self) -> None:
        """End it gracefully."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(120)


_OBSERVE = """
import pickle, sys, time
from fm_anomaly.core.pipeline import Pipeline
from fm_anomaly.core.sources import SourceName
bodies = pickle.load(sys.stdin.buffer)
pipeline, name = Pipeline(), SourceName("http", "app")
wall, cpu = time.perf_counter(), time.process_time()
for body in bodies:
    pipeline.observe(name, body)
print(time.perf_counter() - wall, time.process_time() - cpu)
"""


def observe(some: list[bytes], core: int) -> tuple[float, float]:
    """Return wall and CPU seconds of `Pipeline.observe` over the bodies, on a core."""
    import pickle

    done = subprocess.run(
        [sys.executable, "-c", f"import os; os.sched_setaffinity(0, {{{core}}})\n{_OBSERVE}"],
        input=pickle.dumps(some),
        capture_output=True,
        check=True,
        env={**os.environ, "POLARS_MAX_THREADS": "1"},
    )
    wall, cpu = done.stdout.split()
    return float(wall), float(cpu)


def sustain(server: Server, some: list[bytes], n_connections: int = 4) -> tuple[float, float, int]:
    """Send all bodies as fast as they are taken; return wall and CPU seconds until all had effect, and the 429s."""
    todo = iter(some)
    lock, refused = threading.Lock(), [0]

    def work() -> None:
        connection = Connection(server.port)
        while True:
            with lock:
                body = next(todo, None)
            if body is None:
                return
            while connection.post(body) != 200:
                refused[0] += 1
                time.sleep(0.05)

    cpu = server.cpu_s()
    began = time.perf_counter()
    threads = [threading.Thread(target=work) for _ in range(n_connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    watch = Connection(server.port)
    while json.loads(watch.get("/api/v1/intake"))["waiting"]["entries"]:
        time.sleep(0.02)
    return time.perf_counter() - began, server.cpu_s() - cpu, refused[0]


def at_half_load(server: Server, some: list[bytes], lines_per_s: float) -> list[float]:
    """Send bodies at a fixed rate over four connections; return how long each answer took, ms."""
    took: list[float] = []
    began = time.perf_counter()
    todo: Iterator[tuple[int, bytes]] = iter(list(enumerate(some)))
    lock = threading.Lock()

    def work() -> None:
        connection = Connection(server.port)
        while True:
            with lock:
                at, body = next(todo, (-1, b""))
            if at < 0:
                return
            due = began + at * N_LINES / lines_per_s
            time.sleep(max(0.0, due - time.perf_counter()))
            sent = time.perf_counter()
            assert connection.post(body) == 200
            took.append((time.perf_counter() - max(sent, due)) * 1_000)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(took)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bodies", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    core, load = cores[0], cores[-1]
    os.sched_setaffinity(0, {load})
    everything = bodies(args.bodies * (args.rounds + 1))
    part = [everything[at * args.bodies : (at + 1) * args.bodies] for at in range(args.rounds + 1)]
    n = args.bodies * N_LINES
    print(f"{len(everything[0]) / N_LINES:.0f} bytes a line, bodies of {N_LINES:,} lines, server on one core")
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "d", core)
        best_served = best_observed = 1e9
        best_wall = 1e9
        for at in range(args.rounds):
            wall_o, cpu_o = observe(part[at], core)
            wall_s, cpu_s, refused = sustain(server, part[at])
            print(
                f"  round {at + 1}: observe {n / wall_o:,.0f} lines/s ({n / cpu_o:,.0f} a CPU second), "
                f"served {n / wall_s:,.0f} ({n / cpu_s:,.0f}), 429s {refused}"
            )
            best_observed, best_served = min(best_observed, cpu_o), min(best_served, cpu_s)
            best_wall = min(best_wall, wall_s)
        print(
            f"sustained {n / best_wall:,.0f} lines/s; ratio {best_observed / best_served:.2f} of observe (CPU seconds)"
        )
        took = at_half_load(server, part[args.rounds], n / best_wall / 2)
        print(f"answer at half load: p50 {took[len(took) // 2]:.0f} ms, p99 {took[int(len(took) * 0.99)]:.0f} ms")
        print(f"peak memory {server.peak_mib():.0f} MiB")
        server.stop()


if __name__ == "__main__":
    main()
