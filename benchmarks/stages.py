"""Where the time of a scan goes: µs a line by stage, on one core and one thread.

    python benchmarks/stages.py [--lines 200000]

Stages are timed (processor time) from outside by wrapping the functions that do them; those that are indented are part
of the one above.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from typing import Any

os.environ.setdefault("POLARS_MAX_THREADS", "1")

from lines import ndjson_and_text

from fm_anomaly.core import parsing
from fm_anomaly.core.buckets import BucketMaker
from fm_anomaly.core.detection import Detection
from fm_anomaly.core.lines import LineCutter
from fm_anomaly.core.pipeline import Pipeline
from fm_anomaly.core.redaction import Redactor
from fm_anomaly.core.session_feed import SessionFeed
from fm_anomaly.core.sources import Source
from fm_anomaly.core.streams import Streams
from fm_anomaly.core.templates import TemplateStore
from fm_anomaly.core.windows import Windows
from fm_anomaly.scanning import TextSource, scan

STAGES: tuple[tuple[str, Any, str], ...] = (
    ("parsing, all of it", Source, "feed"),
    ("  cutting lines", LineCutter, "cut"),
    ("  redaction", Redactor, "redact_block"),
    ("  JSON", parsing, "parse_json"),
    ("  text", parsing, "parse_text"),
    ("counting and detection, all of it", Pipeline, "take"),
    ("  services", Streams, "codes"),
    ("  templates", TemplateStore, "assign"),
    ("  windows", Windows, "count"),
    ("  durations", Windows, "add_durations"),
    ("  evidence", Windows, "resolve_rows"),
    ("  closed buckets", BucketMaker, "closed"),
    ("  ids of sessions", SessionFeed, "__init__"),
    ("  sessions", SessionFeed, "give"),
    ("  detectors", Detection, "close"),
)


def main() -> None:
    """Print the stages of both inputs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=200_000)
    n_lines = parser.parse_args().lines
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    spent: Counter[str] = Counter()
    for label, owner, name in STAGES:
        _time(spent, label, owner, name)
    ndjson, text = ndjson_and_text(n_lines)
    for kind, data in (("NDJSON", ndjson), ("text", text)):
        scan([TextSource("app.log", data[:200_000])])
        spent.clear()
        started = time.process_time()
        scan([TextSource("app.log", data)]).to_dict()
        total = time.process_time() - started
        print(f"{kind}: {1e6 * total / n_lines:.2f} µs a line, {n_lines / total:,.0f} lines/s")
        for label, _, _ in STAGES:
            if spent[label]:
                print(f"  {label:36s} {1e6 * spent[label] / n_lines:6.2f}  {spent[label] / total:5.0%}")


def _time(spent: Counter[str], label: str, owner: Any, name: str) -> None:
    inner = getattr(owner, name)

    def timed(*args: Any, **kwargs: Any) -> Any:
        started = time.process_time()
        try:
            return inner(*args, **kwargs)
        finally:
            spent[label] += time.process_time() - started  # type: ignore[assignment]

    setattr(owner, name, timed)


if __name__ == "__main__":
    main()
