"""Laws of the comparison of two record frames: kinds, order, explaining lines, and nothing from nothing."""

from __future__ import annotations

import random

import polars as pl
import pytest

from fm_anomaly.core.diffing import Diff, DiffParams, TemplateChange, TemplateName, diff
from fm_anomaly.core.frames import RECORD_SCHEMA, Severity, as_record_frame, empty_frame

Row = tuple[int, str, Severity]


def records(rows: list[Row], first_line: int = 1) -> pl.DataFrame:
    """Records of one line each: (template, body, severity)."""
    frame = pl.DataFrame(
        {
            "line": range(first_line, first_line + len(rows)),
            "n_lines": [1] * len(rows),
            "severity": [int(s) for _, _, s in rows],
            "service": ["shop"] * len(rows),
            "body": [body for _, body, _ in rows],
            "raw": [body for _, body, _ in rows],
        },
        schema={name: RECORD_SCHEMA[name] for name in ("line", "n_lines", "severity", "service", "body", "raw")},
    )
    return as_record_frame(frame).with_columns(pl.Series("template", [t for t, _, _ in rows], dtype=pl.Int64))


def times(template: int, body: str, n: int, severity: Severity = Severity.INFO) -> list[Row]:
    return [(template, body, severity)] * n


STEADY = times(1, "order placed", 200) + times(2, "order paid", 150) + times(3, "mail sent", 40)


def by_id(found: Diff) -> dict[str, TemplateChange]:
    return {change.template_id: change for change in found.changes}


def test_identical_logs_differ_in_nothing() -> None:
    """A log compared with itself has no change, no line, exposure 1."""
    found = diff(records(STEADY), records(STEADY))
    assert (found.changes, found.lines, found.exposure) == ((), (), 1.0)
    assert (found.n_before, found.n_after) == (390, 390)


def test_each_kind_is_told_with_its_counts() -> None:
    """New, gone, up and down have the counts of both logs, lift on the right side of 1 and small p-values."""
    before = STEADY + times(4, "cache warmed", 60) + times(5, "retry", 20)
    after = [r for r in STEADY if r[0] != 3] + times(3, "mail sent", 4) + times(5, "retry", 90)
    after += times(6, "basket lost", 30, Severity.ERROR)
    found = by_id(diff(records(before), records(after)))
    kinds = {code: change.kind for code, change in found.items()}
    assert kinds == {"3": "down", "4": "gone", "5": "up", "6": "new"}
    assert (found["5"].n_before, found["5"].n_after) == (20, 90)
    assert found["5"].lift == pytest.approx(4.4, rel=0.05)
    assert found["3"].lift < 0.5 and found["4"].lift < 0.1 and found["6"].lift > 10
    assert all(change.p_value < 0.01 for change in found.values())


def test_what_explains_comes_first() -> None:
    """A new error stands above new information, an error that grew above it too, what is gone below."""
    before = STEADY + times(4, "cache warmed", 60) + times(5, "payment refused", 5, Severity.ERROR)
    after = STEADY + times(5, "payment refused", 80, Severity.ERROR) + times(6, "page shown", 300)
    after += times(7, "basket lost", 3, Severity.ERROR)
    order = [change.template_id for change in diff(records(before), records(after)).changes]
    assert order == ["7", "5", "6", "4"]


def test_a_small_change_of_count_is_no_change() -> None:
    """Neither chance nor less than `min_lift` is told as up or down."""
    before = STEADY + times(4, "page shown", 10) + times(5, "page left", 10_000)
    after = STEADY + times(4, "page shown", 16) + times(5, "page left", 12_000)
    assert diff(records(before), records(after)).changes == ()
    assert [c.kind for c in diff(records(before), records(after), DiffParams(min_lift=1.1)).changes] == ["up"]


def test_a_log_cut_short_has_gone_templates_and_no_growth() -> None:
    """Where the second log stops half way, what comes later is gone and nothing else changed."""
    before = STEADY + times(4, "page shown", 500)
    kinds = {c.template_id: c.kind for c in diff(records(before), records(STEADY)).changes}
    assert kinds == {"4": "gone"}


