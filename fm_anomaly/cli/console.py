"""The terminal: plain Text out, colours only where a person looks, progress and errors on stderr.

Everything printed goes through here. It knows nothing of what is printed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from io import TextIOWrapper
from time import monotonic
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.text import Text

_REDRAW_S = 0.1


def print_lines(lines: Iterable[Text], file: TextIO | None = None) -> None:
    """Print each Text as one line, unwrapped; coloured on a terminal unless NO_COLOR is set."""
    from rich.console import Console

    stream = file or sys.stdout
    console = Console(
        file=stream,
        color_system="auto" if is_colourful(stream) else None,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=True,
    )
    for line in lines:
        console.print(line)


def print_plain(text: str) -> None:
    """Print text as it is, with a line end."""
    sys.stdout.write(f"{text}\n")


def print_error(text: str) -> None:
    """Print one line to stderr, with the name of the tool before it; names of files in it may be hostile."""
    sys.stderr.write(f"fm-anomaly: {_safe(text)}\n")


def print_notice(text: str) -> None:
    """Print one line to stderr that is worth knowing and no error."""
    sys.stderr.write(f"note: {_safe(text)}\n")


def survive_any_encoding() -> None:
    """Make stdout and stderr write what their encoding lacks as escapes: a log must print anywhere."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def is_colourful(stream: TextIO) -> bool:
    """Tell whether colours are wanted on `stream`."""
    return stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


class Progress:
    """A line on stderr that says how far a long read is; nothing where stderr is no terminal.

    `total` is in bytes; 0 or None where it is not known.
    """

    def __init__(self, total: int | None, label: str, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._total = total or 0
        self._label = label
        self._done = 0
        self._is_shown = self._stream.isatty()
        self._drawn_at = self._began = monotonic()
        self._has_drawn = False

    def add(self, n_bytes: int) -> None:
        """Note that `n_bytes` more were read."""
        self._done += n_bytes
        if self._is_shown and monotonic() - self._drawn_at >= _REDRAW_S:
            self._draw()

    def close(self) -> None:
        """Wipe the line."""
        if self._has_drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def _draw(self) -> None:
        self._drawn_at = monotonic()
        self._has_drawn = True
        speed = self._done / max(1e-9, self._drawn_at - self._began) / 1e6
        text = f"{self._label}  {self._done / 1e6:,.0f} MB  {speed:,.0f} MB/s"
        if self._total:
            filled = min(20, 20 * self._done // self._total)
            text = f"{'█' * filled}{'░' * (20 - filled)} {min(100, 100 * self._done // self._total):3d} %  {text}"
        self._stream.write(f"\r\x1b[K{text}")
        self._stream.flush()


def _safe(text: str) -> str:
    from fm_anomaly.core.display import terminal

    return terminal(text)
