"""What tests of several rooms share: where public data lies, hypothesis profiles, and stores on both databases."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from fm_anomaly.storage import Store, open_store
from tests.postgres import Cluster, cluster

# Timings on shared machines say nothing about the law under test.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", parent=settings.get_profile("default"), max_examples=20_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def config_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A configuration folder of the tests' own, where the key that signs models is made."""
    folder = tmp_path_factory.mktemp("config")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of public data sets, none of which is part of the project; skips where it is absent."""
    named = os.environ.get("FM_ANOMALY_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no public data: set FM_ANOMALY_DATA, or put it at ../shared/data beside the project")
    return folder


DATABASES = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A private PostgreSQL, started once; skips with the reason where there is none."""
    with cluster() as server:
        yield server


@pytest.fixture(params=DATABASES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store, on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        target: Path | str = tmp_path / "s.db"
    else:
        server: Cluster = request.getfixturevalue("postgres")
        target = server.url(server.database())
    with open_store(target) as opened:
        yield opened


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[], Cluster]], Store]:
    """A maker of stores that hold the live sample for the tenants default and other, copied from one that is filled."""
    from tests.live_store import fill

    def fill_both(target: Path | str) -> None:
        with open_store(target) as opened:
            fill(opened)
            fill(opened, "other")

    @cache
    def sqlite() -> Path:
        path = tmp_path_factory.mktemp("filled") / "s.db"
        fill_both(path)
        return path

    @cache
    def postgresql(server: Cluster) -> str:
        name = server.database()
        fill_both(server.url(name))
        return name

    def make(database: str, server: Callable[[], Cluster]) -> Store:
        if database == "sqlite":
            path = tmp_path_factory.mktemp("copy") / "s.db"
            shutil.copy(sqlite(), path)
            return open_store(path)
        return open_store(server().url(server().database(postgresql(server()))))

    return make


@pytest.fixture(params=DATABASES)
def live_store(request: pytest.FixtureRequest, filled: Callable[..., Store]) -> Iterator[Store]:
    """A store of one's own that holds the live sample, on SQLite and on PostgreSQL."""
    with filled(request.param, lambda: request.getfixturevalue("postgres")) as opened:
        yield opened


@pytest.fixture(scope="module", params=DATABASES)
def shared_live_store(request: pytest.FixtureRequest, filled: Callable[..., Store]) -> Iterator[Store]:
    """The same for tests that only read: one a module and database."""
    with filled(request.param, lambda: request.getfixturevalue("postgres")) as opened:
        yield opened
