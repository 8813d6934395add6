"""What people decided about categories: names, merges, and errors pinned to a category. Honoured by every run.

An edit names categories by id and groups by theirs, never by what they looked like; ids live on from run to run
(`category_matching`). Plain values: where they are kept is not known here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fm_anomaly.core.commands import Command, CommandKind
from fm_anomaly.errors import UsageError

SCHEMA = "fm-anomaly/category-edits/1"
MAX_EDITS = 10_000
MAX_NAME = 120


@dataclass(frozen=True, slots=True)
class CategoryEdits:
    """`names` by category, `merges` category → the one that takes it in, `pins` group → category."""

    names: Mapping[str, str] = field(default_factory=dict)
    merges: Mapping[str, str] = field(default_factory=dict)
    pins: Mapping[str, str] = field(default_factory=dict)

    def owner(self, category_id: str) -> str:
        """Return the category that has taken `category_id` in, itself where none has; merges are followed."""
        seen = {category_id}
        while (into := self.merges.get(category_id)) is not None and into not in seen:
            seen.add(into)
            category_id = into
        return category_id

    def renamed(self, category_id: str, name: str) -> CategoryEdits:
        """Return the edits with a name. Raises UsageError for an empty or very long one."""
        plain = " ".join(name.split())
        if not 0 < len(plain) <= MAX_NAME:
            raise UsageError(f"a category's name has 1 to {MAX_NAME} characters, this one {len(plain)}: shorten it")
        return self._bounded(replace(self, names={**self.names, category_id: plain}))

    def merged(self, category_id: str, into: str) -> CategoryEdits:
        """Return the edits with a merge. Raises UsageError where both are one already."""
        if self.owner(into) == self.owner(category_id):
            raise UsageError(f"{category_id} and {into} are one category already; see: fm-anomaly categories list")
        return self._bounded(replace(self, merges={**self.merges, self.owner(category_id): self.owner(into)}))

    def pinned(self, group_id: str, category_id: str) -> CategoryEdits:
        """Return the edits with a group pinned to a category, whatever it looks like."""
        return self._bounded(replace(self, pins={**self.pins, group_id: category_id}))

    def without(self, key: str) -> CategoryEdits:
        """Return the edits without the name and merge of a category, or the pin of a group.

        Raises UsageError where there is none.
        """
        tables = (self.names, self.merges, self.pins)
        if not any(key in table for table in tables):
            raise UsageError(f"nobody renamed, merged or pinned {key}; see: fm-anomaly categories list")
        return CategoryEdits(*({each: value for each, value in table.items() if each != key} for table in tables))

    def _bounded(self, edits: CategoryEdits) -> CategoryEdits:
        if len(edits.names) + len(edits.merges) + len(edits.pins) > MAX_EDITS:
            raise UsageError(
                f"more than {MAX_EDITS} edits of categories: take some back with fm-anomaly categories undo"
            )
        return edits

    def to_plain(self) -> dict[str, Any]:
        """Return the edits as they are written down."""
        return {"schema": SCHEMA, "names": dict(self.names), "merges": dict(self.merges), "pins": dict(self.pins)}

    @classmethod
    def from_plain(cls, plain: object) -> CategoryEdits:
        """Return the edits that were written down. Raises UsageError where they are none."""
        if not isinstance(plain, dict) or plain.get("schema") != SCHEMA:
            raise UsageError(f"no edits of categories ({SCHEMA}); restore the file, or delete it to begin anew")
        tables = [plain.get(each) for each in ("names", "merges", "pins")]
        if not all(_is_table(each) for each in tables):
            raise UsageError("edits of categories are damaged; restore the file, or delete it to begin anew")
        return cls(*tables)  # type: ignore[arg-type]


def edited_by(edits: CategoryEdits, command: Command) -> CategoryEdits:
    """Return the edits after a command; one that holds already, or cannot be done any more, changes nothing."""
    try:
        match command.kind:
            case CommandKind.RENAME_CATEGORY:
                return edits.renamed(command.subject, command.text)
            case CommandKind.MERGE_CATEGORIES:
                return edits.merged(command.subject, command.other)
            case CommandKind.PIN_GROUP:
                return edits.pinned(command.subject, command.other)
            case CommandKind.UNDO_CATEGORY:
                return edits.without(command.subject)
    except UsageError:
        return edits
    return edits


def _is_table(plain: object) -> bool:
    return isinstance(plain, dict) and all(isinstance(each, str) for pair in plain.items() for each in pair)
