"""Followed files as a source of the service: each line once, through restarts, rotations and torn lines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from fm_anomaly.errors import BusyError, UsageError
from fm_anomaly.ingest.batches import Batch
from fm_anomaly.service.following import Following, FollowParams, check_paths
from fm_anomaly.service.intake import Receipt
from fm_anomaly.service.positions import Positions


class Kept:
    """An intake that is durable at once, and may refuse or die before it is."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.refusals: list[Exception] = []
        self.positions = Positions()

    async def submit(self, tenant: str, batch: Batch, batch_id: str | None = None) -> Receipt:
        if self.refusals:
            raise self.refusals.pop(0)
        assert batch.place is not None
        self.lines += batch.parts[0].data.splitlines()
        self.positions.note(tenant, batch.place.source, batch.place.position)
        return Receipt(1, batch.n_lines)

    def position(self, tenant: str, source: str) -> str | None:
        return self.positions.of(tenant, source)


def follow(intake: Kept, path: Path, steps: Callable[[], None], n_lines: int, *, from_start: bool = False) -> None:
    """Follow while `steps` is done, until there are `n_lines`; then stop, as a process does."""

    async def whole() -> None:
        params = FollowParams((str(path),), from_start=from_start, poll_s=0.01, retry_s=0.01)
        following = Following(intake, "acme", params)
        await asyncio.sleep(0.1)
        steps()
        async with asyncio.timeout(20):
            while len(intake.lines) < n_lines:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        await following.close()

    asyncio.run(whole())


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def test_what_is_added_is_taken_once_over_restarts(tmp_path: Path) -> None:
    """From the end at first; what came while nobody followed comes first; a line without an end waits for it."""
    path, intake = tmp_path / "app.log", Kept()
    append(path, "before\n")
    follow(intake, path, lambda: append(path, "one\ntwo\nunfin"), 2)
    assert intake.lines == [b"one", b"two"]
    append(path, "ished\nthree\n")
    follow(intake, path, lambda: append(path, "four\n"), 5)
    assert intake.lines == [b"one", b"two", b"unfinished", b"three", b"four"]


def test_from_the_start_if_asked(tmp_path: Path) -> None:
    """Of a file that was never followed, all that it holds."""
    path, intake = tmp_path / "app.log", Kept()
    append(path, "before\n")
    follow(intake, path, lambda: append(path, "one\n"), 2, from_start=True)
    assert intake.lines == [b"before", b"one"]


@pytest.mark.parametrize("is_old_kept", [True, False])
def test_a_rotation_while_nobody_followed(tmp_path: Path, is_old_kept: bool) -> None:
    """The rest of the old file, if it is still beside the new one; the new one from its start."""
    path, intake = tmp_path / "app.log", Kept()
    path.touch()
    follow(intake, path, lambda: append(path, "one\n"), 1)
    append(path, "two\n")
    path.rename(tmp_path / "app.log.1")
    if not is_old_kept:
        (tmp_path / "app.log.1").unlink()
    append(path, "three\n")
    follow(intake, path, lambda: append(path, "four\n"), 4 if is_old_kept else 3)
    assert intake.lines == [b"one", *([b"two"] if is_old_kept else []), b"three", b"four"]


def test_a_rotation_while_followed(tmp_path: Path) -> None:
    """The line that the rotation cut off is ended; nothing is lost."""
    path, intake = tmp_path / "app.log", Kept()
    path.touch()

    def steps() -> None:
        append(path, "one\ntwo")
        path.rename(tmp_path / "app.log.1")
        append(path, "three\n")

    follow(intake, path, steps, 3)
    assert intake.lines == [b"one", b"two", b"three"]


def test_a_busy_intake_is_waited_for(tmp_path: Path) -> None:
    """What was refused is handed in again, in its order."""
    path, intake = tmp_path / "app.log", Kept()
    path.touch()
    intake.refusals = [BusyError("later", 0)] * 3
    follow(intake, path, lambda: append(path, "one\ntwo\n"), 2)
    assert intake.lines == [b"one", b"two"]


def test_what_is_not_durable_is_read_again(tmp_path: Path) -> None:
    """A process that ends between reading and keeping leaves the position where it was."""
    path, intake = tmp_path / "app.log", Kept()
    path.touch()
    follow(intake, path, lambda: append(path, "one\n"), 1)
    intake.refusals = [BusyError("later", 60)]
    follow(intake, path, lambda: append(path, "two\n"), 1)
    intake.refusals = []
    follow(intake, path, lambda: None, 2)
    assert intake.lines == [b"one", b"two"]


def test_a_file_that_comes_later_is_taken_from_its_start(tmp_path: Path) -> None:
    """It need not exist yet; a folder is refused, and a folder that does not exist."""
    path, intake = tmp_path / "app.log", Kept()
    follow(intake, path, lambda: append(path, "one\n"), 1)
    assert intake.lines == [b"one"]
    check_paths([str(path), str(tmp_path / "later.log")])
    for wrong in (tmp_path, tmp_path / "no" / "app.log"):
        with pytest.raises(UsageError, match="--follow"):
            check_paths([str(wrong)])


def test_a_file_that_cannot_be_read_is_told_until_it_can(tmp_path: Path) -> None:
    """A folder in the file's place is trouble with its reason; a file there again is none."""
    path = tmp_path / "app.log"
    path.mkdir()

    async def whole() -> None:
        following = Following(Kept(), "acme", FollowParams((str(path),), poll_s=0.01, retry_s=0.01))
        async with asyncio.timeout(20):
            while not following.troubles():
                await asyncio.sleep(0.01)
            assert str(path) in following.troubles()[0]
            path.rmdir()
            path.write_text("one\n")
            while following.troubles():
                await asyncio.sleep(0.01)
        assert following.n_files == 1
        await following.close()

    asyncio.run(whole())
