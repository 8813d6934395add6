"""`scan` end to end against a bare `orjson.loads` loop and a Drain3 loop with masks, one core and one thread, one run.

    python benchmarks/scan_speed.py [--lines 1000000] [--rounds 2]

Prints lines a second of processor time and the ratios that the project promises; each side is the best of its rounds,
taken in turn.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

os.environ.setdefault("POLARS_MAX_THREADS", "1")

import orjson
from lines import ndjson_and_text


def main() -> None:
    """Time all sides on both inputs and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    ndjson, text = ndjson_and_text(args.lines)
    drain_lines = min(args.lines, 40_000)
    sides: dict[str, tuple[int, Callable[[], object]]] = {
        "orjson loop, NDJSON": (args.lines, lambda: orjson_loop(ndjson)),
        "scan, NDJSON": (args.lines, lambda: scan_bytes(ndjson)),
        "scan, text": (args.lines, lambda: scan_bytes(text)),
        "drain3 with masks, NDJSON": (drain_lines, lambda: drain_json(ndjson, drain_lines)),
        "drain3 with masks, text": (drain_lines, lambda: drain_text(text, drain_lines)),
    }
    scan_bytes(ndjson[:100_000])
    best = dict.fromkeys(sides, 0.0)
    for _ in range(args.rounds):
        for name, (n, run) in sides.items():
            started = time.process_time()
            run()
            best[name] = max(best[name], n / (time.process_time() - started))
    print(
        f"{args.lines:,} lines, {len(ndjson) / args.lines:.0f} bytes a line of NDJSON, "
        f"{len(text) / args.lines:.0f} of text; one core, one thread, best of {args.rounds}"
    )
    for name, rate in best.items():
        print(f"{name:28s} {rate:12,.0f} lines/s  {1e6 / rate:6.2f} µs/line")
    floor = best["orjson loop, NDJSON"]
    print(f"NDJSON / bare orjson loop   {best['scan, NDJSON'] / floor:6.2f}   (promised 0.30, aim 0.5)")
    print(f"text / bare orjson loop     {best['scan, text'] / floor:6.2f}   (promised 0.45, aim 0.7)")
    print(f"NDJSON / drain3             {best['scan, NDJSON'] / best['drain3 with masks, NDJSON']:6.1f}   (promised 7)")
    print(f"text / drain3               {best['scan, text'] / best['drain3 with masks, text']:6.1f}   (promised 12)")


def orjson_loop(ndjson: bytes) -> None:
    """The floor: decode every line and throw the result away."""
    for line in ndjson.splitlines():
        orjson.loads(line)


def scan_bytes(data: bytes) -> object:
    """The whole of `scan`, redaction and detection included, up to the report."""
    from fm_anomaly.scanning import TextSource, scan

    return scan([TextSource("app.log", data)]).to_dict()


def _miner() -> object:
    from drain3 import TemplateMiner
    from drain3.masking import MaskingInstruction
    from drain3.template_miner_config import TemplateMinerConfig

    config = TemplateMinerConfig()
    config.masking_instructions = [
        MaskingInstruction(r"((?<=[^A-Za-z0-9])|^)(([0-9a-f]{2,}:){3,}([0-9a-f]{2,}))((?=[^A-Za-z0-9])|$)", "ID"),
        MaskingInstruction(r"((?<=[^A-Za-z0-9])|^)(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})((?=[^A-Za-z0-9])|$)", "IP"),
        MaskingInstruction(r"((?<=[^A-Za-z0-9])|^)([0-9a-f]{6,} ?){3,}((?=[^A-Za-z0-9])|$)", "SEQ"),
        MaskingInstruction(r"((?<=[^A-Za-z0-9])|^)([0-9A-F]{4} ?){4,}((?=[^A-Za-z0-9])|$)", "SEQ"),
        MaskingInstruction(r"((?<=[^A-Za-z0-9])|^)(0x[a-f0-9A-F]+)((?=[^A-Za-z0-9])|$)", "HEX"),
        MaskingInstruction(r"((?<=[^A-Za-z0-9])|^)([\-\+]?\d+)((?=[^A-Za-z0-9])|$)", "NUM"),
    ]
    return TemplateMiner(config=config)


def drain_json(ndjson: bytes, n_lines: int) -> None:
    """The rival: decode, then Drain3 with the masks of its own example on the message."""
    miner = _miner()
    for line in ndjson.splitlines()[:n_lines]:
        miner.add_log_message(orjson.loads(line)["event"])  # type: ignore[attr-defined]


def drain_text(text: bytes, n_lines: int) -> None:
    """The rival on text: cut the header off, then Drain3 with masks."""
    miner = _miner()
    for line in text.decode().splitlines()[:n_lines]:
        miner.add_log_message(line.split("] ", 1)[-1])  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
