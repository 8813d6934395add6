"""The samples that come with the package: where they lie, and how they are made.

`python -m fm_anomaly.evaluation.bundled` writes them anew into `data/samples` of a checkout; the wheel carries them as
`fm_anomaly/_sample`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fm_anomaly.errors import SourceError
from fm_anomaly.evaluation.ci_logs import write_ci_logs
from fm_anomaly.evaluation.generator import TRUTH_NAME, GeneratorParams, generate
from fm_anomaly.evaluation.outage import OutageParams, outage
from fm_anomaly.evaluation.rendering import Format
from fm_anomaly.evaluation.truth import DRAWN, Truth

DEMO_NAME = "faultmaven"
"""Folder of the sample that `fm-anomaly demo` shows."""

DEMO = GeneratorParams(
    seed=2026,
    days=1.0,
    start="2026-03-02T00:00:00Z",
    vocabulary="triage",
    format=Format.FAULTMAVEN,
    kinds=DRAWN,
    rates=(22.0, 10.0, 12.0, 8.0),
    is_merged=False,
    is_compressed=True,
)
"""A day of four services in FaultMaven's JSON, with one incident of every kind."""


def bundled_dir() -> Path:
    """Return the folder of the bundled samples: of the installed package, or of the checkout it is run from.

    Raises
    ------
    SourceError
        If neither is there.
    """
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "_sample", package.parent / "data" / "samples"):
        if (folder / DEMO_NAME / TRUTH_NAME).is_file():
            return folder
    raise SourceError(
        f"no bundled samples beside {package}: run `python -m fm_anomaly.evaluation.bundled` in a checkout"
    )


def demo_files() -> tuple[list[Path], Truth]:
    """Return the log files of the demo sample, sorted by name, and its truth."""
    folder = bundled_dir() / DEMO_NAME
    truth = Truth.load(folder / TRUTH_NAME)
    return sorted(folder / f.name for f in truth.files), truth


def write_bundled(folder: Path) -> None:
    """Write all bundled samples into `folder`, the same bytes every time (a .gz: the same bytes inside)."""
    generate(DEMO, folder / DEMO_NAME)
    outage(1, "shop", folder, OutageParams())
    write_ci_logs(1, folder)


if __name__ == "__main__":
    write_bundled(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("data/samples"))
