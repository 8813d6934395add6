"""Laws of the command line: what each command answers, its exit codes, and how it refuses."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fm_anomaly.testing import as_bytes, outage_log

Run = Callable[..., Any]
SCHEMA = Path(__file__).parent.parent.parent / "docs" / "schemas" / "scan.schema.json"
PYTHON = [sys.executable, "-m", "fm_anomaly.cli"]


def test_a_scan_finds_the_incident_and_nothing_else(run: Run, outage: Path) -> None:
    """One incident, with its service, its error and the traceback's place."""
    ran = run("scan", outage)
    assert ran.code == 0
    assert "1 INCIDENT\n" in ran.out
    assert re.search(r"#1 \w+  cart  NEW ERROR", ran.out)
    assert "app/prices.py:17 in fetch" in ran.out
    assert "\x1b" not in ran.out


def test_a_quiet_log_is_said_to_be_quiet(run: Run, quiet: Path) -> None:
    """No incident is said with what was looked at."""
    ran = run("scan", quiet)
    assert (ran.code, "NO INCIDENT" in ran.out) == (0, True)


def test_json_is_one_object_of_the_schema(run: Run, outage: Path) -> None:
    """`scan --json` keeps to docs/schemas, and its sums hold."""
    report = run("scan", outage, "--json").json()
    jsonschema.validate(report, json.loads(SCHEMA.read_text("utf-8")))
    intake = report["intake"]
    kinds = ("records", "continuations", "blanks", "rejects", "skipped_own")
    assert intake["lines"] == sum(intake[kind] for kind in kinds) == outage.read_bytes().count(b"\n")
    assert intake["records"] == intake["counted"] + intake["late"] == sum(t["count"] for t in report["templates"])


@pytest.mark.parametrize(("level", "code"), [("low", 3), ("critical", 0)])
def test_fail_on_sets_the_exit_code(run: Run, outage: Path, level: str, code: int) -> None:
    """3 for findings at or above the level."""
    assert run("scan", outage, "--fail-on", level).code == code


def test_nothing_found_is_0_whatever_the_level(run: Run, quiet: Path) -> None:
    """A quiet log passes."""
    assert run("scan", quiet, "--fail-on", "low").code == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["scan", "absent.log"], r"absent\.log.*check the name"),
        (["scan"], r"FILE.*--help"),
        (["scan", "shop.log", "--fail-on", "huge"], r"huge.*--help"),
        (["scan", "shop.log", "--tz", "Mars/Olympus"], r"Mars/Olympus"),
        (["scan", "shop.log", "--since", "25:99"], r"25:99.*write 12:30:03"),
        (
            ["scan", "shop.log", "--since", "2026-03-02T12:00", "--until", "2026-03-02T11:00"],
            r"--since 2026-03-02T12:00 is later than --until 2026-03-02T11:00",
        ),
        (["scan", "shop.log", "--since", "12:00", "--until", "2026-03-02T11:00"], r"T12:00:00Z is later .*T11:00:00Z"),
        (["lines", "--of", "nosuch", "shop.log"], r"no service 'nosuch'.*cart, mail"),
        (["scan", "shop.log", "--state", "s", "--since", "10:00"], r"--state"),
        (["scan", "shop.log", "--html", "absent/x.html"], r"absent/x\.html"),
        (["scan", "shop.log", "--config", "absent.toml"], r"absent\.toml.*--config"),
        (["diff", "shop.log"], r"two logs"),
        (["diff", "shop.log", "--before", "10:00", "--during", "11:00..12:00"], r"\.\."),
        (["lines", "t:zzzz", "shop.log"], r"t:zzzz.*templates"),
        (["lines"], r"lines of what"),
        (["lines", "t:a"], r"no scan"),
        (["watch"], r"watch what"),
        (["watch", "shop.log", "--", "true"], r"not both"),
        (["parse", "shop.log", "-o", "x.xlsx"], r"\.parquet"),
        (["parse", "--message-column", "m", "shop.log", "-o", "x.csv"], r"no column 'm'"),
        (["evaluate", "loghub"], r"--data"),
        (["nonsense"], r"nonsense.*--help"),
        (["config"], r"--help"),
    ],
)
def test_usage_errors_are_one_sentence_and_code_2(run: Run, outage: Path, words: list[str], told: str) -> None:
    """Each names the thing and the next step, on stderr, without a traceback."""
    ran = run(*words)
    assert (ran.code, ran.out) == (2, "")
    assert re.search(told, ran.err)
    assert ran.err.count("\n") == 1


