"""Laws of `models`: what is there and in use is told, and going back is one command."""

from __future__ import annotations

from pathlib import Path

import pytest

from fm_anomaly.storage.model_registry import MODEL_FILE, Registry
from tests.cli.conftest import Run


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    registry = Registry(tmp_path / "models")
    for n in range(2):
        registry.save("error-categories", {"n": n}, kind="error-categories", metrics={"n_categories": n})
    return registry


def test_the_version_in_use_is_marked(run: Run, registry: Registry) -> None:
    """Every version is listed with its metrics; JSON says which one is in use."""
    assert "* error-categories  0002  n_categories 1" in run("models", "list").out
    assert [row["is_active"] for row in run("models", "list", "--json").json()] == [False, True]


def test_roll_back_and_activate(run: Run, registry: Registry) -> None:
    """Rolled back, the version before is in use, until another is activated."""
    assert "0001  in use" in run("models", "rollback", "error-categories").out
    assert registry.active("error-categories") == "0001"
    assert run("models", "activate", "error-categories", "0002").code == 0
    assert run("models", "show", "error-categories", "--json").json()["version"] == "0002"


def test_what_is_refused_is_listed_with_the_next_step(run: Run, registry: Registry) -> None:
    """A version that would not be loaded shows why; activating it is refused."""
    (registry.root / "error-categories" / "0001" / MODEL_FILE).write_bytes(b"other")
    ran = run("models", "activate", "error-categories", "0001")
    assert ran.code == 2
    assert "fm-anomaly categorize" in ran.err
    (registry.root / "error-categories" / "0001" / "manifest.json").write_text("{}")
    assert "this version reads" in run("models", "list").out


@pytest.mark.parametrize(
    "words", [("show",), ("activate", "error-categories"), ("rollback", "absent"), ("show", "absent")]
)
def test_what_cannot_be_done_is_a_sentence(run: Run, registry: Registry, words: tuple[str, ...]) -> None:
    """A name or version that is missing or absent: exit code 2 and where to look."""
    ran = run("models", *words)
    assert ran.code == 2
    assert "fm-anomaly " in ran.err


def test_no_models_say_how_to_make_one(run: Run) -> None:
    """An empty folder is no error."""
    ran = run("models", "list")
    assert ran.code == 0
    assert "fm-anomaly categorize" in ran.out
