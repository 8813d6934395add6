"""How many lines a second the service takes in, durable, whole pipeline behind it, beside `Pipeline.observe`.

    python benchmarks/intake.py [--bodies 300] [--rounds 3] [--bursts 100]

A real `fm-anomaly serve` is pinned to one core and sent NDJSON bodies of 1,000 lines from the other. In the same run,
turn about, `Pipeline.observe` takes the same bodies in a process of its own on the server's core: both have seen the
rounds before, and both leave full garbage collections out, as `serve` does. Prints sustained lines a second, the ratio
a CPU second (a wall clock says what else ran), where the server's time went, how long answers take at half the load,
and how long the last line of a burst takes to its alert on the event stream.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pickle
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
from typing import Any

N_LINES = 1_000
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
    """`serve` on one core, in a process of its own that says at its end where its time went."""

    def __init__(self, folder: Path, core: int) -> None:
        command = [sys.executable, __file__, "--serve", str(folder)]
        environ = {**os.environ, "POLARS_MAX_THREADS": "1"}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environ
        )
        os.sched_setaffinity(self.process.pid, {core})
        assert self.process.stdout is not None
        self.port = int(json.loads(self.process.stdout.readline())["address"].rpartition(":")[2])

    def cpu_s(self, what: str = "") -> float:
        """Return the CPU time used so far, of the process or of its main thread ("task/PID/")."""
        fields = Path(f"/proc/{self.process.pid}/{what}stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def http_s(self) -> float:
        """Return the CPU time of the thread that speaks HTTP and decodes."""
        return self.cpu_s(f"task/{self.process.pid}/")

    def peak_mib(self) -> float:
        """Return the most memory it has had."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]

    def stop(self) -> dict[str, float]:
        """End it gracefully; return its own figures."""
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=120)
        figures: dict[str, float] = json.loads(out.splitlines()[-1])
        return figures


def serve(folder: str) -> None:
    """Be the server: print the address, serve, print the figures."""
    from fm_anomaly.api.serving import ServeParams
    from fm_anomaly.api.serving import serve as serve_until_told
    from fm_anomaly.service.running import Service

    stop = Service.stop

    def stop_and_tell(service: Service) -> None:
        stop(service)
        print(json.dumps(service.figures()), flush=True)

    Service.stop = stop_and_tell  # type: ignore[method-assign]
    params = ServeParams(Path(folder), port=0)
    serve_until_told(params, lambda address: print(json.dumps({"address": address}), flush=True))


