"""Laws of `categorize --input`: a row a text, in order, in one go or online; bad input is said."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from fm_anomaly.cli import main
from fm_anomaly.evaluation.failure_texts import projects

PROJECT = next(projects(5, ["go"]))


def write(path: Path, rows: list[object]) -> Path:
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def labels(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("mode", [[], ["--online"]])
def test_kinds_of_failure_are_told_apart(tmp_path: Path, mode: list[str]) -> None:
    """Texts of one project: a row each, in order, and the categories are the tools' kinds of report."""
    source = write(tmp_path / "in.jsonl", [{"id": each.id, "text": each.text} for each in PROJECT.texts])
    assert main(["categorize", "--input", str(source), "--output", str(tmp_path / "out.csv"), *mode]) == 0
    rows = labels(tmp_path / "out.csv")
    assert [row["id"] for row in rows] == [each.id for each in PROJECT.texts]
    assert list(rows[0]) == ["id", "group", "category", "name"]
    pairs = {(each.category, row["category"]) for each, row in zip(PROJECT.texts, rows, strict=True)}
    assert len(pairs) == len({each.category for each in PROJECT.texts})
    assert len({row["name"] for row in rows}) == len({row["category"] for row in rows})


def test_what_is_no_text_is_set_aside_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Broken lines do not stop the others; ids that are no strings come back as JSON has them."""
    rows = ["{broken", {"id": 7, "text": "disk is full"}, {"id": "x"}, "[1]", "", {"text": "disk was full"}]
    source = write(tmp_path / "in.jsonl", rows)
    assert main(["categorize", "--input", str(source), "--output", str(tmp_path / "out.csv")]) == 0
    assert [row["id"] for row in labels(tmp_path / "out.csv")] == ["7", "6"]
    assert "3 lines set aside" in capsys.readouterr().err


def test_secrets_do_not_reach_a_name(tmp_path: Path) -> None:
    """A password in a failure's text is redacted before anything is made of it."""
    secret = "hun" + "ter2hunter2"
    source = write(tmp_path / "in.jsonl", [{"id": "1", "text": f"error: login refused, password={secret}"}])
    assert main(["categorize", "--input", str(source), "--output", str(tmp_path / "out.csv")]) == 0
    assert secret not in (tmp_path / "out.csv").read_text()


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["--input", "absent.jsonl", "--output", "o.csv"], "cannot read"),
        (["--input", "x.jsonl"], "need both files"),
        (["--online"], "need both files"),
        ([], "needs logs"),
        (["app.log", "--input", "x.jsonl", "--output", "o.csv"], "not both"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(argv: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Files that are absent, missing or too many: exit code 2 and what to do."""
    assert main(["categorize", *argv]) == 2
    assert told in capsys.readouterr().err
