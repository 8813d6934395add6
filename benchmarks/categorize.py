"""Scale of `categorize`: ten million error lines with a hundred thousand distinct ones, time and memory.

The lines are made up as they are read, from words of our own; each distinct error comes again with other values. Run as
`python benchmarks/categorize.py [--lines N] [--distinct N]`; a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import time
from collections.abc import Iterator

from fm_anomaly.core.categories import CategoriesParams, fit
from fm_anomaly.core.error_collection import ErrorCollector
from fm_anomaly.core.parsing import ParsingParams
from fm_anomaly.core.sources import Source, SourceName

PIECE_LINES = 50_000
_VERBS = ("cannot read", "failed to write", "timed out waiting for", "lost connection to", "could not parse")
_WHYS = ("connection refused", "no space left on device", "permission denied", "checksum mismatch", "not found")
_SYLLABLES = ("ba", "cor", "del", "fin", "gra", "hol", "jun", "kel", "lum", "mar", "nor", "pel", "quo", "ras", "tov")


def wordings(n: int, seed: int) -> list[str]:
    """Return `n` distinct errors with a place for a value each: some thousand objects, five deeds, five reasons."""
    rng = random.Random(seed)
    objects = ["".join(rng.choices(_SYLLABLES, k=3)) for _ in range(4_000)]
    found: dict[str, None] = {}
    while len(found) < n:
        thing, other = rng.choice(objects), rng.choice(objects)
        found[f"{rng.choice(_VERBS)} {thing} %d of {other}: {rng.choice(_WHYS)}"] = None
    return list(found)


def pieces(n_lines: int, kinds: list[str], seed: int) -> Iterator[bytes]:
    """Yield log text: every kind at least once, the rest drawn evenly; 100 lines a second of log time."""
    rng = random.Random(seed)
    for start in range(0, n_lines, PIECE_LINES):
        lines = []
        for at in range(start, min(n_lines, start + PIECE_LINES)):
            kind = kinds[at] if at < len(kinds) else kinds[int(rng.random() * len(kinds))]
            second = at // 100
            stamp = (
                f"2026-03-{2 + second // 86400:02} {second // 3600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}.000"
            )
            lines.append(f"{stamp} [shop] ERROR {kind % (at * 7919 % 99_991)}\n")
        yield "".join(lines).encode()


def main() -> None:
    """Collect, fit, and print what it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--lines", type=int, default=10_000_000)
    parser.add_argument("--distinct", type=int, default=100_000)
    args = parser.parse_args()
    kinds = wordings(args.distinct, 1)
    source, collector = Source(SourceName("bench", "shop"), ParsingParams(), 0), ErrorCollector()
    made_s = 0.0
    started, cpu = time.perf_counter(), time.process_time()
    mark = time.process_time()
    for piece in pieces(args.lines, kinds, 2):
        made_s += time.process_time() - mark
        collector.observe(source.feed(piece))
        mark = time.process_time()
    collector.observe(source.flush())
    errors = collector.errors()
    read_s = time.process_time() - cpu - made_s
    print(f"{collector.n_errors:,} error lines, {len(errors):,} distinct: gathered in {read_s:.0f} s of processor time")
    mark = time.process_time()
    model = fit(errors, CategoriesParams(min_count=2))
    fit_s = time.process_time() - mark
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"fitted in {fit_s:.0f} s: {len(model.categories):,} categories, {model.metrics['n_groups']:,} groups")
    clock_s = time.perf_counter() - started
    print(f"together {read_s + fit_s:.0f} s of processor time, {clock_s:.0f} s by the clock with making the lines")
    print(f"peak memory {peak_mb:,.0f} MB")
    sys.exit(0 if peak_mb <= 2048 and read_s + fit_s <= 600 else 1)


if __name__ == "__main__":
    main()
