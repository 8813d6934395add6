"""How categories are shown: as a table for the terminal, and as plain values for `--json`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.text import Text

from fm_anomaly.cli.wording import clipped, plural
from fm_anomaly.core.category_model import CategoryModel
from fm_anomaly.core.category_values import CategoryChange, ChangeKind, ErrorCategory
from fm_anomaly.core.display import terminal

_STYLES = {ChangeKind.BORN: "bold red", ChangeKind.GROWN: "red", ChangeKind.SHRUNK: "green", ChangeKind.GONE: "green"}


def plain(model: CategoryModel) -> dict[str, Any]:
    """Return categories, what became of those before, and metrics, as JSON has them."""
    return {
        "schema": "fm-anomaly/categories/1",
        "categories": [{**asdict(each), "trend": each.trend} for each in model.categories],
        "changes": [{**asdict(each), "kind": str(each.kind)} for each in model.changes],
        "metrics": model.metrics,
    }


def lines(model: CategoryModel, folder: str) -> Iterator[Text]:
    """Yield the table: one category a block, most counted first; then what changed, and where the model is."""
    n, metrics = len(model.categories), model.metrics
    of = f"  of {plural(int(metrics['count'] or 0), 'error')} in {plural(int(metrics['n_groups'] or 0), 'group')}"
    yield Text.assemble((plural(n, "ERROR CATEGORY", "ERROR CATEGORIES"), "bold"), of)
    change = {each.category_id: each for each in model.changes}
    for category in model.categories:
        yield from _block(category, change.get(category.category_id))
    if metrics["n_uncategorized"]:
        yield Text(f"{'':<14}{plural(int(metrics['n_uncategorized'] or 0), 'rare error')} like no other", style="dim")
    for each in model.changes:
        if each.kind in (ChangeKind.GONE, ChangeKind.MERGED):
            into = f" into {each.other_id}" if each.other_id else ""
            yield Text(f"{each.kind:<13} {terminal(each.name)}{into}  was {each.count_before:,} ×", style="dim")
    yield Text.assemble(("model         ", "dim"), terminal(folder))


def _block(category: ErrorCategory, change: CategoryChange | None) -> Iterator[Text]:
    where = terminal(", ".join(category.services[:4]))
    more = f" and {len(category.services) - 4} more" if len(category.services) > 4 else ""
    told = [category.kind] if category.kind else []
    told += [f"{plural(category.n_groups, 'group')} of {where}{more}" if where else plural(category.n_groups, "group")]
    told += [category.trend] if category.trend != "steady" else []
    yield Text.assemble(
        (f"{category.count:>11,} ×  ", "bold"),
        terminal(category.name),
        (f"  {' · '.join(told)} · {category.category_id}", "dim"),
        (f"  {_change(change)}", _STYLES.get(change.kind, "")) if change else "",
    )
    for example in category.examples[:2]:
        yield Text(f"{'':<15}{terminal(clipped(example, 140))}", style="dim")


def _change(change: CategoryChange) -> str:
    if change.kind in (ChangeKind.GROWN, ChangeKind.SHRUNK):
        return f"{change.kind} from {change.count_before:,}"
    return f"{change.kind} from {change.other_id}" if change.other_id else str(change.kind)
