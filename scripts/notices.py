"""Writes THIRD_PARTY_NOTICES.md from what is installed: the libraries that users get, with their licences.

    python scripts/notices.py [--check]

Follows the requirements in pyproject.toml (base, serve, postgresql, categories, encryption, tracing) through the
installed packages. With --check it writes nothing and exits 1 where the file lacks a package or names one no longer
used.
"""

# ruff: noqa: T201 - what a script prints is its answer
from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
NOTICES = ROOT / "THIRD_PARTY_NOTICES.md"
EXTRAS = ("serve", "postgresql", "categories", "encryption", "tracing")

_HEAD = """\
# Third-party notices

The web page carries two libraries, unchanged, with their licences beside them in `fm_anomaly/api/page/static/vendor/`:
htmx 4.0.1 (Zero-Clause BSD, htmx.org) and uPlot 1.6.32 (MIT, github.com/leeoniya/uPlot). No other third-party code is
copied into the package. It installs the libraries below, each under its own licence, whose text comes with the
library's own distribution. Written by `make notices` from the metadata of the versions installed.

| library | comes with | licence | home |
|---|---|---|---|
"""
# what the metadata leaves out or says at length, read from the licence files of these distributions
_LICENCES = {
    "jinja2": "BSD-3-Clause",
    "jsonpickle": "BSD-3-Clause",
    "markdown-it-py": "MIT",
    "mdurl": "MIT",
    "polars": "MIT",
    "polars-runtime-32": "MIT",
    "scipy": "BSD-3-Clause, with bundled parts under BSD, MIT and GPL-3.0 with GCC exception",
    "numpy": "BSD-3-Clause, with bundled parts under 0BSD, MIT, Zlib and CC0-1.0",
}


def main(arguments: list[str]) -> None:
    """Write the notices, or check them."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    found: dict[str, str] = {}
    _follow(project["dependencies"], "base", found)
    for extra in EXTRAS:
        _follow(project["optional-dependencies"][extra], extra, found)
    if "--check" in arguments:
        listed = set(re.findall(r"^\| ([\w.-]+) \|", NOTICES.read_text(), re.M)) - {"library"}
        if listed != set(found):
            sys.exit(f"{NOTICES.name} is not up to date: {sorted(listed ^ set(found))}; run make notices")
        return
    rows = [_row(name, by) for name, by in sorted(found.items())]
    NOTICES.write_text(_HEAD + "".join(rows))
    print(f"{NOTICES.name}: {len(rows)} libraries")


def _follow(requirements: list[str], by: str, found: dict[str, str]) -> None:
    """Add what `requirements` install, directly and through others, to `found`: name → the extra that brings it."""
    todo = [(Requirement(each), "") for each in requirements]
    while todo:
        requirement, extra = todo.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if name in found:
            continue
        found[name] = by
        for each in distribution(name).requires or []:
            todo += [(Requirement(each), of) for of in ("", *requirement.extras)]


def _row(name: str, by: str) -> str:
    of = distribution(name)
    return f"| {name} | {by} | {_licence(name, of)} | {_home(of)} |\n"


def _licence(name: str, of: Distribution) -> str:
    told = _LICENCES.get(name) or of.metadata.get("License-Expression") or of.metadata.get("License")
    if not told or "\n" in told or told == "UNKNOWN":
        sys.exit(f"{name}: its metadata names no licence; read its licence file and add it to this script")
    return str(told)


def _home(of: Distribution) -> str:
    urls = dict(each.split(", ", 1) for each in of.metadata.get_all("Project-URL") or [])
    best = [urls[name] for name in sorted(urls) if re.search("source|repo|home|github", name, re.I)]
    return str(of.metadata.get("Home-page") or (best or list(urls.values()) or [""])[0])


if __name__ == "__main__":
    main(sys.argv[1:])
