"""Laws of `categorize` on logs and of `categories`: what is found is told, what people decide is done."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "shop.log"
    lines = [
        f"2026-03-0{day} 10:00:{n:02}.000 [shop] ERROR {text}"
        for day in (1, 8)
        for n in range(6)
        for text in (f"redis at 10.0.0.{n}: connection refused", f"no space left on device /dev/sd{n}")
    ]
    # a clock that jumps by a week is believed from the third record on
    lines += [f"2026-03-08 09:59:5{n}.000 [shop] INFO starting" for n in range(3)]
    path.write_text("\n".join(sorted(lines)) + "\n")
    return path


def test_categories_of_a_log_and_decisions(run: Run, log: Path) -> None:
    """Found, renamed, merged, taken back: each shows at once and in the next run."""
    found = run("categorize", log, "--json").json()
    assert {each["count"] for each in found["categories"]} == {12}
    disk, cache = sorted(found["categories"], key=lambda each: "redis" in each["name"])
    assert "cache is down" in run("categories", "rename", cache["category_id"][:6], "cache is down").out
    again = run("categorize", log, "--json").json()
    names = {each["category_id"]: each["name"] for each in again["categories"]}
    assert names[cache["category_id"]] == "cache is down"
    assert run("categories", "merge", disk["category_id"], cache["category_id"]).code == 0
    (only,) = run("categorize", log, "--json").json()["categories"]
    assert (only["category_id"], only["count"]) == (cache["category_id"], 24)
    assert run("categories", "undo", disk["category_id"]).code == 0
    assert len(run("categorize", log, "--json").json()["categories"]) == 2


def test_since_is_counted_from_the_last_error(run: Run, log: Path) -> None:
    """--since 2d leaves out the week before; a date does the same."""
    for since in ("2d", "2026-03-05T00:00"):
        found = run("categorize", log, "--since", since, "--json").json()
        assert {each["count"] for each in found["categories"]} == {6}


def test_a_store_gives_its_errors(run: Run, log: Path) -> None:
    """What a scan stored can be categorized without the log."""
    assert run("scan", log, "--store", "kept").code in (0, 3)
    found = run("categorize", "--store", "kept", "--json").json()
    assert sum(each["count"] for each in found["categories"]) == 24


def test_a_refused_model_does_not_stop_the_run(run: Run, log: Path, tmp_path: Path) -> None:
    """Where the model before was tampered with, the run says so and begins anew."""
    assert run("categorize", log).code == 0
    (tmp_path / "models" / "error-categories" / "0001" / "model.joblib").write_bytes(b"other")
    ran = run("categorize", log)
    assert ran.code == 0
    assert "begins anew" in ran.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("categories", "rename", "x"), "takes 2 arguments"),
        (("categories", "rename", "none-such", "x"), "no category"),
        (("categories", "undo", "none-such"), "no category or group"),
        (("categorize", "--since", "banana", "shop.log"), "cannot be read"),
        (("categorize",), "needs logs"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(run: Run, log: Path, words: tuple[str, ...], told: str) -> None:
    """Ids, times and files that are not there: exit code 2 and where to look."""
    run("categorize", log)
    ran = run(*words)
    assert ran.code == 2
    assert told in ran.err


def test_without_a_model_there_is_a_next_step(run: Run) -> None:
    """`categories list` before any run says which command makes a model."""
    ran = run("categories", "list")
    assert ran.code == 2
    assert "fm-anomaly categorize" in ran.err
