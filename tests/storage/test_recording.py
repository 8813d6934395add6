"""Laws of recording: a step again changes nothing, cuts and replays end in the same rows, counts are exact."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from fm_anomaly.core.category_labels import CategoryLabel
from fm_anomaly.core.changes import Changes
from fm_anomaly.core.notices import from_payload
from fm_anomaly.core.pipeline import Pipeline
from fm_anomaly.core.state import Snapshot
from fm_anomaly.evaluation.rendering import Format
from fm_anomaly.storage import Store, open_store, tables
from fm_anomaly.storage.recording import Step, alerts_of, record, recorded_seq
from tests.core.test_pipeline_laws import NAME, by_lines, sample

DATA = sample(Format.PLAIN)


def steps(pieces: list[bytes], pipeline: Pipeline | None = None, seq: int = 0) -> Iterator[tuple[Step, Pipeline]]:
    """Yield a step for each piece, and one for the end."""
    pipeline = pipeline or Pipeline()
    changes = Changes(pipeline)
    for piece in pieces:
        seq += 1
        yield Step("default", seq, changes.take(pipeline.observe(NAME, piece))), pipeline
    yield Step("default", seq + 1, changes.take(pipeline.flush())), pipeline


def dump(store: Store, *, left_out: tuple[str, ...] = ()) -> dict[str, list[dict[str, Any]]]:
    with store.reading() as connection:
        return {
            name: [dict(row) for row in connection.execute(select(table).order_by(*table.primary_key)).mappings()]
            for name, table in tables.metadata.tables.items()
            if name not in left_out
        }


def test_a_step_again_changes_nothing(store: Store) -> None:
    """Each step written twice leaves what writing it once leaves, and says that it added nothing."""
    for step, _ in steps(by_lines(DATA, 2_000)):
        record(store, step)
        before = dump(store)
        again = record(store, step)
        assert (again.n_events, again.n_notices) == (0, 0)
        assert dump(store) == before
    assert before["alerts"]
    assert before["outbox"]
    assert recorded_seq(store, "default") == before["heads"][0]["seq"] > 1


def settled(store: Store) -> dict[str, Any]:
    """Return what must not depend on cuts: everything but numbers of steps and the times of the last word."""
    rows = dump(store, left_out=("heads", "services", "digest", "samples", "incidents", "outbox", "events"))
    for row in rows["templates"]:
        del row["as_of_us"]
    for row in rows["alerts"]:
        for name in ("n_events", "end_us", "as_of_us"):
            del row[name]
    with store.reading() as connection:
        table = tables.events
        columns = [c for c in table.c if c.name not in ("event_no", "incident_id")]
        rows["events"] = [tuple(r) for r in connection.execute(select(*columns).order_by(table.c.key))]
        standing = select(tables.incidents.c.incident_id, tables.incidents.c.alert_ids)
        kept = connection.execute(standing.where(tables.incidents.c.merged_into.is_(None)))
        rows["incidents"] = sorted((row.incident_id, sorted(row.alert_ids)) for row in kept)
    return rows


def test_cuts_and_databases_end_in_the_same_rows(store: Store, tmp_path: Path) -> None:
    """However entries are joined into steps, alerts, events, incidents, templates and counts end up the same."""
    for step, _ in steps(by_lines(DATA, 900)):
        record(store, step)
    with open_store(tmp_path / "whole.db") as whole:
        for step, _ in steps([DATA]):
            record(whole, step)
        assert settled(store) == settled(whole)


def test_a_replay_after_a_crash_ends_in_the_undisturbed_rows(tmp_path: Path) -> None:
    """From an older snapshot, with steps cut otherwise: rows are those of a run that was never stopped."""
    pieces = by_lines(DATA, 600)
    with open_store(tmp_path / "whole.db") as store:
        for step, _ in steps(pieces):
            record(store, step)
        expected = settled(store)
    with open_store(tmp_path / "crashed.db") as store:
        snapshot = Pipeline().snapshot().to_bytes()
        for number, (step, pipeline) in enumerate(steps(pieces)):
            record(store, step)
            if number == 2:
                snapshot = pipeline.snapshot().to_bytes()
            if number == 7:
                break
        restored = Pipeline.restore(Snapshot.from_bytes(snapshot))
        behind = b"".join(pieces[3:])
        for step, _ in steps(by_lines(behind, 500), restored, 3):
            record(store, step)
        assert settled(store) == expected


def test_counts_are_exact_and_the_same_in_every_width(store: Store) -> None:
    """Minutes, hours and days of a series have one sum: the records that the pipeline counted in buckets."""
    pipeline = Pipeline()
    for step, _ in steps(by_lines(DATA, 3_000), pipeline):
        record(store, step)
    table = tables.counts
    query = select(table.c.step_s, table.c.name, func.sum(table.c.count), func.sum(table.c.errors))
    sums: dict[str, set[tuple[int, int]]] = defaultdict(set)
    with store.reading() as connection:
        for _, name, count, errors in connection.execute(query.group_by(table.c.step_s, table.c.name)):
            sums[name].add((int(count), int(errors)))
    assert all(len(each) == 1 for each in sums.values())
    assert sums["records"] == sums["template"]
    assert sums["records"].pop()[0] == pipeline.n_counted


def test_what_receivers_may_hear_of_is_in_the_outbox_once(store: Store) -> None:
    """The outbox holds a notice of every event that is to be told; events are numbered without gaps."""
    n_notices = 0
    for step, _ in steps(by_lines(DATA, 2_000)):
        n_notices += record(store, step).n_notices
    rows = dump(store)
    told = [(row["alert_id"], row["at_us"]) for row in rows["events"] if row["is_notified"]]
    assert told
    assert set(told) <= {(row["alert_id"], row["created_us"]) for row in rows["outbox"]}
    assert n_notices == len(rows["outbox"])
    assert [row["event_no"] for row in rows["events"]] == list(range(1, len(rows["events"]) + 1))


def test_tenants_do_not_meet(store: Store) -> None:
    """Two tenants' steps with the same ids stand beside one another, each with its own numbers."""
    for step, _ in steps(by_lines(DATA, 3_000)):
        record(store, step)
        record(store, Step("other", step.seq, step.changed))
    rows = dump(store)
    assert {row["tenant"] for row in rows["counts"]} == {"default", "other"}
    numbers = {t: [r["event_no"] for r in rows["events"] if r["tenant"] == t] for t in ("default", "other")}
    assert numbers["default"] == numbers["other"]


def test_a_label_is_kept_beside_the_alert(store: Store) -> None:
    """With the version of its model, in the row, the incident and the notice; a replay without one unsays nothing."""
    label = CategoryLabel("g1", "fault", "c1", "kind of error", "0003")
    for is_labelled in (True, False):
        for step, _ in steps(by_lines(DATA, 2_000)):
            found = {alert.alert_id: label for alert in alerts_of(step.changed)} if is_labelled else {}
            record(store, replace(step, labels=found))
    rows = dump(store)
    for table in ("alerts", "incidents"):
        assert rows[table]
        assert {tuple(row[name] for name in tables.LABEL) for row in rows[table]} == {
            ("g1", "fault", "c1", "kind of error", "0003")
        }
    assert rows["outbox"]
    assert all(from_payload(row["payload"]).label == label for row in rows["outbox"])