@pytest.mark.parametrize(("n_before", "n_after"), [(0, 0), (0, 5), (5, 0), (1, 1)])
def test_empty_and_tiny_logs(n_before: int, n_after: int) -> None:
    """Empty logs and logs of a line give a diff whose numbers are finite."""
    found = diff(records(times(1, "ok", n_before)), records(times(2, "fine", n_after)))
    kinds = {"gone"} if n_before else set()
    assert {c.kind for c in found.changes} == kinds | ({"new"} if n_after else set())
    assert all(0 <= c.p_value <= 1 and 0 < c.lift < float("inf") for c in found.changes)
    no_rows = empty_frame().with_columns(pl.lit(0, dtype=pl.Int64).alias("template"))
    assert diff(no_rows, no_rows).changes == ()


def test_lines_number_the_second_file() -> None:
    """Explaining lines are counted by the record's own numbers, with text beside them; a template knows its share."""
    after = [*STEADY[:3], (9, "fatal: cannot open rates.csv", Severity.UNSPECIFIED), *STEADY[:2]]
    found = diff(records(STEADY), records(after, first_line=101))
    assert found.lines == (104,)
    assert found.line_texts == ("fatal: cannot open rates.csv",)
    assert [(c.template_id, c.n_explaining, c.first_line) for c in found.changes if c.kind == "new"] == [("9", 1, 104)]


def test_lines_of_a_joined_record_are_told_apart() -> None:
    """A record of three lines gives the numbers of its lines."""
    raw = "fatal: shop.TaxError\n\tat shop.Tax.rate(Tax.java:31)\n\tat shop.Main.main(Main.java:5)"
    after = records([(9, "fatal: shop.TaxError", Severity.ERROR)], first_line=7).with_columns(
        pl.lit(raw).alias("raw"), pl.lit(3, dtype=pl.Int32).alias("n_lines")
    )
    found = diff(records(STEADY), after)
    assert found.lines == (7, 8, 9)
    assert found.line_texts == tuple(raw.split("\n"))
    assert found.changes[0].n_explaining == 3


def test_json_records_are_read_by_their_message() -> None:
    """Of a JSON record the message speaks, not its keys; its severity is the line's level."""
    calm = records([(1, "order placed", Severity.INFO)]).with_columns(
        pl.lit('{"msg": "order placed", "error": null}').alias("raw")
    )
    bad = records([(8, "basket lost", Severity.ERROR)]).with_columns(
        pl.lit('{"msg": "basket lost", "level": "error"}').alias("raw")
    )
    assert diff(records(STEADY), calm).lines == ()
    assert diff(records(STEADY), bad).lines == (1,)


def test_a_known_template_of_a_record_with_fields_explains_nothing() -> None:
    """A chronic error of another user is no news in a log with fields; in free text it may be."""
    before = records([(1, "basket of ann lost", Severity.ERROR)])
    after = records([(1, "basket of bob lost", Severity.ERROR)])
    assert diff(before, after.with_columns(pl.lit("json").alias("format"))).lines == ()
    assert diff(before, after.with_columns(pl.lit("plain").alias("format"))).lines == (1,)


def test_names_come_from_the_caller() -> None:
    """Ids and texts are what `name` says of a code."""
    found = diff(
        records(STEADY), records(STEADY + times(8, "basket 17 lost", 2)), name=lambda c: TemplateName(f"t{c}", "<*>")
    )
    assert [(c.template_id, c.text) for c in found.changes] == [("t8", "<*>")]


def test_order_of_codes_and_rows_does_not_matter_to_the_counts() -> None:
    """Shuffled records give the same changes but for the first line."""
    before = STEADY + times(4, "cache warmed", 60)
    after = STEADY + times(6, "basket lost", 30, Severity.ERROR)
    shuffled = after.copy()
    random.Random(3).shuffle(shuffled)

    def told(found: Diff) -> list[tuple[str, str, int, int, float]]:
        return [(c.template_id, c.kind, c.n_before, c.n_after, c.p_value) for c in found.changes]

    assert told(diff(records(before), records(after))) == told(diff(records(before), records(shuffled)))
