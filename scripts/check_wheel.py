"""Checks what is in a wheel: the package, its licence and notices, and nothing else.

python scripts/check_wheel.py WHEEL
"""

# ruff: noqa: T201 - what a script prints is its answer
from __future__ import annotations

import sys
import zipfile
from pathlib import Path

_MAX_BYTES = 8_000_000
_REQUIRED = (
    "fm_anomaly/__init__.py",
    "fm_anomaly/py.typed",
    "fm_anomaly/_sample/faultmaven/truth.json",
    "fm_anomaly/cli/report.css",
    "/licenses/LICENSE",
    "/licenses/THIRD_PARTY_NOTICES.md",
)


def main(wheel: str) -> None:
    """Exit with a sentence where the wheel lacks something or has too much."""
    names = zipfile.ZipFile(wheel).namelist()
    for required in _REQUIRED:
        if not any(name.endswith(required) for name in names):
            sys.exit(f"the wheel lacks {required}")
    strange = [name for name in names if not (name.startswith("fm_anomaly/") or ".dist-info/" in name)]
    strange += [name for name in names if "__pycache__" in name]
    if strange:
        sys.exit(f"the wheel has {strange[0]}, which is no part of the package")
    size_bytes = Path(wheel).stat().st_size
    if size_bytes > _MAX_BYTES:
        sys.exit(f"the wheel has {size_bytes} bytes, more than {_MAX_BYTES}")
    print(f"{Path(wheel).name}: {len(names)} files, {size_bytes} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
