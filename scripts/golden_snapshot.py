"""Write tests/golden/pipeline-vN.snapshot: what this release's schema version looks like, for the releases after it.

Run it once for a new schema version, and never again for that version: the test reads what an older build wrote.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from fm_anomaly.core.pipeline import Pipeline
from fm_anomaly.core.sources import SourceName
from fm_anomaly.core.state import SCHEMA_VERSION
from fm_anomaly.evaluation.outage import OutageParams, outage


def main() -> None:
    """Write the file, unless it is there."""
    path = Path(__file__).parent.parent / "tests" / "golden" / f"pipeline-v{SCHEMA_VERSION}.snapshot"
    if path.exists():
        sys.exit(f"{path.name} is there already; raise SCHEMA_VERSION first")
    with tempfile.TemporaryDirectory() as folder:
        outage(5, "shop", Path(folder), OutageParams(n_lines=6_000, hours=1.5, n_errors=100, n_tracebacks=20))
        pipeline = Pipeline()
        pipeline.observe(SourceName("outage.log", "outage"), (Path(folder) / "outage.log").read_bytes())
    path.write_bytes(pipeline.snapshot().to_bytes())


if __name__ == "__main__":
    main()
