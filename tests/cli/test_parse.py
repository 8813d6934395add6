"""Laws of `parse`: one row for each record or row, in order, with the ids that stand at the end."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

Run = Callable[..., Any]
COLUMNS = ["source", "line", "timestamp", "severity", "service", "template_id", "template", "body", "parameters"]


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_one_row_a_record_in_input_order(run: Run, outage: Path, suffix: str) -> None:
    """The three formats hold the same rows."""
    ran = run("parse", outage, "-o", f"rows{suffix}")
    assert ran.code == 0
    read = {".parquet": pl.read_parquet, ".csv": pl.read_csv, ".jsonl": pl.read_ndjson}[suffix]
    rows = read(f"rows{suffix}")
    assert rows.columns == COLUMNS
    report = run("scan", outage, "--json").json()
    assert rows.height == report["intake"]["records"]
    assert rows["line"].is_sorted()
    counts = dict(rows.group_by("template_id").len().iter_rows())
    expected: dict[str, int] = {}
    for template in report["templates"]:
        expected[template["template_id"]] = expected.get(template["template_id"], 0) + template["count"]
    assert counts == expected
    cart = rows.filter(pl.col("body").str.contains("added item"))
    assert json.loads(cart["parameters"][0])[0][0] == "num"
    assert str(cart["timestamp"][0]).startswith("2026-03-02")


def test_several_files_follow_one_another(run: Run, quiet: Path, outage: Path) -> None:
    """Rows are in the order of the files, whatever their times."""
    run("parse", outage, quiet, "-o", "rows.csv")
    rows = pl.read_csv("rows.csv")
    assert rows["source"].rle_id().max() == 1
    assert rows["source"][0] == "shop.log"


def test_cells_that_look_like_formulas_are_quoted(run: Run, tmp_path: Path) -> None:
    """No text of a log is a formula in a spreadsheet."""
    path = tmp_path / "app.log"
    path.write_text("2026-03-02 10:00:00 INFO [api] =HYPERLINK(1)\n2026-03-02 10:00:01 INFO [api] fine\n")
    run("parse", path, "-o", "rows.csv")
    with Path("rows.csv").open(newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not any(cell.startswith(("=", "@", "+")) for cell in cells)


def test_an_empty_log_gives_no_rows(run: Run, tmp_path: Path) -> None:
    """Nothing in, a file with nothing out."""
    (tmp_path / "empty.log").touch()
    for suffix in (".csv", ".parquet", ".jsonl"):
        ran = run("parse", tmp_path / "empty.log", "-o", f"rows{suffix}")
        assert (ran.code, "0 rows" in ran.err) == (0, True)


CELLS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=30)


@example(rows=[("", "\x07", "\x07\x07")], delimiter=",").via("a file that looks binary")
@given(
    rows=st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=30),
    delimiter=st.sampled_from([",", ";", "\t"]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_message_column_keeps_every_row_and_cell(run: Run, rows: list[tuple[str, str, str]], delimiter: str) -> None:
    """Exactly one row out for each row in, all cells as they were, quoted line ends too."""
    with Path("in.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter).writerows([("id", "message", "x y"), *rows])
    ran = run("parse", "--message-column", "message", "in.csv", "-o", "out.csv")
    assert ran.code == 0, ran.err
    with Path("out.csv").open(newline="", encoding="utf-8") as file:
        head, *out = list(csv.reader(file, delimiter=delimiter))
    assert head == ["id", "message", "x y", "template_id", "template"]
    assert [tuple(row[:3]) for row in out] == rows
    assert all(len(row[3]) == 16 for row in out)


def test_message_column_gives_final_ids(run: Run, tmp_path: Path) -> None:
    """Rows of one event type have one id, those read before a merge too."""
    words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lamda", "mu"]
    messages = [f"user {word} logged in from host-{i}.example.org after {i} tries" for i, word in enumerate(words)]
    with (tmp_path / "in.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("Content",), *((m,) for m in messages * 3)])
    run("parse", "--message-column", "Content", "in.csv", "-o", "out.csv")
    out = pl.read_csv("out.csv")
    by_message = out.group_by("Content").agg(pl.col("template_id").n_unique())
    assert by_message["template_id"].max() == 1
    names = out.group_by("template_id").agg(pl.col("template").n_unique())
    assert names["template"].max() == 1


def test_message_column_refuses_rows_that_do_not_fit(run: Run, tmp_path: Path) -> None:
    """A row with too many cells is named, not guessed at."""
    (tmp_path / "in.csv").write_text("id,message\n1,ok\n2,not, quoted\n")
    ran = run("parse", "--message-column", "message", "in.csv", "-o", "out.csv")
    assert (ran.code, "row 2" in ran.err) == (2, True)
    assert not Path("out.csv").exists()
