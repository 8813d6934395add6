"""What it costs to make a group of entries durable: `SegmentWriter.append`, by durability, size and encryption.

    python benchmarks/write_ahead.py [--groups 200] [--folder DIR]

Prints medians and 99th percentiles. A sync is the disk's affair: name a folder on the disk that you mean.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from fm_anomaly.storage.segments import Durability, SegmentParams, SegmentWriter

_SIZES = (300_000, 300)


def appended_ms(folder: Path, durability: Durability, size_bytes: int, key: bytes | None, n: int) -> list[float]:
    """Return how long each of `n` groups of one entry took, ms, in ascending order."""
    payload = os.urandom(size_bytes)
    writer = SegmentWriter(folder, SegmentParams(durability, min_free_bytes=0, key=key), 1)
    took = []
    for _ in range(n):
        began = time.perf_counter()
        writer.append([payload])
        took.append((time.perf_counter() - began) * 1_000)
    writer.close()
    return sorted(took[n // 10 :])  # the first ones make the segment


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--groups", type=int, default=200)
    parser.add_argument("--folder", type=Path, default=None, help="where to write (default: a temporary folder)")
    args = parser.parse_args()
    print("durability  bytes    encrypted  median ms  p99 ms")
    durabilities: tuple[Durability, ...] = ("fsync", "os")
    for durability in durabilities:
        for size_bytes in _SIZES:
            for key in (None, bytes(32)):
                with tempfile.TemporaryDirectory(dir=args.folder) as folder:
                    took = appended_ms(Path(folder), durability, size_bytes, key, args.groups)
                median, high = took[len(took) // 2], took[int(len(took) * 0.99)]
                is_encrypted = "yes" if key else "no"
                print(f"{durability:<11} {size_bytes:<8,} {is_encrypted:<10} {median:9.3f} {high:7.3f}")


if __name__ == "__main__":
    main()
