"""`categories`: what the last run found, and people's decisions about it: names, merges, pinned errors.

A decision shows at once and is done by every later run.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fm_anomaly.cli.categorize import NAME
from fm_anomaly.cli.options import EXIT_OK, command
from fm_anomaly.errors import UsageError

if TYPE_CHECKING:
    from fm_anomaly.cli.options import Commands
    from fm_anomaly.core.category_edits import CategoryEdits
    from fm_anomaly.core.category_model import CategoryModel

_EXAMPLES = """\
  fm-anomaly categories list
  fm-anomaly categories rename d4kq "cache is down"
  fm-anomaly categories merge d4kq x7aa         d4kq becomes part of x7aa
  fm-anomaly categories pin zfeu2j6s d4kq       errors of group zfeu2j6s belong to d4kq
  fm-anomaly categories undo d4kq
"""
_NEEDED = {"list": 0, "rename": 2, "merge": 2, "pin": 2, "undo": 1}


def add(commands: Commands) -> None:
    """Add `categories list | rename | merge | pin | undo`."""
    parser = command(commands, "categories", run, "show error categories; rename, merge or pin them", _EXAMPLES)
    parser.add_argument("action", choices=list(_NEEDED), help="what to do")
    parser.add_argument("words", metavar="ARG", nargs="*", help="ids (any unique beginning), and a name for rename")
    parser.add_argument("--models", metavar="DIR", default="models", help="where the model is kept (default: models)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Do what was asked, keep it, and print the categories as they stand now."""
    from fm_anomaly.categorizing import load_model
    from fm_anomaly.cli.category_table import lines, plain
    from fm_anomaly.cli.console import print_lines
    from fm_anomaly.storage.category_edits import load_edits, save_edits
    from fm_anomaly.storage.model_registry import Registry

    if len(args.words) != _NEEDED[args.action]:
        raise UsageError(f"categories {args.action} takes {_NEEDED[args.action]} arguments; see: categories --help")
    root = Path(args.models)
    model = load_model(root, NAME)
    if args.action != "list":
        edits = _edited(load_edits(root, NAME), model, args.action, args.words)
        save_edits(root, NAME, edits)
        model = load_model(root, NAME)
    if args.json:
        json.dump(plain(model), sys.stdout)
        sys.stdout.write("\n")
    else:
        print_lines(lines(model, str(root / NAME / str(Registry(root).active(NAME)))))
    return EXIT_OK


def _edited(edits: CategoryEdits, model: CategoryModel, action: str, words: list[str]) -> CategoryEdits:
    ids = [each.category_id for each in model.categories]
    if action == "rename":
        return edits.renamed(_one(words[0], ids, "category"), words[1])
    if action == "merge":
        return edits.merged(_one(words[0], ids, "category"), _one(words[1], ids, "category"))
    if action == "pin":
        return edits.pinned(_one(words[0], model.by_group, "group"), _one(words[1], ids, "category"))
    known = [*ids, *edits.names, *edits.merges, *edits.pins]
    return edits.without(_one(words[0], dict.fromkeys(known), "category or group"))


def _one(prefix: str, ids: object, what: str) -> str:
    """Return the only id that begins with `prefix`. Raises UsageError where there is none, or more than one."""
    found = [each for each in ids if each.startswith(prefix)]  # type: ignore[attr-defined]
    if len(found) == 1 or prefix in found:
        return prefix if prefix in found else str(found[0])
    told = "no" if not found else f"{len(found)} beginnings of a"
    raise UsageError(f"{prefix!r} is {told} {what}; see: fm-anomaly categories list --json")
