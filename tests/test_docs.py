"""Laws of docs/: what is named exists, what exists is named, snippets have one source, links lead somewhere."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fm_anomaly.api.metric_families import NAMESPACE
from fm_anomaly.api.page.shippers import snippets
from fm_anomaly.cli import make_parser
from fm_anomaly.config import load_settings
from fm_anomaly.core.detectors import DETECTORS
from tests.api.test_tenants import create_spec
from tests.conftest import ROOT
from tests.deploy.test_prometheus import alerts, exported

DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.glob("*.md"), *DOCS.glob("integrations/*.md"), ROOT / "README.md"])
GUIDES = sorted(DOCS.glob("integrations/*.md"))
OPERATING = ["alerting.md", "tuning.md", "runbook.md", "upgrade-and-backup.md"]


def text_of(name: str) -> str:
    """Return a page."""
    return (DOCS / name).read_text(encoding="utf-8")


EVERYTHING = {path: path.read_text(encoding="utf-8") for path in PAGES}


def commands() -> dict[str, argparse.ArgumentParser]:
    """Return the parser of each command, `notify test` among them."""
    found: dict[str, argparse.ArgumentParser] = {}

    def add(parser: argparse.ArgumentParser, name: str) -> None:
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for word, below in action.choices.items():
                    found[f"{name} {word}".strip()] = below
                    add(below, f"{name} {word}".strip())

    add(make_parser(), "")
    return found


def code_in(text: str) -> Iterator[str]:
    """Yield what stands in code: spans and fenced blocks."""
    yield from re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))


def test_the_index_names_every_page() -> None:
    """docs/README.md leads to each page and each guide, and to nothing else."""
    links = set(re.findall(r"\]\(([\w/-]+\.md)\)", text_of("README.md")))
    assert links == {str(p.relative_to(DOCS)) for p in PAGES if p != ROOT / "README.md"} - {"README.md"} | {
        str(p.relative_to(DOCS)) for p in DOCS.glob("adr/*.md")
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Each relative link of a page is a file."""
    for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", EVERYTHING[page]):
        if not link.startswith(("http:", "https:")):
            assert (page.parent / link).exists(), link


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_a_guide_quotes_the_snippets_of_the_page(guide: Path) -> None:
    """Word for word, each shipper in the guide that it names."""
    text = EVERYTHING[guide]
    quoted = set(re.findall(r"^### (.+?) \(", text, re.MULTILINE))
    mine = [each for each in snippets("http://127.0.0.1:8010") if each.guide == guide.stem]
    assert quoted == {each.name for each in mine}
    for each in mine:
        said = f"tried: {each.tried}" if each.tried else "after its manual; not run here"
        assert f"### {each.name} ({said})\n" in text
        assert re.search(rf"^```\w+\n{re.escape(each.text)}```$", text, re.MULTILINE), each.name


def test_the_table_of_shippers_is_that_of_the_page() -> None:
    """docs/protocols.md lists each with what has been tried, and the guide."""
    rows = re.findall(r"^\| (.+?) \| (.+?) \| \[\w+\.md\]\(integrations/(\w+)\.md\) \|$", text_of("protocols.md"), re.M)
    told = [(name, tried, guide) for name, tried, guide in rows]
    assert told == [(e.name, e.tried or "no: after its manual", e.guide) for e in snippets("http://127.0.0.1:8010")]


def test_every_metric_that_is_named_exists() -> None:
    """With our prefix everywhere, and without it in the runbook and the tuning guide."""
    for page, text in EVERYTHING.items():
        for name in re.findall(rf"\b{NAMESPACE}_(\w+)", text):
            assert not name or name in exported(), (page.name, name)
    known = exported() | {re.sub(r"_(bucket|sum|count)$", "", name) for name in exported()}
    suffixes = ("_total", "_seconds", "_bytes")
    for name in OPERATING:
        for word in re.findall(r"`([a-z_]+)(?:\{[^`]*)?`", text_of(name)):
            assert not word.endswith(suffixes) or word in known, (name, word)