class Observer:
    """`Pipeline.observe` in a process of its own on a core, which keeps its pipeline from round to round."""

    def __init__(self, core: int) -> None:
        command = [sys.executable, __file__, "--observe"]
        environ = {**os.environ, "POLARS_MAX_THREADS": "1"}
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ)
        os.sched_setaffinity(self._process.pid, {core})

    def observe(self, some: list[bytes], size: int = 1) -> tuple[float, float, float]:
        """Return wall, CPU and parsing seconds of the bodies, `size` of them at a time."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        pickle.dump((some, size), self._process.stdin)
        self._process.stdin.flush()
        wall, cpu, parsing = self._process.stdout.readline().split()
        return float(wall), float(cpu), float(parsing)

    def stop(self) -> None:
        """End the process."""
        self._process.communicate(timeout=60)


def observe() -> None:
    """Be the observer: read pickled (bodies, how many at a time) until there are no more, answer with seconds."""
    from fm_anomaly.core.pipeline import Pipeline
    from fm_anomaly.core.sources import Arrived, Source, SourceName
    from fm_anomaly.service.collecting import collecting

    pipeline, name, receive = Pipeline(), SourceName("http", "app"), Source.receive
    parsing = 0.0

    def timed(source: Source, pieces: Any) -> Any:
        nonlocal parsing
        began = time.process_time()
        try:
            return receive(source, pieces)
        finally:
            parsing += time.process_time() - began

    Source.receive = timed  # type: ignore[method-assign]
    with collecting():
        while True:
            try:
                some, size = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the benchmark itself
            except EOFError:
                return
            parsing, wall, cpu = 0.0, time.perf_counter(), time.process_time()
            if size == 1:
                for body in some:
                    pipeline.observe(name, body)
            else:
                for at in range(0, len(some), size):
                    pipeline.receive([Arrived(name, body, 1 << 52) for body in some[at : at + size]])
            print(time.perf_counter() - wall, time.process_time() - cpu, parsing, flush=True)


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


_N_BURSTING = 6
"""Services of the bursts: each has some of its own in every minute."""


class Listener(threading.Thread):
    """Reads the event stream; remembers when each piece of it came."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.sendall(b"GET /api/v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        self._socket.recv(1 << 16)
        self._came: list[tuple[float, bytes]] = []

    def run(self) -> None:
        """Read until the connection ends."""
        buffer = b""
        with contextlib.suppress(OSError):
            while piece := self._socket.recv(1 << 20):
                *whole, buffer = (buffer + piece).split(b"\n\n")
                now = time.perf_counter()
                self._came += [(now, event) for event in whole]

    def when(self, text: bytes, until: float) -> float:
        """Return when the first event that holds `text` came; infinite where none has come until then."""
        seen = 0
        while time.perf_counter() < until:
            for moment, event in self._came[seen:]:
                seen += 1
                if text in event:
                    return moment
            time.sleep(0.01)
        return float("inf")

    def close(self) -> None:
        """End it."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self.join()
        self._socket.close()


def bursts(server: Server, lines_per_s: float, n: int) -> list[float]:
    """Send `lines_per_s` of ordinary lines in real time and a burst of new errors now and then.

    Return how long after the last line of each burst was sent its alert came on the event stream, seconds; 0 where it
    came while the burst was still being sent.
    """
    rng = random.Random(7)
    now = datetime.now(UTC)
    for ago in range(90, 0, -1):  # what is normal: a minute a body
        Connection(server.port).post(_live(rng, now - timedelta(minutes=ago), timedelta(minutes=1), 1_000))
    took: list[float] = []
    is_over = threading.Event()

    def background() -> None:
        connection, began, at = Connection(server.port), time.perf_counter(), 0
        while not is_over.is_set():
            connection.post(_live(rng, datetime.now(UTC), timedelta(seconds=N_LINES / lines_per_s), N_LINES))
            at += 1
            time.sleep(max(0.0, began + at * N_LINES / lines_per_s - time.perf_counter()))

    thread, listener = threading.Thread(target=background), Listener(server.port)
    listener.start()
    thread.start()
    try:
        time.sleep(5)
        for number in range(n):
            took.append(_burst(server, listener, number))
            time.sleep(rng.uniform(0.2, 1.2))
    finally:
        is_over.set()
        thread.join()
        listener.close()
    return sorted(took)


def _live(rng: random.Random, start: datetime, span: timedelta, n: int) -> bytes:
    lines = []
    for at in range(n):
        moment = (start + span * at / n).isoformat().replace("+00:00", "Z")
        text = _EVENTS[at % len(_EVENTS)].format(a=rng.randrange(10**6), b=at, c=at % 250, d=at % 99, h=f"{at:012x}")
        lines.append(
            f'{{"timestamp":"{moment}","level":"info","service":"service-{at % _N_BURSTING}","event":"{text}"}}'
        )
    return ("\n".join(lines) + "\n").encode()


_NEW = (
    "valve",
    "turbine",
    "gasket",
    "lathe",
    "furnace",
    "crane",
    "anvil",
    "bellows",
    "pulley",
    "winch",
    "derrick",
    "sluice",
)


def _burst(server: Server, listener: Listener, number: int) -> float:
    """Send sixty errors of a new kind within half a second; return how long after them the alert came."""
    service, word = (
        f"service-{number % _N_BURSTING}",
        f"{_NEW[number % len(_NEW)]} {_NEW[number // len(_NEW) % len(_NEW)]}",
    )
    sender = Connection(server.port)
    for _ in range(6):
        moment = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        line = f'{{"timestamp":"{moment}","level":"error","service":"{service}","event":"the {word} has come loose"}}\n'
        sent = time.perf_counter()
        sender.post(line.encode() * 10)
        time.sleep(max(0.0, sent + 0.1 - time.perf_counter()))
    return max(0.0, listener.when(f"the {word} has".encode(), sent + 90) - sent)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bodies", type=int, default=300, help="bodies a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bursts", type=int, default=100)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--observe", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.observe:
        observe()
        return
    if args.serve:
        serve(args.serve)
        return
    cores = sorted(os.sched_getaffinity(0))
    core = cores[0]
    os.sched_setaffinity(0, {cores[-1]})
    everything = bodies(args.bodies * (args.rounds + 1))
    part = [everything[at * args.bodies : (at + 1) * args.bodies] for at in range(args.rounds + 1)]
    print(f"{len(everything[0]) / N_LINES:.0f} bytes a line, bodies of {N_LINES:,} lines, server on one core, fsync")
    with tempfile.TemporaryDirectory() as folder:
        rate = throughput(Path(folder) / "throughput", core, part)
        server = Server(Path(folder) / "half", core)
        took = at_half_load(server, part[-1], rate / 2)
        print(f"answer at half of that: {_percentiles(took, 0, 'ms')}")
        server.stop()
        server = Server(Path(folder) / "burst", core)
        took = bursts(server, 20_000, args.bursts)
        print(f"last line of a burst sent → alert on the event stream, at 20,000 lines/s: {_percentiles(took, 2, 's')}")
        server.stop()


def _percentiles(took: list[float], n_digits: int, unit: str) -> str:
    at = {"p50": len(took) // 2, "p99": int(len(took) * 0.99), f"longest of {len(took)}": -1}
    return ", ".join(f"{name} {took[index]:.{n_digits}f} {unit}" for name, index in at.items())


def throughput(folder: Path, core: int, part: list[list[bytes]]) -> float:
    """Measure and print what is sustained, beside `observe`; return lines a second."""
    server, observer = Server(folder, core), Observer(core)
    n = len(part[0]) * N_LINES
    served, observed, walls = list[float](), list[float](), list[float]()
    total, http = server.cpu_s(), server.http_s()
    for at, some in enumerate(part[:-1], 1):
        wall_o, cpu_o, _ = observer.observe(some)
        wall_s, cpu_s, refused = sustain(server, some)
        observed.append(cpu_o)
        served.append(cpu_s)
        walls.append(wall_s)
        print(
            f"  round {at}: observe {n / wall_o:,.0f} lines/s ({n / cpu_o:,.0f} a CPU second), "
            f"served {n / wall_s:,.0f} ({n / cpu_s:,.0f}), 429s {refused}"
        )
    total, http = server.cpu_s() - total, server.http_s() - http
    print(
        f"sustained {n / min(walls):,.0f} lines/s, {n / min(served):,.0f} a CPU second: "
        f"{min(observed) / min(served):.2f} of Pipeline.observe a CPU second; peak memory {server.peak_mib():.0f} MiB"
    )
    figures = server.stop()
    ahead, store = figures["write_ahead_cpu_seconds_total"], figures["store_cpu_seconds_total"]
    _, whole, parsing = observer.observe(part[-1], 25)
    observer.stop()
    rest = total - http - ahead - store
    shares = {"HTTP": http, "write-ahead": ahead, "parsing": rest * parsing / whole}
    shares |= {"pipeline": rest * (1 - parsing / whole), "store": store}
    print("  of the server's time: " + ", ".join(f"{name} {100 * s / total:.0f} %" for name, s in shares.items()))
    return n / min(walls)


if __name__ == "__main__":
    main()
