"""Laws of the terminal: plain where nobody looks, progress only where somebody does, printable anywhere."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.text import Text

from fm_anomaly.cli.console import Progress, print_lines
from fm_anomaly.testing import as_bytes, outage_log


class _Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


LINE = Text.assemble(("HIGH", "bold red"), "  [red]not markup[/red] :smile:")


def test_no_escape_sequence_but_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe and NO_COLOR get plain text, a terminal gets colours."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    pipe, tty, plain = io.StringIO(), _Tty(), _Tty()
    print_lines([LINE], pipe)
    print_lines([LINE], tty)
    monkeypatch.setenv("NO_COLOR", "1")
    print_lines([LINE], plain)
    assert pipe.getvalue() == plain.getvalue() == "HIGH  [red]not markup[/red] :smile:\n"
    assert "\x1b[1;31m" in tty.getvalue()


def test_long_lines_are_not_wrapped() -> None:
    """What is printed can be grepped: one line in, one line out."""
    out = io.StringIO()
    print_lines([Text("x" * 1000)], out)
    assert out.getvalue() == "x" * 1000 + "\n"


def test_progress_is_for_terminals_and_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawn on a terminal, wiped at the end; silent elsewhere."""
    times = iter(range(100))
    monkeypatch.setattr("fm_anomaly.cli.console.monotonic", lambda: float(next(times)))
    for stream, total in ((_Tty(), 100_000_000), (_Tty(), None), (io.StringIO(), 100)):
        progress = Progress(total, "scan", stream)
        progress.add(50_000_000)
        progress.close()
        shown = stream.getvalue()
        assert bool(shown) == stream.isatty()
        assert not shown or shown.endswith("\r\x1b[K")
        assert total != 100_000_000 or " 50 %" in shown


def test_a_report_prints_in_any_encoding(tmp_path: Path) -> None:
    """A terminal that knows no blocks or arrows gets escapes, not an exception."""
    path = tmp_path / "app.log"
    path.write_bytes(as_bytes(outage_log()))
    done = subprocess.run(
        [sys.executable, "-m", "fm_anomaly.cli", "scan", str(path)],
        env={**os.environ, "PYTHONIOENCODING": "ascii", "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        check=True,
    )
    assert b"1 INCIDENT" in done.stdout
    assert done.stdout.isascii()


def test_names_of_files_do_not_act_either(tmp_path: Path) -> None:
    """A file name is text from outside too."""
    done = subprocess.run(
        [sys.executable, "-m", "fm_anomaly.cli", "scan", f"{tmp_path}/\x1b[31mapp.log"],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2
    assert b"\x1b" not in done.stderr
