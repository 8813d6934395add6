"""`models`: which fitted models are there, which is in use, and going back to the one before."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from fm_anomaly.cli.options import EXIT_OK, command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.text import Text

    from fm_anomaly.cli.options import Commands
    from fm_anomaly.storage.model_registry import Manifest, Registry

_EXAMPLES = """\
  fm-anomaly models list
  fm-anomaly models show error-categories
  fm-anomaly models activate error-categories 0003
  fm-anomaly models rollback error-categories
"""


def add(commands: Commands) -> None:
    """Add `models list | show | activate | rollback`."""
    parser = command(commands, "models", run, "list fitted models, choose the one in use, go back", _EXAMPLES)
    parser.add_argument("action", choices=["list", "show", "activate", "rollback"], help="what to do")
    parser.add_argument("name", nargs="?", help="the model's name (not for list)")
    parser.add_argument("version", nargs="?", help="its version (show: the one in use)")
    parser.add_argument("--models", metavar="DIR", default="models", help="where models are kept (default: models)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Do what was asked and say what is in use now."""
    from fm_anomaly.cli.console import print_lines
    from fm_anomaly.errors import UsageError
    from fm_anomaly.storage.model_registry import Registry

    registry = Registry(Path(args.models))
    if args.action == "list":
        rows = list(_rows(registry))
        if args.json:
            _print_json(rows)
        else:
            print_lines(_listed(rows, args.models))
        return EXIT_OK
    if args.name is None or (args.action == "activate" and args.version is None):
        needed = "NAME VERSION" if args.action == "activate" else "NAME"
        raise UsageError(f"models {args.action} needs {needed}; see: fm-anomaly models list")
    manifest = _done(registry, args)
    if args.json:
        _print_json(asdict(manifest))
    else:
        print_lines(_shown(manifest, registry.active(args.name) == manifest.version))
    return EXIT_OK


def _done(registry: Registry, args: argparse.Namespace) -> Manifest:
    from fm_anomaly.errors import ModelError

    if args.action == "activate":
        return registry.activate(args.name, args.version)
    if args.action == "rollback":
        return registry.rollback(args.name)
    version = args.version or registry.active(args.name)
    if version is None:
        raise ModelError(f"no model {args.name!r} under {registry.root}: fit one with fm-anomaly categorize")
    return registry.manifest(args.name, version)


def _rows(registry: Registry) -> Iterator[dict[str, object]]:
    from fm_anomaly.errors import ModelError

    for name in registry.names():
        active = registry.active(name)
        for version in registry.versions(name):
            row: dict[str, object] = {"name": name, "version": version, "is_active": version == active}
            try:
                manifest = registry.manifest(name, version)
            except ModelError as exc:
                yield row | {"refused": str(exc)}
            else:
                yield row | {"kind": manifest.kind, "metrics": manifest.metrics, "fitted_on": manifest.fitted_on}


def _listed(rows: list[dict[str, object]], root: str) -> Iterator[Text]:
    from rich.text import Text

    from fm_anomaly.core.display import terminal

    if not rows:
        yield Text(f"no model under {terminal(root)}: fit one with fm-anomaly categorize")
    for row in rows:
        mark = "*" if row["is_active"] else " "
        told = str(row["refused"]) if "refused" in row else _figures(row["metrics"])
        yield Text.assemble(
            (f"{mark} {row['name']}  {row['version']}  ", "bold" if row["is_active"] else ""),
            (terminal(told), "red" if "refused" in row else "dim"),
        )


def _shown(manifest: Manifest, is_active: bool) -> Iterator[Text]:
    from rich.text import Text

    from fm_anomaly.core.display import terminal

    state = "in use" if is_active else "not in use"
    yield Text.assemble((f"{terminal(manifest.name)}  {manifest.version}", "bold"), f"  {state}")
    for label, told in (
        ("kind", manifest.kind),
        ("fitted on", _figures(manifest.fitted_on)),
        ("metrics", _figures(manifest.metrics)),
        ("made with", _figures(manifest.libraries)),
        ("sha256", manifest.sha256),
    ):
        yield Text.assemble((f"{label:<11}", "dim"), terminal(told))


def _figures(plain: object) -> str:
    if not isinstance(plain, dict):
        return ""
    return "  ".join(f"{key} {value}" for key, value in plain.items())


def _print_json(plain: object) -> None:
    json.dump(plain, sys.stdout)
    sys.stdout.write("\n")
