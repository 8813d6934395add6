"""A private PostgreSQL for tests: a fresh cluster in a temporary folder, on a Unix socket, never as root.

Skips with the reason where Debian's package (or another's binaries) is absent.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

_NOBODY = ("postgres", "nobody")
_WAIT_S = 60
_numbers = itertools.count()


class Cluster:
    """A running server; databases are made on demand and vanish with it."""

    def __init__(self, binaries: Path, folder: Path, user: str | None) -> None:
        self._binaries = binaries
        self._folder = folder
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None

    def init(self) -> None:
        """Make the cluster's files."""
        options = ["-U", "tests", "--auth=trust", "--locale=C.UTF-8", "--encoding=UTF8", "--no-sync"]
        command = [str(self._binaries / "initdb"), "-D", str(self._folder / "data"), *options]
        subprocess.run(command, check=True, capture_output=True, user=self._user, cwd=self._folder)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        settings = ["listen_addresses=", f"unix_socket_directories={self._folder}", "fsync=off", "max_connections=50"]
        command = [str(self._binaries / "postgres"), "-D", str(self._folder / "data")]
        for each in settings:
            command += ["-c", each]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, user=self._user, cwd=self._folder)
        deadline = time.monotonic() + _WAIT_S
        while time.monotonic() < deadline:
            ready = subprocess.run(
                [str(self._binaries / "pg_isready"), "-h", str(self._folder), "-U", "tests", "-d", "postgres"],
                capture_output=True,
            )
            if ready.returncode == 0:
                return
            time.sleep(0.1)
        raise TimeoutError((self._folder / "log").read_text())

    def stop(self) -> None:
        """Stop the server, open connections or not."""
        if self._process is not None:
            self._process.send_signal(2)
            self._process.wait(_WAIT_S)
            self._process = None

    def restart(self) -> None:
        """Stop and start."""
        self.stop()
        self.start()

    def url(self, database: str) -> str:
        """Return the URL of a database."""
        return f"postgresql://tests@/{database}?host={quote(str(self._folder), safe='')}"

    def database(self, template: str | None = None) -> str:
        """Make a database, a copy of `template` where one is named; return its name."""
        import psycopg

        name = f"t{next(_numbers)}"
        copied = f" TEMPLATE {template}" if template is not None else ""
        with psycopg.connect(f"host={self._folder} user=tests dbname=postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}{copied}")
        return name


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Yield a running cluster; skips where there is no PostgreSQL."""
    pytest.importorskip("psycopg", reason="psycopg is not installed (extra postgresql)")
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    binaries = next((place for place in places if all((place / n).exists() for n in ("initdb", "postgres"))), None)
    if binaries is None:
        pytest.skip("no PostgreSQL here: apt-get install postgresql")
    user = _other_user() if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="fm-pg-", dir="/tmp"))
    try:
        if user is not None:
            shutil.chown(folder, user)
        server = Cluster(binaries, folder, user)
        server.init()
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _other_user() -> str:
    """Return a user that is not root, for PostgreSQL refuses to run as root."""
    for name in _NOBODY:
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    pytest.skip("no user but root, as which PostgreSQL does not run")