def test_every_route_that_is_named_exists() -> None:
    """Of the API, wherever it is written, in docs and README."""
    paths = [re.sub(r"\{\w+\}", "[^/]+", path) for path in create_spec()["paths"]]
    others = ("/api/v1/logs", "/api/v1/intake", "/api/v1/openapi.json", "/api/v1")
    for page, text in EVERYTHING.items():
        for path in re.findall(r"(?<![\w.])(?:127\.0\.0\.1:8010)?(/api/v1[\w/{}.-]*)", text):
            path = path.rstrip("./")
            is_known = path in others or any(re.fullmatch(each, path) for each in paths)
            assert is_known or is_of_access(path), (page.name, path)


def is_of_access(path: str) -> bool:
    """Tell whether a path is one of those that are not under `api_router`, as /api/v1/keys."""
    return path.startswith("/api/v1/keys")


def test_every_command_that_is_named_exists() -> None:
    """And every option of it; what is written is what the program takes."""
    known = commands()
    for page, text in EVERYTHING.items():
        for code in code_in(text):
            for line in code.replace("\\\n", " ").splitlines():
                for call in re.findall(r"(?:^|[\s`$(])fm-anomaly ((?:[a-z-]+ ?)+[^|;`#)]*)", line):
                    words = call.split()
                    name = next((n for n in (" ".join(words[:2]), words[0]) if n in known), None)
                    if words[0] in ("listens",) or words[0].startswith("-"):
                        continue
                    assert name is not None, (page.name, call)
                    options = {option for a in known[name]._actions for option in a.option_strings}
                    used = {
                        word.partition("=")[0] for word in re.split(r" -- ", call)[0].split() if word.startswith("--")
                    }
                    assert {option for option in used if option != "--"} <= options, (page.name, call)


def test_every_command_and_option_of_serve_is_documented() -> None:
    """Each command is named somewhere; each option of the service in docs/service.md or the protocols."""
    everything = "\n".join(EVERYTHING.values())
    for name in commands():
        assert re.search(rf"fm-anomaly {name}\b|`{name}\b|\b{name.split()[-1]}\b", everything), name
    serving = text_of("service.md") + text_of("protocols.md")
    for action in commands()["serve"]._actions:
        for option in action.option_strings:
            assert option in ("-h", "--help") or option in serving or option in ("--tenant", "--config"), option


def settings_of_files() -> set[str]:
    """Return the keys of all settings, and those of a receiver."""
    keys = {setting.key for setting in load_settings(environ={}, folder=Path("/nonexistent")).settings}
    return keys | {key.rpartition(".")[2] for key in keys}


def test_every_setting_that_is_named_exists() -> None:
    """Dotted names of sections that are ours are keys of fm_anomaly.toml."""
    keys = settings_of_files()
    sections = {key.partition(".")[0] for key in keys if "." in key}
    for page, text in EVERYTHING.items():
        if page.parent.name == "adr":
            continue
        for code in re.findall(r"`([a-z_]+(?:\.[a-z_0-9]+)+)(?: = [^`]*)?`", text):
            if code.partition(".")[0] in sections and not code.endswith((".py", ".md", ".toml")):
                assert code in keys, (page.name, code)


def test_every_setting_is_documented() -> None:
    """docs/settings.md lists each with its default."""
    text = text_of("settings.md")
    for setting in load_settings(environ={}, folder=Path("/nonexistent")).settings:
        assert f"| `{setting.key}` | `{setting.shown()}` |" in text, setting.key


def test_every_detector_is_documented() -> None:
    """Each has its row in docs/detectors.md, and the tuning guide names none that is not there."""
    rows = set(re.findall(r"^\| (\w+) \|", text_of("detectors.md"), re.MULTILINE)) - {"detector", "setting"}
    assert set(DETECTORS) <= rows


def test_every_alert_that_is_named_exists() -> None:
    """An alert about ourselves that a page names is one of deploy/prometheus."""
    for page, text in EVERYTHING.items():
        assert set(re.findall(r"\bFmAnomaly[A-Z]\w+", text)) <= set(alerts()), page.name
