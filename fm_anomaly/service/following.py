"""Followed files as a source of the service: what is added to them is handed in, line by line, through rotations.

A batch carries the position behind it, and the next run goes on at the last one that is durable: nothing is lost,
nothing doubled. A line that has not been ended yet waits in the file. It must not know HTTP, nor what becomes of
batches.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from fm_anomaly.errors import BusyError, FmAnomalyError, SnapshotError, SourceError, UsageError
from fm_anomaly.ingest.batches import Batch, Part, Place
from fm_anomaly.ingest.follow import FileFollower
from fm_anomaly.ingest.position import Position
from fm_anomaly.logs import Log
from fm_anomaly.service.intake import Receipt

_LOG = Log("follow")


@dataclass(frozen=True, slots=True)
class FollowParams:
    """Which files are followed. from_start: read what they hold already where no position is known."""

    paths: tuple[str, ...] = ()
    from_start: bool = False
    poll_s: float = 0.2
    retry_s: float = 5.0
    """How long to wait after a file could not be read, or a batch not be kept."""
    max_line_bytes: int = 1 << 20
    """A line that has no end by then is handed in as it is."""


class PositionedIntake(Protocol):
    """What is asked of the service: to take batches, and to say how far it has got."""

    async def submit(self, tenant: str, batch: Batch, batch_id: str | None = None) -> Receipt:
        """See `Intake.submit`."""
        ...

    def position(self, tenant: str, source: str) -> str | None:
        """Return the place behind the last batch of a source that is durable; None where there is none."""
        ...


class Following:
    """The files that are followed, one task each."""

    def __init__(self, intake: PositionedIntake, tenant: str, params: FollowParams) -> None:
        self.n_bytes = 0
        self._troubles: dict[str, str] = {}
        self._tasks = {
            path: asyncio.create_task(self._follow(intake, tenant, path, params), name=f"follow {path}")
            for path in dict.fromkeys(params.paths)
        }

    @property
    def n_files(self) -> int:
        """Files that are to be followed."""
        return len(self._tasks)

    def troubles(self) -> list[str]:
        """Return a sentence for each file that is not followed at this moment."""
        ended = {path: "is followed no more" for path, task in self._tasks.items() if task.done()}
        return [f"{path} {reason}" for path, reason in sorted({**self._troubles, **ended}.items())]

    async def close(self) -> None:
        """Stop; what has been read and is not durable is read again next time."""
        for task in self._tasks.values():
            task.cancel()
        for task in self._tasks.values():
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _follow(self, intake: PositionedIntake, tenant: str, path: str, params: FollowParams) -> None:
        source = f"file:{path}"
        tail = _Tail(path, _position_of(intake.position(tenant, source)), params)
        try:
            while True:
                try:
                    batch = await asyncio.to_thread(tail.next_batch)
                except SourceError as exc:
                    self._troubles[path] = f"cannot be read: {exc}"
                    _LOG.warning("file_unreadable", path=path, reason=str(exc))
                    await asyncio.sleep(params.retry_s)
                    continue
                self._troubles.pop(path, None)
                if batch is None:
                    await asyncio.sleep(params.poll_s)
                    continue
                await self._hand_in(intake, tenant, batch, params)
                self.n_bytes += len(batch.parts[0].data)
        finally:
            tail.close()

    async def _hand_in(self, intake: PositionedIntake, tenant: str, batch: Batch, params: FollowParams) -> None:
        """Return once the batch is durable, however long that takes."""
        while True:
            try:
                await intake.submit(tenant, batch)
            except BusyError as exc:
                await asyncio.sleep(exc.retry_after_s)
            except FmAnomalyError as exc:
                _LOG.warning("file_not_taken", reason=str(exc))
                await asyncio.sleep(params.retry_s)
            else:
                return


class _Tail:
    """One file, read in whole lines, each batch with the place behind it."""

    def __init__(self, path: str, after: Position | None, params: FollowParams) -> None:
        self._path = path
        self._params = params
        self._after = after
        self._follower: FileFollower | None = None
        self._open_line = b""

    def next_batch(self) -> Batch | None:
        """Return the next whole lines; None where there are none. Raises SourceError."""
        if self._follower is None:
            # where the file of the position is gone, the one in its place is newer than that
            is_known = self._after is not None
            self._follower = FileFollower(self._path, from_start=self._params.from_start or is_known, after=self._after)
        data = self._open_line + self._follower.poll()
        end = data.rfind(b"\n") + 1
        if not end and len(data) >= self._params.max_line_bytes:
            end = len(data)
        self._open_line = data[end:]
        if not end:
            return None
        lines = data[:end] if data[end - 1] == 10 else data[:end] + b"\n"
        at = self._follower.position()
        at = replace(at, offset=at.offset - len(self._open_line))
        place = Place(f"file:{self._path}", json.dumps(at.to_dict(), separators=(",", ":")))
        part = Part(f"file:{self._path}", self._follower.service, lines, lines.count(b"\n"))
        return Batch("file", (part,), place=place)

    def close(self) -> None:
        if self._follower is not None:
            self._follower.close()


def check_paths(paths: Sequence[str]) -> None:
    """Refuse what can never be followed. Raises UsageError; a file that does not exist yet may come."""
    for path in paths:
        if Path(path).is_dir():
            raise UsageError(f"--follow {path} is a folder: name the files in it")
        if not Path(path).parent.is_dir():
            raise UsageError(f"--follow {path}: there is no folder {Path(path).parent}")


def _position_of(saved: str | None) -> Position | None:
    if saved is None:
        return None
    try:
        return Position.from_dict(json.loads(saved))
    except (ValueError, TypeError, SnapshotError) as exc:
        _LOG.warning("position_unreadable", reason=str(exc), meaning="the file is read from its end")
        return None
