"""What `scan` takes at its limits: start-up, small batches, peak memory on large and on hostile input.

    python benchmarks/limits.py [start|live|size|garbage|names …] [--scale 1.0]

Each case but `live` is a process of its own, pinned to one core, with Polars on one thread; peak memory is the kernel's
figure for that process, times are processor time. `--scale` shrinks the inputs; the promised figures are for 1.0.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("POLARS_MAX_THREADS", "1")

_SCAN = "import sys; from fm_anomaly.cli import main; sys.exit(main(sys.argv[1:]))"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def main() -> None:
    """Run the cases that are named, or all."""
    cases: dict[str, Callable[[Path, float], None]] = {
        "start": start,
        "live": live,
        "size": size,
        "garbage": garbage,
        "names": names,
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", choices=[*cases, []], default=[])
    parser.add_argument("--scale", type=float, default=1.0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name in args.cases or cases:
            cases[name](Path(folder), args.scale)


def start(folder: Path, scale: float) -> None:
    """Time `--help` and a cold scan of 22,000 lines, best of five whole processes."""
    sample = Path(__file__).parent.parent / "data" / "samples" / "outage.log"
    help_s = min(_run(["--help"])[0] for _ in range(5))
    scan_s = min(_run(["scan", str(sample)])[0] for _ in range(5))
    print(f"start     --help {help_s:.2f} s (promised 0.3) · cold scan of 22,000 lines {scan_s:.2f} s (promised 1.5)")


def live(folder: Path, scale: float) -> None:
    """Time `Pipeline.observe` on small batches, after a warm-up of 50,000 lines."""
    from lines import ndjson_and_text

    from fm_anomaly.core.pipeline import Pipeline
    from fm_anomaly.core.sources import SourceName

    ndjson, text = ndjson_and_text(int(70_000 * max(scale, 0.3)))
    for label, data in (("NDJSON", ndjson), ("text", text)):
        name = SourceName("app.log", "app")
        lines = data.splitlines(keepends=True)
        n_warm = len(lines) - 12_000
        pipeline = Pipeline()
        pipeline.observe(name, b"".join(lines[:n_warm]))
        at = n_warm
        figures = []
        for n in (1, 10, 100):
            took = []
            for _ in range(100):
                piece = b"".join(lines[at : at + n])
                at += n
                started = time.process_time()
                pipeline.observe(name, piece)
                took.append(time.process_time() - started)
            took.sort()
            figures.append(f"{n} lines {took[50] * 1e3:.1f} ms (worst of 100: {took[-1] * 1e3:.1f})")
            rate = 100 * n / sum(took)
        print(f"live      {label}: {' · '.join(figures)} · {rate:,.0f} lines/s (promised 10 ms, 10,000)")


def size(folder: Path, scale: float) -> None:
    """Peak memory and speed with growing files: neither may grow with the size."""
    from lines import ndjson_and_text

    ndjson, _ = ndjson_and_text(100_000)
    for n_times in (1, 5, 20):
        path = folder / "size.log"
        with path.open("wb") as file:
            for _ in range(max(1, int(n_times * scale))):
                file.write(ndjson)
        took, peak = _run(["scan", str(path)])
        n = max(1, int(n_times * scale)) * 100_000
        print(f"size      {n:10,} lines: {n / took:9,.0f} lines/s, peak {peak:.0f} MB (promised 600)")


def garbage(folder: Path, scale: float) -> None:
    """Never-repeating messages: memory, speed, and one health warning."""
    path = folder / "garbage.log"
    n = int(5_000_000 * scale)
    _write(path, n, lambda rng, word: f"INFO [api] {word()} {word()} {word()} {word()} {word()}")
    _report("garbage", path, n, "(promised 600 MB, 15,000 lines/s, aim 50,000)")


def names(folder: Path, scale: float) -> None:
    """Never-repeating service names: memory, and one health warning."""
    path = folder / "names.log"
    n = int(1_000_000 * scale)
    _write(path, n, lambda rng, word: f"INFO [{word()}{word()}] job finished")
    _report("names", path, n, "(promised 600 MB)")


def _report(label: str, path: Path, n: int, promise: str) -> None:
    import json

    out = path.with_suffix(".json")
    took, peak = _run(["scan", "--json", str(path)], out)
    health = json.loads(out.read_text())["intake"]["health"]
    print(f"{label:9s} {n:10,} lines: {n / took:9,.0f} lines/s, peak {peak:.0f} MB {promise}; {len(health)} warning(s)")
    for sentence in health[:3]:
        print(f"          {sentence[:150]}")


def _write(path: Path, n: int, line: Callable[[random.Random, Callable[[], str]], str]) -> None:
    rng = random.Random(5)

    def word() -> str:
        return "".join(rng.choices(_LETTERS, k=7))

    with path.open("w") as file:
        for i in range(n):
            second = i // 100
            stamp = (
                f"2026-03-{2 + second // 86400:02d} {second // 3600 % 24:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
            )
            file.write(f"{stamp} {line(rng, word)}\n")


def _run(arguments: list[str], out: Path | None = None) -> tuple[float, float]:
    """Run the command line in a process of its own; return seconds of processor time and peak memory in MB."""
    with open(out or os.devnull, "wb") as sink:  # noqa: PTH123
        # compiled files are kept, as an installed package has them
        env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        child = subprocess.Popen([sys.executable, "-c", _SCAN, *arguments], stdout=sink, preexec_fn=_pin, env=env)
        _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise SystemExit(f"fm-anomaly {' '.join(arguments)} exited with {child.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def _pin() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
