"""docs/contracts.md says what the code does: names, sections, schemas and exit codes."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import polars as pl
import pytest

from fm_anomaly.cli import options
from fm_anomaly.core.alerts import Alert
from fm_anomaly.core.anomalies import Anomaly, AnomalyKind
from fm_anomaly.core.commands import Command, CommandKind
from fm_anomaly.core.frames import RECORD_SCHEMA
from fm_anomaly.core.incidents import Incident
from fm_anomaly.core.parsing import SourceParser
from fm_anomaly.core.pipeline import Pipeline
from fm_anomaly.core.state import MAGIC, SCHEMA_VERSION, Snapshot
from fm_anomaly.core.template_values import Template
from fm_anomaly.errors import UsageError
from fm_anomaly.evaluation.outage import OutageParams, outage
from fm_anomaly.ingest.position import Position
from fm_anomaly.scanning import Scan, TextSource, scan

ROOT = Path(__file__).parent.parent
CONTRACTS = (ROOT / "docs" / "contracts.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """Return the text of one section of the contracts."""
    found = re.search(rf"^## {re.escape(title)}.*?(?=^## |\Z)", CONTRACTS, re.MULTILINE | re.DOTALL)
    assert found is not None, f"docs/contracts.md has no section {title!r}"
    return found[0]


@cache
def small_scan(folder: Path) -> Scan:
    """Return the scan of a small log with one outage."""
    outage(5, "shop", folder, OutageParams(n_lines=6_000, hours=1.5, n_errors=100, n_tracebacks=20))
    return scan([TextSource("outage.log", (folder / "outage.log").read_bytes())])


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Scan:
    """A finished scan, made once."""
    return small_scan(tmp_path_factory.mktemp("contracts"))


def test_every_column_of_the_record_frame_is_documented_and_filled() -> None:
    """The parser gives the documented columns, in order, with their dtypes."""
    documented = re.findall(r"^\| `(\w+)` \| (\w+) \|", section("Record frame"), re.MULTILINE)
    assert documented == [(name, str(dtype)) for name, dtype in RECORD_SCHEMA.items()]
    parser = SourceParser("app.log")
    frame = pl.concat([parser.feed(b"2026-03-02T10:00:00Z ERROR [api] no\n"), parser.flush()])
    assert dict(frame.schema) == dict(RECORD_SCHEMA)


@pytest.mark.parametrize(
    ("title", "value", "left_out"),
    [
        ("Template", Template, {"tokens", "kinds", "gaps", "born_order", "merged_into", "stream", "is_coarse"}),
        ("Anomaly", Anomaly, set()),
        ("Alert and Incident", Alert, set()),
        ("Alert and Incident", Incident, set()),
        ("Command", Command, set()),
        ("Position", Position, set()),
    ],
)
def test_every_field_of_a_value_is_documented(title: str, value: Any, left_out: set[str]) -> None:
    """What crosses a door is named in the contracts."""
    text = section(title)
    missing = [f.name for f in fields(value) if f.name not in left_out and f"`{f.name}`" not in text]
    assert missing == []


def test_kinds_are_documented() -> None:
    """Every kind of anomaly and command has its word in the contracts."""
    assert [kind for kind in AnomalyKind if kind.value not in section("Anomaly")] == []
    assert [kind for kind in CommandKind if kind.value not in section("Command")] == []


def test_a_scan_keeps_its_schema(done: Scan) -> None:
    """`scan --json` of a log with an incident holds docs/schemas/scan.schema.json."""
    schema = json.loads((ROOT / "docs" / "schemas" / "scan.schema.json").read_text())
    report = json.loads(json.dumps(done.to_dict()))
    jsonschema.validate(report, schema)
    assert len(report["incidents"]) == 1


def test_the_snapshot_has_the_documented_sections(done: Scan) -> None:
    """Magic, version and sections are those of the contracts."""
    documented = re.findall(r"^\| `(\w+)` \| `core", section("Snapshot"), re.MULTILINE)
    snapshot = done.pipeline.snapshot()
    assert sorted(documented) == sorted(snapshot.sections)
    assert MAGIC.decode() in section("Snapshot")
    assert f"now {SCHEMA_VERSION}" in section("Snapshot")


GOLDEN = Path(__file__).parent / "golden" / f"pipeline-v{SCHEMA_VERSION}.snapshot"


def test_the_golden_snapshot_is_still_read() -> None:
    """A snapshot that this schema version wrote goes on: what comes next is judged with what it knew.

    Where its sections must change, raise SCHEMA_VERSION, keep this file, and read both.
    """
    pipeline = Pipeline.restore(Snapshot.from_bytes(GOLDEN.read_bytes()))
    before = pipeline.counts().records
    assert before > 5_000
    name = next(iter(pipeline.sources.values())).name
    pipeline.observe(name, b"2026-01-20T04:00:00Z ERROR [inventory] quite another thing\n" * 3)
    pipeline.flush()
    # the three, and the one that was still open when the snapshot was taken
    assert pipeline.counts().records == before + 4


def test_exit_codes_are_the_documented_ones() -> None:
    """0 nothing, 2 usage error, 3 findings."""
    assert (options.EXIT_OK, options.EXIT_USAGE, options.EXIT_FINDINGS) == (0, 2, 3)
    text = section("Exit codes")
    assert all(f"{code} " in text for code in (0, 2, 3))


def test_a_merge_by_command_joins_two_templates_and_keeps_both_ids(done: Scan) -> None:
    """A person's merge: one template stands for both, the other id stays an alias; another tenant is refused."""
    pipeline = Pipeline.restore(done.pipeline.snapshot())
    stream = pipeline.streams.keys[0]
    ids = [t.template_id for t in pipeline.templates.templates if t.stream == 0][:2]
    command = Command(CommandKind.MERGE, stream.tenant, "ada", 0, stream.service, ids[0], ids[1])
    assert ids[0] in pipeline.apply(command).text
    (kept,) = pipeline.templates.resolve(ids[1])
    assert pipeline.templates.templates[kept].aliases == [ids[1]]
    foreign = Command(CommandKind.MERGE, "another", "eve", 0, stream.service, ids[0], ids[1])
    with pytest.raises(UsageError, match="another"):
        pipeline.apply(foreign)
