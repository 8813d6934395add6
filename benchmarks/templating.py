"""Speed of `TemplateStore.assign` against Drain3 with its usual masks and loglensai, on one core and one thread.

    python benchmarks/templating.py [--data LOGHUB] [--lines 200000] [--rival-lines 10000] [--rounds 3]

Each system's messages are enlarged with digits and hex letters drawn anew, so that no cache of whole lines helps
anyone. Every side takes the same lines in the same run, each round from a fresh start (ours pays for its normaliser
and Drain3 too); the time is CPU time, the best of the rounds. Without --data it runs on lines of our own.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("POLARS_MAX_THREADS", "1")

import numpy as np
import polars as pl

from fm_anomaly.core.normalizing import masked_part, normalized_form
from fm_anomaly.core.templates import TemplateStore
from fm_anomaly.evaluation.loghub import load
from fm_anomaly.evaluation.template_rivals import drain3_miner

_CHUNK = 20_000
_HEX_RUN = re.compile(r"0x[0-9a-fA-F]+|\b(?=[a-fA-F-]*\d)(?=[\d-]*[a-fA-F])[0-9a-fA-F]{6,}(?:-[0-9a-fA-F]{4,})*\b|\d")

OWN_LINES: dict[str, list[str]] = {
    "web": [
        "Request completed GET /api/v1/orders/{n} 200 in {n}ms",
        "Request failed POST /api/v1/orders 502 in {n}ms trace={u}",
        "could not connect to cache at {i}: Connection refused",
        "slow query took {n}ms rows={n} table=orders",
        "session {u} opened for client {i}",
        "retrying job {n} attempt {n} of 5",
    ],
    "storage": [
        "Received block blk_{n} of size {n} from /{i}",
        "replica {n} of volume {h} is behind by {n} bytes",
        "checkpoint complete: wrote {n} buffers ({n}%); sync={n} ms, total={n} ms",
        "scrubbing range 0x{h} to 0x{h} done",
        "node-{n} joined ring epoch {n}",
    ],
    "kernel": [
        "eth{n}: link up, {n} Mbps, full-duplex, lpa 0x{h}",
        "CPU{n}: temperature {n}C above threshold, throttled (total events = {n})",
        "page allocation failure. order:{n}, mode:0x{h}",
        "Out of memory: killed process {n} (worker) total-vm:{n}kB, anon-rss:{n}kB",
        "device state changed to ready",
    ],
}


def main() -> None:
    """Time all sides on every system and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder in loghub's layout")
    parser.add_argument("--lines", type=int, default=200_000, help="lines a system for us")
    parser.add_argument("--rival-lines", type=int, default=10_000, help="lines a system for the slower rivals")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=5)
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    logs = read(args.data) if args.data else own(args.seed)
    loglens = _loglens()
    print("system            ours µs   drain3 µs  loglensai µs   drain3/ours  loglensai/ours")
    rows = []
    for name, lines in logs.items():
        drawn = enlarged(lines, args.lines, args.seed)
        head = drawn[: args.rival_lines]
        bodies = pl.Series(drawn, dtype=pl.String)
        ours = best(args.rounds, lambda bodies=bodies: assign(bodies)) / len(bodies)
        drain = best(args.rounds, lambda head=head: loop(drain3_miner(), head)) / len(head)
        lens = best(args.rounds, lambda head=head: loop(loglens, head)) / len(head) if loglens else float("nan")
        rows.append((ours, drain, lens))
        cells = f"{ours * 1e6:8.2f} {drain * 1e6:11.1f} {lens * 1e6:13.1f}"
        print(f"{name:<16} {cells} {drain / ours:13.1f} {lens / ours:15.1f}")
    summarise(np.array(rows))


def summarise(rows: np.ndarray) -> None:
    """Print speeds and ratios over all systems; `rows` is (system, [ours, drain3, loglensai]) in seconds a line."""
    for side, name in enumerate(("ours", "drain3 with masks", "loglensai")):
        rate = 1 / rows[:, side]
        print(f"{name:<18} mean {rate.mean():12,.0f} lines/s   harmonic mean {1 / rows[:, side].mean():12,.0f}")
    for side, name in ((1, "drain3 with masks"), (2, "loglensai")):
        ratio = rows[:, side] / rows[:, 0]
        print(
            f"against {name:<18} geometric mean {np.exp(np.log(ratio).mean()):6.1f}   mean {ratio.mean():6.1f}"
            f"   worst {ratio.min():6.1f}"
        )


def read(data: Path) -> dict[str, list[str]]:
    """Return the messages of each system under `data`."""
    return {system.name: system.contents.to_list() for system in load(data)}


def own(seed: int) -> dict[str, list[str]]:
    """Return lines of our own, a few systems of a few event types each."""
    rng = random.Random(seed)
    return {name: [_filled(rng.choice(forms), rng) for _ in range(2_000)] for name, forms in OWN_LINES.items()}


def _filled(form: str, rng: random.Random) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] == "n":
            return str(rng.randrange(10 ** rng.randint(1, 6)))
        if match[1] == "i":
            return ".".join(str(rng.randrange(256)) for _ in range(4))
        digits = f"{rng.getrandbits(128):032x}"
        return (
            digits[:8]
            if match[1] == "h"
            else "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
        )

    return re.sub(r"\{(\w)\}", value, form)


def enlarged(lines: list[str], n: int, seed: int) -> list[str]:
    """Return `n` lines: those given over and over, digits and the letters of hex runs drawn anew, lengths kept."""
    rng = random.Random(seed)
    return [_HEX_RUN.sub(lambda m: _redrawn(m[0], rng), lines[i % len(lines)]) for i in range(n)]


def _redrawn(run: str, rng: random.Random) -> str:
    prefix = run[:2] if run.startswith("0x") else ""
    kinds = {
        **dict.fromkeys("0123456789", "0123456789"),
        **dict.fromkeys("abcdef", "abcdef"),
        **dict.fromkeys("ABCDEF", "ABCDEF"),
    }
    return prefix + "".join(rng.choice(kinds[c]) if c in kinds else c for c in run[len(prefix) :])


def assign(bodies: pl.Series) -> None:
    """Our side: a fresh store and normaliser, the column in chunks, as the parser hands it on."""
    masked_part.cache_clear()
    normalized_form.cache_clear()
    store = TemplateStore()
    for start in range(0, len(bodies), _CHUNK):
        chunk = bodies.slice(start, _CHUNK)
        store.assign(np.zeros(len(chunk), dtype=np.int32), chunk)


def loop(call: Callable[[str], object], lines: list[str]) -> None:
    """A rival's side: one call a line."""
    for line in lines:
        call(line)


def best(rounds: int, run: Callable[[], None]) -> float:
    """Return the least CPU time of several runs, in seconds."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return min(times)


def _loglens() -> Callable[[str], object] | None:
    """Return loglensai's way from a message to its template, where it is installed.

    Without its cache of whole messages, which would remember the lines of the round before.
    """
    try:
        from loglens.detection.templates import template_key
    except ImportError:
        print("loglensai is not installed: left out (pip install loglensai)")
        return None
    inner = getattr(template_key, "__globals__", {}).get("_template_key_cached")
    return inner.__wrapped__ if hasattr(inner, "__wrapped__") else template_key  # type: ignore[no-any-return]


if __name__ == "__main__":
    main()
