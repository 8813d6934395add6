"""Follow the output of a command, or of a pipe: `watch -- docker logs -f api`.

The child's stdout and stderr share one pipe: their order is kept as on a terminal, and a full second
pipe can never block the child. Polled by `follow.arrivals`; it knows nothing of what the bytes mean.
POSIX only, for pipes are polled.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from fm_anomaly.errors import SourceError

_READ_BYTES = 1 << 20
_GRACE_S = 2.0


class PipeReader:
    """A pipe that others write, such as standard input, read without waiting."""

    def __init__(self, fd: int, name: str) -> None:
        self.name = name
        self.service = name
        self._fd = fd
        self._ended = False
        os.set_blocking(fd, False)

    @property
    def ended(self) -> bool:
        """Whether the writers have closed the pipe and all was read."""
        return self._ended

    def poll(self) -> bytes:
        """Return what is in the pipe now; b"" for nothing."""
        got: list[bytes] = []
        size = 0
        while not self._ended and size < _READ_BYTES:
            try:
                data = os.read(self._fd, _READ_BYTES - size)
            except BlockingIOError:
                break
            self._ended = not data
            got.append(data)
            size += len(data)
        return b"".join(got)

    def close(self) -> None:
        """Make the pipe an ordinary one again: its other users may not expect what we set."""
        os.set_blocking(self._fd, True)


class CommandReader:
    """A child process whose output is followed; its exit code is passed on by `exit_code`.

    Parameters
    ----------
    argv
        The command and its arguments; no shell is involved.

    Raises
    ------
    SourceError
        The command cannot be started.
    """

    def __init__(self, argv: Sequence[str]) -> None:
        if not argv:
            raise SourceError("no command after --; try: fm-anomaly watch -- docker logs -f api")
        self.name = Path(argv[0]).name
        self.service = self.name
        try:
            self._child = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
            )
        except OSError as exc:
            raise SourceError(
                f"cannot start {argv[0]!r}: {(exc.strerror or str(exc)).lower()}; check the command"
            ) from exc
        assert self._child.stdout is not None  # noqa: S101 - asked for with PIPE
        self._pipe = PipeReader(self._child.stdout.fileno(), self.name)

    @property
    def ended(self) -> bool:
        """Whether the output has ended, or the child has exited and left nothing to read.

        A grandchild may hold the pipe open after the child's exit; it is not waited for.
        """
        return self._pipe.ended or self._child.poll() is not None

    def poll(self) -> bytes:
        """Return what the command wrote since the last call, without waiting."""
        return self._pipe.poll()

    def exit_code(self) -> int:
        """Return the child's exit code once it has ended; 128 + n where signal n ended it, as shells do."""
        code = self._child.wait()
        return 128 - code if code < 0 else code

    def close(self) -> None:
        """End the child if it still runs: SIGTERM, and SIGKILL after two seconds."""
        if self._child.stdout is not None:
            self._child.stdout.close()
        if self._child.poll() is not None:
            return
        self._child.send_signal(signal.SIGTERM)
        try:
            self._child.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