def test_hostile_lines_print_escaped_everywhere(run: Run, tmp_path: Path) -> None:
    """Brackets print; escape sequences, bidirectional and control characters do not act, in any command."""
    lines = outage_log()
    bad = "GET [/api/v1/cases] 500 [red]x[/red] \x1b[31mred\x1b[0m \u202eabc \x07 =cmd()"
    lines = [f"{line[:19]} ERROR [cart] {bad}" if "503" in line else line for line in lines]
    path = tmp_path / "hostile.log"
    path.write_bytes(as_bytes(lines))
    for words in (
        ["scan", path, "-v", "--all"],
        ["templates", path],
        ["lines", "--of", "cart", path, "--around", "11:11"],
        ["doctor", path],
        ["diff", path, path],
    ):
        ran = run(*words)
        assert ran.code == 0
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202a-\u202e]", ran.out), words[0]
    assert "[/api/v1/cases]" in run("lines", "--of", "cart", path, "--around", "11:11").out
    assert run("scan", path, "--html", tmp_path / "r.html").code == 0
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e]", (tmp_path / "r.html").read_text("utf-8"))


def test_standard_input_and_gzip_give_the_same_answer(outage: Path, tmp_path: Path) -> None:
    """A pipe, a compressed file and a plain one hold the same incidents."""
    packed = tmp_path / "shop.log.gz"
    packed.write_bytes(gzip.compress(outage.read_bytes()))
    found = []
    for path, data in ((outage, b""), (packed, b""), ("-", outage.read_bytes())):
        done = subprocess.run([*PYTHON, "scan", str(path), "--json"], input=data, capture_output=True, check=True)
        found.append([(i["kind"], i["start"], i["title"]) for i in json.loads(done.stdout)["incidents"]])
    assert found[0] == found[1] == found[2] != []


def test_a_reader_that_goes_away_is_no_error(outage: Path) -> None:
    """`| head -1` ends quietly."""
    words = [*PYTHON, "templates", str(outage), "--json"]
    child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.close()
    _, err = child.communicate()
    assert (child.returncode, err) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_full_disk_is_one_sentence(outage: Path, options: list[str]) -> None:
    """No traceback, and no complaint of the interpreter at exit."""
    with Path("/dev/full").open("w") as full:
        words = [*PYTHON, "scan", str(outage), *options]
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "cannot write the output: no space left" in done.stderr


