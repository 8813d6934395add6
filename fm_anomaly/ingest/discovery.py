"""What a person typed → which files to read: folders walked, globs expanded, binaries set aside.

It looks at names and at the first bytes of each file; it reads no log.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fm_anomaly.errors import SourceError
from fm_anomaly.ingest.compression import decompressed
from fm_anomaly.ingest.rotation import base_name, in_sets

_SNIFF_BYTES = 8192
_LOG_NAME = re.compile(
    r"(?:\.(?:log|logs|txt|json|jsonl|ndjson|out|err|trace|csv)|(?:^|[-_.])log)$"
    r"|^(?:messages|syslog|secure|maillog|kern|daemon|user|auth|dmesg|boot)$"
    r"|^(?:stdout|stderr|console|catalina|access|error)(?:[-_.].*)?$",
    re.IGNORECASE,
)
_MARKS = (
    b"\x7fELF",
    b"\x89PNG",
    b"PK\x03\x04",
    b"SQLite format 3",
    b"%PDF-",
    b"\xff\xd8\xff",
    b"GIF8",
    b"PAR1",
)
_TEXT_CONTROLS = frozenset(b"\t\n\v\f\r\b\x1b")
_SHELL_PIPES = ("/dev/fd/", "/proc/self/fd/")
_BINARY_SHARE = 0.10
_DOCUMENT = re.compile(rb"[{\[]\s*\n")
_OBJECT_A_LINE = re.compile(rb"\[\s*\n\s*\{[^\n]*\}[ \t]*,?[ \t\r]*(?:\n|\Z)")
_NEXT_OBJECT = re.compile(rb"^\}[ \t\r]*\n\s*\{", re.MULTILINE)


@dataclass(slots=True)
class Found:
    """Files to read, and one sentence for each kind of file passed over."""

    paths: list[str] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)

    def named_sets(self) -> list[tuple[str, list[str]]]:
        """Return the rotated sets with a short name each; the folder is in it where two have the same."""
        sets = in_sets(self.paths)
        short = [_set_name(members) for members in sets]
        unique = [short.count(name) == 1 for name in short]
        full = [str(Path(members[-1]).parent / name) for members, name in zip(sets, short, strict=True)]
        names = [s if u else f for s, f, u in zip(short, full, unique, strict=True)]
        return list(zip(names, sets, strict=True))


def discover(typed: Sequence[str]) -> Found:
    """Return the files that paths, folders and globs name, in the order typed; folders sorted by name.

    Raises
    ------
    SourceError
        Nothing was typed, a path does not exist or cannot be read, or no log is left.
    """
    if not typed:
        raise SourceError("no input: name a file, a folder or a pattern, or - for standard input")
    found = Found()
    for path in typed:
        _add(path, found)
    if not found.paths:
        raise SourceError(f"no log to read in {', '.join(typed)}: {'; '.join(found.passed_over) or 'nothing there'}")
    return found


def is_binary(head: bytes) -> bool:
    """Tell whether a file that begins with `head` holds no text.

    A run of NUL at the start is what copytruncate leaves in a log, and does not count.

    >>> is_binary(b"\\x7fELF\\x02\\x01"), is_binary(b"\\0" * 500 + b"2026-03-02 started\\n")
    (True, False)
    """
    if head.startswith(_MARKS):
        return True
    text = head.lstrip(b"\0")
    if not text:
        return bool(head)
    controls = sum(1 for byte in text if byte < 32 and byte not in _TEXT_CONTROLS)
    return controls > _BINARY_SHARE * len(text)


def is_document(head: bytes) -> bool:
    """Tell whether a file that begins with `head` is one JSON document laid out over many lines, not a log.

    An array with one object a line is a log, and so are objects that follow one another.

    >>> is_document(b'{\\n  "name": "shop"\\n}'), is_document(b'{"msg": "up"}\\n{"msg": "down"}\\n')
    (True, False)
    """
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not _DOCUMENT.match(text):
        return False
    return not _OBJECT_A_LINE.match(text) and not _NEXT_OBJECT.search(text)


def unreadable(path: str, exc: OSError) -> SourceError:
    """Return the error that says why `path` cannot be read and what to do."""
    reason = (exc.strerror or str(exc)).lower()
    step = {
        "permission denied": "make it readable, or pipe it in: sudo cat FILE | fm-anomaly scan -",
        "no such file or directory": "check the name",
    }.get(reason, "check the disk and the path")
    return SourceError(f"cannot read {path}: {reason}; {step}")


def _add(path: str, found: Found) -> None:
    if path == "-":
        found.paths.append(path)
    elif os.path.isdir(path):  # noqa: PTH112 - kept as the strings that people typed
        _add_folder(path, found)
    elif os.path.exists(path):  # noqa: PTH110
        _add_file(path, found)
    elif glob.has_magic(path):
        matches = sorted(glob.glob(path, recursive=True))  # noqa: PTH207
        if not matches:
            raise SourceError(f"no file matches {path!r}; check the pattern, or name a folder to search it all")
        for match in matches:
            _add(match, found)
    else:
        raise SourceError(f"no such file or folder: {path!r}; check the name, or give - to read standard input")


def _add_folder(folder: str, found: Found) -> None:
    unnamed = 0
    for path in _walk(folder):
        name = base_name(Path(path).name)
        if not _LOG_NAME.search(name):
            unnamed += 1
        elif name.lower().endswith(".json") and is_document(_first_bytes(path)):
            found.passed_over.append(f"{path}: passed over, one JSON document and no log (name it to read it)")
        else:
            _add_file(path, found)
    if unnamed:
        found.passed_over.append(
            f"{folder}: {unnamed:,} files passed over, not named like a log (name them to read them)"
        )


def _walk(folder: str) -> Iterator[str]:
    """Yield the files below a folder, hidden ones left out, in the order of their names."""
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = str(Path(parent) / name)
            if not name.startswith(".") and Path(path).is_file():
                yield path


def _add_file(path: str, found: Found) -> None:
    if Path(path).is_file() and is_binary(_first_bytes(path)):
        size = Path(path).stat().st_size
        found.passed_over.append(f"{path}: binary file passed over ({size:,} bytes)")
    else:
        found.paths.append(path)


def _first_bytes(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            block = file.read(_SNIFF_BYTES)
    except OSError as exc:
        raise unreadable(path, exc) from exc
    head = b""
    for part in decompressed([block], lambda _: None):
        head += part
    return head[:_SNIFF_BYTES]


def _set_name(members: list[str]) -> str:
    """Return "app.log" for a rotated set, the file's own name for a single file, "stdin" for "-", "pipe" for <(…)."""
    if members == ["-"]:
        return "stdin"
    if members[0].startswith(_SHELL_PIPES):
        return "pipe"
    last = Path(members[-1]).name
    return base_name(last) if len(members) > 1 else last
