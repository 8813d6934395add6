"""What the last scan read, kept in the user's cache folder so that `lines t:ID` needs no file names.

Holds paths and reading options only, never a line of a log.
"""

from __future__ import annotations

import argparse
import glob
import json
import os
from collections.abc import Sequence
from pathlib import Path

from fm_anomaly.errors import UsageError

_OPTIONS = ("tz", "service", "tenant", "config")


def remember(args: argparse.Namespace, paths: Sequence[str]) -> None:
    """Note `paths` and the reading options of `args`; a cache that cannot be written is no error."""
    if not all(Path(path).is_dir() or Path(path).is_file() or glob.has_magic(path) for path in paths):
        return  # standard input and pipes can be read only once
    kept = {
        "paths": [str(Path(path).absolute()) for path in paths],
        "options": {name: getattr(args, name, None) for name in _OPTIONS},
    }
    path = _path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        aside = path.with_suffix(f".{os.getpid()}")
        aside.write_text(json.dumps(kept), encoding="utf-8")
        aside.replace(path)
    except OSError:
        return


def recall(args: argparse.Namespace) -> list[str]:
    """Return the files of the last scan, and set the reading options that `args` leaves open as they were then.

    Raises
    ------
    UsageError
        There was no scan, or what is kept of it cannot be read.
    """
    try:
        kept = json.loads(_path().read_text(encoding="utf-8"))
        paths, options = [str(path) for path in kept["paths"]], dict(kept["options"])
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise UsageError("no file named, and no scan to take them from; name the files after the id") from exc
    for name in _OPTIONS:
        if getattr(args, name, None) is None:
            setattr(args, name, options.get(name))
    return paths


def _path() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "fm_anomaly" / "last.json"