def test_a_closed_output_is_one_sentence(outage: Path) -> None:
    """`>&-` is said, and nothing is written into a file that happens to get its number."""
    words = ["sh", "-c", 'exec "$@" >&-', "sh", *PYTHON, "scan", str(outage)]
    done = subprocess.run(words, stderr=subprocess.PIPE, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "output is closed" in done.stderr


def test_help_teaches_with_examples_and_loads_nothing_heavy() -> None:
    """--help needs no Polars, river, SQLAlchemy or rich: that is why it is quick."""
    code = (
        "import sys\nfrom fm_anomaly.cli import main\ntry:\n main(['scan', '--help'])\nexcept SystemExit: pass\n"
        "heavy = {'polars', 'numpy', 'river', 'sqlalchemy', 'rich', 'drain3', 'fastapi', 'msgspec'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")
    assert "fm-anomaly scan app.log" in done.stdout


@pytest.mark.parametrize(
    "name",
    [
        "demo",
        "scan",
        "diff",
        "watch",
        "templates",
        "lines",
        "parse",
        "doctor",
        "evaluate",
        "config",
        "serve",
        "categorize",
    ],
)
def test_every_command_has_help_with_examples(run: Run, name: str) -> None:
    """What a command does is shown by example."""
    ran = run(name, "--help")
    assert (ran.code, "examples:\n  fm-anomaly" in ran.out or "examples:" in ran.out) == (0, True)


def test_state_stops_and_goes_on(run: Run, tmp_path: Path) -> None:
    """Scanned in two runs with --state, a log gives the same incidents as in one, and each line is read once."""
    lines = outage_log()
    path, whole = tmp_path / "app.log", tmp_path / "whole.log"
    whole.write_bytes(as_bytes(lines))
    data = whole.read_bytes()
    cut = data.index(b"11:11:0") + 11
    path.write_bytes(data[:cut])
    assert run("scan", path, "--state", "state").code == 0
    path.write_bytes(data)
    second = run("scan", path, "--state", "state", "--json").json()
    once = run("scan", whole, "--json").json()
    assert second["intake"]["lines"] == once["intake"]["lines"]
    for key in ("kind", "start", "end", "services"):
        assert [i[key] for i in second["incidents"]] == [i[key] for i in once["incidents"]]
    third = run("scan", path, "--state", "state", "--json").json()
    assert third["intake"]["lines"] == once["intake"]["lines"]


def test_state_holds_redacted_text_only(run: Run, quiet: Path) -> None:
    """A last line without its end is read again next time, and never kept as it is."""
    growing = quiet.parent / "growing.log"
    growing.write_bytes(quiet.read_bytes() + b"2026-03-02 13:00:01 ERROR [a] login password=SEK")
    run("scan", growing, "--state", "state")
    assert not any(b"SEK" in path.read_bytes() for path in Path("state").iterdir())
    growing.write_bytes(growing.read_bytes() + b"RET\n2026-03-02 13:00:02 INFO [a] ok\n")
    again = run("scan", growing, "--state", "state", "--json").json()
    once = run("scan", growing, "--json").json()
    for name in ("lines", "records", "counted", "bytes", "redacted"):
        assert again["intake"][name] == once["intake"][name]


def test_damaged_state_falls_back_to_the_one_before(run: Run, quiet: Path) -> None:
    """A bad checksum is told, and the run goes on from the last good one."""
    run("scan", quiet, "--state", "state")
    run("scan", quiet, "--state", "state")
    newest = Path("state/pipeline.snapshot")
    newest.write_bytes(newest.read_bytes()[:-9] + b"corrupted")
    ran = run("scan", quiet, "--state", "state")
    assert ran.code == 0
    assert "going on from the one before" in ran.err
    for path in Path("state").iterdir():
        path.write_bytes(b"nonsense")
    ran = run("scan", quiet, "--state", "state")
    assert (ran.code, "pipeline.snapshot" in ran.err) == (2, True)


def test_since_and_until_leave_records_out_and_say_so(run: Run, outage: Path) -> None:
    """Only the span is judged; line numbers stay those of the file."""
    report = run("scan", outage, "--since", "10:00", "--until", "2026-03-02T11:00", "--json").json()
    assert report["incidents"] == []
    assert report["intake"]["outside"] > 0
    assert any("left out" in sentence for sentence in report["intake"]["health"])


def test_the_line_that_is_shown_leads_to_the_lines(run: Run, outage: Path) -> None:
    """The `see` line of a card, typed as it stands, shows the lines, without naming the file again."""
    see = re.search(r"see   fm-anomaly (.*)", run("scan", outage).out)
    assert see is not None
    ran = run(*see[1].split())
    assert ran.code == 0
    assert "price service answered 503" in ran.out or "checkout failed" in ran.out
    numbers = [int(line.split()[0]) for line in ran.out.splitlines() if re.match(r" *\d+  2026", line)]
    text = outage.read_text().split("\n")
    shown = [line.split("  ", 1)[1] for line in ran.out.splitlines() if re.match(r" *\d+  2026", line)]
    assert [text[n - 1] for n in numbers] == shown


def test_lines_are_redacted_unless_asked_otherwise(run: Run, tmp_path: Path) -> None:
    """A secret is shown only from a local file, on request."""
    path = tmp_path / "app.log"
    path.write_text("2026-03-02 10:00:00 INFO [api] login by jane.doe@example.org password=hunter2secret\n" * 3)
    ran = run("lines", "--of", "api", path)
    assert "jane.doe" not in ran.out
    assert "hunter2secret" not in ran.out
    assert "jane.doe@example.org" in run("lines", "--of", "api", path, "--unredacted").out


def test_diff_lists_what_is_new_and_the_lines_that_explain_it(run: Run, quiet: Path, outage: Path) -> None:
    """The new error is named, with its lines in the second file."""
    found = run("diff", quiet, outage, "--json").json()
    jsonschema.validate(found, json.loads(SCHEMA.with_name("diff.schema.json").read_text("utf-8")))
    new = [c for c in found["changes"] if c["kind"] == "new"]
    assert any("price service answered" in c["template"] for c in new)
    text = outage.read_text().split("\n")
    assert any("503" in text[n - 1] for n in found["lines"])
    assert "price service answered" in run("diff", quiet, outage).out


def test_diff_compares_two_spans_of_one_log(run: Run, outage: Path) -> None:
    """Times of day are those of the log's day."""
    found = run("diff", outage, "--before", "10:00..11:00", "--during", "11:10..11:13", "--json").json()
    assert any("price service" in c["template"] for c in found["changes"] if c["kind"] == "new")


def test_templates_and_doctor_say_what_was_received(run: Run, outage: Path) -> None:
    """Counts, errors and health in both."""
    assert "added item <num> for user <num>" in run("templates", outage).out
    errors = run("templates", outage, "--errors", "--json").json()["templates"]
    assert errors
    assert all(t["errors"] for t in errors)
    ran = run("doctor", outage)
    assert "lines =" in ran.out
    assert "UTC assumed" in ran.out


def test_a_log_without_times_is_not_called_well(run: Run, tmp_path: Path) -> None:
    """Scan and doctor both say what cannot be judged, and what to do."""
    path = tmp_path / "build.log"
    path.write_text("compiling one\n\nlinking two\n" * 20)
    for word in ("scan", "doctor"):
        ran = run(word, path)
        assert "tell no time" in ran.out
        assert "fm-anomaly diff good.log bad.log" in ran.out
        assert "all well" not in ran.out


def test_scan_store_and_categorize_write_where_they_are_told(run: Run, outage: Path) -> None:
    """The store and the model land in the folders named."""
    assert run("scan", outage, "--store", "data").code == 0
    assert any(Path("data").iterdir())
    ran = run("categorize", outage, "--models", "kept", "--json")
    assert ran.code == 0
    assert ran.json()["categories"]
    assert any(Path("kept").iterdir())


def test_config_show_tells_origins(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each value with where it comes from."""
    monkeypatch.setenv("FM_ANOMALY_TENANT", "payments")
    ran = run("config", "show")
    assert re.search(r'tenant = "payments"\s+# FM_ANOMALY_TENANT', ran.out)
    assert re.search(r"bucket_s = 60\s+# default", ran.out)


def test_watch_passes_the_exit_code_and_shows_cards(tmp_path: Path) -> None:
    """A command's output is judged while it runs; its exit code is ours."""
    path = tmp_path / "shop.log"
    path.write_bytes(as_bytes(outage_log()))
    code = f"import sys; sys.stdout.write(open({str(path)!r}).read()); sys.exit(7)"
    done = subprocess.run(
        [*PYTHON, "watch", "--", sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 7
    assert "cart  NEW ERROR" in done.stdout
    assert "watched" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_watch_answers_while_the_file_grows(tmp_path: Path, number: signal.Signals) -> None:
    """A file that appears later is read from its beginning; cards come while it grows; signals end it well."""
    path = tmp_path / "app.log"
    words = [*PYTHON, "watch", str(path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        try:
            assert child.stderr is not None
            assert child.stdout is not None
            assert "waiting for it" in child.stderr.readline()
            path.write_bytes(as_bytes(outage_log()))
            assert "cart" in child.stdout.readline()
            child.send_signal(number)
            told = child.communicate(timeout=60)
            assert (child.returncode, "watched" in told[1]) == (0, True)
        finally:
            child.kill()


def test_sigterm_ends_the_watched_command_too(tmp_path: Path) -> None:
    """What came is judged, the closing note is told, and the command does not live on."""
    path = tmp_path / "pid"
    code = (
        f"import os, time; open({str(path)!r}, 'w').write(str(os.getpid())); print('up', flush=True); time.sleep(300)"
    )
    words = [*PYTHON, "watch", "--", sys.executable, "-c", code]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        try:
            for _ in range(600):
                if path.exists() and path.read_text():
                    break
                time.sleep(0.1)
            child.send_signal(signal.SIGTERM)
            told = child.communicate(timeout=60)
        finally:
            child.kill()
    assert (child.returncode, "watched" in told[1]) == (143, True)
    with pytest.raises(ProcessLookupError):
        os.kill(int(path.read_text()), 0)
