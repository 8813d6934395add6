"""Groups: one fault each, what an error tracker calls an issue, with an id that every run agrees on.

Same exception type, same place in the application, same event type of the message. The id is the template's: the first
80 bits over event key and tokens at birth, so two runs agree where the wording does. Knows nothing of categories.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from fm_anomaly.core.error_texts import ErrorText
from fm_anomaly.core.normalizing import fold_digits, mask_hex, normalize
from fm_anomaly.core.templates import TemplateParams, TemplateStore, template_id


@dataclass(frozen=True, slots=True)
class GroupsParams:
    """Mining of messages, and up to how many distinct ones they are mined: beyond, equal tokens alone are one event."""

    templates: TemplateParams = field(default_factory=TemplateParams)
    max_mined: int = 3_000


def event_key(error: ErrorText) -> str:
    """Return what besides the message makes the fault: exception type and place."""
    return f"{error.exc_type}|{error.frame}" if error.exc_type or error.frame else ""


def group_ids(errors: Sequence[ErrorText], params: GroupsParams | None = None) -> list[str]:
    """Return the group of each error, in order. Cost: some 100 µs a distinct message."""
    params = params or GroupsParams()
    bodies = pl.Series([each.message for each in errors], dtype=pl.String)
    keys = [event_key(each) for each in errors]
    shapes = mask_hex(pl.Series(fold_digits(bodies), dtype=pl.String)).to_list()
    distinct = {(key, shape) for key, shape in zip(keys, shapes, strict=True)}
    if len(distinct) > params.max_mined:
        return [template_id(key, normalize(shape).key) for key, shape in zip(keys, shapes, strict=True)]
    store = TemplateStore(params.templates)
    first = store.assign(np.zeros(len(errors), dtype=np.int32), bodies, pl.Series(keys, dtype=pl.String))
    return [store.templates[at].template_id for at in store.canonical(first).tolist()]


class GroupStream:
    """Gives errors that come one by one their group, at once and for good."""

    def __init__(self, params: GroupsParams | None = None) -> None:
        self._store = TemplateStore((params or GroupsParams()).templates)

    def assign(self, error: ErrorText) -> str:
        """Return the group of the next error. Cost: some 100 µs."""
        at = self._store.assign(
            np.zeros(1, dtype=np.int32),
            pl.Series([error.message], dtype=pl.String),
            pl.Series([event_key(error)], dtype=pl.String),
        )
        return self._store.templates[int(at[0])].template_id
