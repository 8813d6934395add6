"""Laws of live sources: what is written is read once, through rotation, truncation and late birth."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fm_anomaly.errors import SourceError
from fm_anomaly.ingest.clock import SystemClock
from fm_anomaly.ingest.command import CommandReader
from fm_anomaly.ingest.follow import Arrival, FileFollower, arrivals
from fm_anomaly.testing import ManualClock


def append(path: Path, text: bytes) -> None:
    with path.open("ab") as file:
        file.write(text)


@pytest.fixture
def follow() -> Iterator[Callable[..., FileFollower]]:
    """Make followers that are closed at the end of the test."""
    with ExitStack() as stack:

        def make(path: Path, **options: Any) -> FileFollower:
            return stack.enter_context(closing(FileFollower(str(path), **options)))

        yield make


def drain(follower: FileFollower) -> bytes:
    """Poll until nothing comes twice in a row: a switch of files may take one empty poll."""
    out = b""
    empty = 0
    while empty < 2:
        data = follower.poll()
        empty = 0 if data else empty + 1
        out += data
    return out


def test_only_what_is_added_is_read_unless_asked_otherwise(tmp_path: Path, follow: Callable[..., FileFollower]) -> None:
    """Following starts at the end of a file that is there."""
    path = tmp_path / "app.log"
    append(path, b"old\n")
    follower, whole = follow(path), follow(path, from_start=True)
    append(path, b"new\n")
    assert drain(follower) == b"new\n"
    assert drain(whole) == b"old\nnew\n"


def test_a_file_that_appears_later_is_read_from_its_beginning(
    tmp_path: Path, follow: Callable[..., FileFollower]
) -> None:
    """A log that does not exist yet is waited for."""
    path = tmp_path / "app.log"
    follower = follow(path)
    assert drain(follower) == b""
    append(path, b"first\n")
    assert drain(follower) == b"first\n"


def _rename(path: Path) -> None:
    path.rename(path.with_suffix(".log.1"))


def _copytruncate(path: Path) -> None:
    shutil.copy(path, path.with_suffix(".log.1"))
    path.write_bytes(b"")


@given(
    st.lists(
        st.one_of(st.integers(min_value=1, max_value=3), st.sampled_from(["rename", "copytruncate", "poll"])),
        max_size=25,
    )
)
def test_rotation_loses_and_repeats_nothing(tmp_path_factory: pytest.TempPathFactory, steps: list[int | str]) -> None:
    """Whatever the order of writes, polls, renames and truncations, every line is read once, in order.

    Before a truncation in place the follower has read all: what it has not read by then is lost to anyone.
    """
    path = tmp_path_factory.mktemp("log") / "app.log"
    path.touch()
    follower = FileFollower(str(path))
    written: list[bytes] = []
    got = b""
    for step in steps:
        if isinstance(step, int):
            lines = [b"line %d of the log\n" % (len(written) + i) for i in range(step)]
            append(path, b"".join(lines))
            written += lines
        elif step == "rename":
            got += drain(follower)
            append(path, b"just before\n")
            written.append(b"just before\n")
            _rename(path)
            path.touch()
        elif step == "copytruncate":
            got += drain(follower)
            _copytruncate(path)
            got += drain(follower)
        else:
            got += follower.poll()
    got += drain(follower)
    follower.close()
    assert got == b"".join(written)


def test_truncated_and_grown_past_the_old_size_is_seen(tmp_path: Path, follow: Callable[..., FileFollower]) -> None:
    """The beginning tells what the size cannot."""
    path = tmp_path / "app.log"
    path.write_bytes(b"short\n")
    follower = follow(path, from_start=True)
    assert drain(follower) == b"short\n"
    path.write_bytes(b"a much longer beginning\n")
    assert drain(follower) == b"a much longer beginning\n"


def test_a_line_cut_off_by_rotation_is_closed(tmp_path: Path, follow: Callable[..., FileFollower]) -> None:
    """The end of one file and the beginning of the next never make one line."""
    path = tmp_path / "app.log"
    path.touch()
    follower = follow(path)
    append(path, b"half a li")
    got = drain(follower)
    _rename(path)
    append(path, b"whole\n")
    assert got + drain(follower) == b"half a li\nwhole\n"


def test_a_position_goes_on_in_the_rotated_file(tmp_path: Path, follow: Callable[..., FileFollower]) -> None:
    """After a restart the rest of the rotated file comes first, then the new one."""
    path = tmp_path / "app.log"
    append(path, b"one\n")
    follower = follow(path, from_start=True)
    drain(follower)
    position = follower.position()
    append(path, b"two\n")
    _rename(path)
    append(path, b"three\n")
    assert drain(follow(path, after=position)) == b"two\nthree\n"


def test_idle_time_is_told(tmp_path: Path, follow: Callable[..., FileFollower]) -> None:
    """While nothing is written, ticks let time pass; what is written comes within a second."""
    path = tmp_path / "app.log"
    path.touch()

    def world(now_us: int) -> None:
        if now_us == 3_000_000:
            append(path, b"hello\n")

    clock = ManualClock(on_sleep=world)
    got: list[Arrival] = []
    for arrival in arrivals([follow(path)], clock):
        got.append(arrival)
        if arrival.data:
            break
    assert [a.now_us for a in got[:3]] == [0, 200_000, 400_000]
    assert got[-1] == Arrival("app.log", b"hello\n", 3_000_000)


def run(code: str) -> tuple[bytes, int]:
    reader = CommandReader([sys.executable, "-c", code])
    data = b"".join(a.data for a in arrivals([reader], SystemClock(), poll_s=0.02))
    return data, reader.exit_code()


@pytest.mark.parametrize(
    ("code", "expected"),
    [("print('x')", 0), ("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 15)", 143)],
)
def test_the_exit_code_of_a_command_is_passed_on(code: str, expected: int) -> None:
    """As a shell would report it."""
    assert run(code)[1] == expected


def test_a_command_that_fills_both_outputs_does_not_hang() -> None:
    """A megabyte on each of stdout and stderr is read whole."""
    code = "import sys\nfor i in range(20000):\n print('o'*50); print('e'*50, file=sys.stderr)"
    data, _ = run(code)
    assert (data.count(b"o" * 50), data.count(b"e" * 50)) == (20_000, 20_000)


def test_a_command_answers_within_a_second() -> None:
    """A line that is written while the command runs on is there long before the command ends."""
    reader = CommandReader([sys.executable, "-uc", "import time; print('now'); time.sleep(60)"])
    began = time.monotonic()
    stream = arrivals([reader], SystemClock())
    wait: Callable[[], bytes] = lambda: next(a.data for a in stream if a.data)  # noqa: E731
    assert wait() == b"now\n"
    assert time.monotonic() - began < 10
    stream.close()  # type: ignore[attr-defined]
    assert reader.exit_code() == 143


@pytest.mark.parametrize("argv", [[], ["no-such-command-anywhere"]])
def test_a_command_that_cannot_start_is_named(argv: list[str]) -> None:
    """The error says what was tried and what to do."""
    with pytest.raises(SourceError, match="command"):
        CommandReader(argv)
