"""What people decided about categories, kept beside the models: one JSON file, written aside and renamed.

It holds names and ids only, nothing that runs; a damaged one is refused and not guessed at, for it is people's work.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from fm_anomaly.core.category_edits import CategoryEdits
from fm_anomaly.errors import UsageError

FILE = "edits.json"
_MAX_BYTES = 16 << 20


def load_edits(root: Path, name: str) -> CategoryEdits:
    """Return what people decided about the categories of model `name`; nothing where there is no file.

    Raises UsageError where the file cannot be read or is damaged.
    """
    path = root / name / FILE
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise UsageError(f"{path} is larger than any file of edits: restore it, or delete it to begin anew")
        plain = json.loads(path.read_bytes())
    except FileNotFoundError:
        return CategoryEdits()
    except (OSError, ValueError) as exc:
        raise UsageError(f"{path} cannot be read ({exc}): restore it, or delete it to begin anew") from exc
    return CategoryEdits.from_plain(plain)


def save_edits(root: Path, name: str, edits: CategoryEdits) -> None:
    """Write the edits. Raises UsageError where that fails."""
    path = root / name / FILE
    aside = path.with_name(f".{FILE}.{os.getpid()}-{os.urandom(4).hex()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(json.dumps(edits.to_plain(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        aside.replace(path)
    except OSError as exc:
        raise UsageError(f"{path} cannot be written: {(exc.strerror or str(exc)).lower()}; check --models") from exc
