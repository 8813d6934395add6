"""Template health: is the mining of a stream worth trusting, and what to do where it is not.

Pure functions of counts. Knows nothing of how templates are mined.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from fm_anomaly.core.tokens import is_word

_CLASSES = (
    ("a-z", re.compile("[a-z]")),
    ("A-Z", re.compile("[A-Z]")),
    ("0-9", re.compile("[0-9]")),
    ("_", re.compile("_")),
    (".", re.compile(r"\.")),
    ("-", re.compile("-")),
)


class HealthState(StrEnum):
    """Whether a stream's templates can be trusted; "new template" findings stop where they cannot."""

    GOOD = "good"
    DEGRADED = "degraded"


@dataclass(frozen=True, slots=True)
class HealthParams:
    """Limits of `judge`. Nothing is judged before `min_records` records."""

    min_records: int = 1_000
    max_singleton_share: float = 0.2
    max_templates_per_record: float = 0.3
    max_share_of_one: float = 0.99


@dataclass(frozen=True, slots=True)
class TemplateCounts:
    """What is counted for one stream: records, live templates, those seen once, the largest, and overflow."""

    records: int
    templates: int
    singletons: int
    largest: int
    overflow: int
    is_capped: bool
    wildcards_only: bool = False


@dataclass(frozen=True, slots=True)
class TemplateHealth:
    """A verdict in words. `suggestion` is a mask (regular expression) that would help, or ""."""

    state: HealthState
    reason: str
    suggestion: str
    counts: TemplateCounts


def judge(counts: TemplateCounts, params: HealthParams = HealthParams(), suggestion: str = "") -> TemplateHealth:
    """Return the health of one stream's templates, with a sentence that holds the numbers."""
    reason = _complaint(counts, params)
    if not reason:
        share = f"{counts.records:,} records in {counts.templates:,} templates"
        return TemplateHealth(HealthState.GOOD, share, "", counts)
    return TemplateHealth(HealthState.DEGRADED, reason, suggestion, counts)


def _complaint(counts: TemplateCounts, params: HealthParams) -> str:
    if counts.is_capped:
        return (
            f"template explosion: {counts.templates:,} templates in {counts.records:,} records reached the limit; "
            f"{counts.overflow:,} records went to coarse templates"
        )
    if counts.records < params.min_records:
        return ""
    if counts.singletons > params.max_singleton_share * counts.records:
        return f"{counts.singletons:,} of {counts.records:,} records have a template of their own"
    if counts.templates > params.max_templates_per_record * counts.records:
        return f"{counts.templates:,} templates for {counts.records:,} records"
    if counts.templates > 1 and counts.largest > params.max_share_of_one * counts.records and counts.wildcards_only:
        return f"one template of wildcards alone holds {counts.largest:,} of {counts.records:,} records"
    return ""


def suggest(templates: Sequence[tuple[str, ...]]) -> str:
    """Return a regular expression that would mask what varies most among templates of one length, or "".

    `templates` are key tokens of templates seen once. The slot with the most distinct words in the commonest
    length is described by its characters and lengths, with the word before it as context where that is constant.
    """
    if not templates:
        return ""
    lengths = Counter(map(len, templates))
    length = max(lengths, key=lambda n: (lengths[n], -n))
    columns = list(zip(*(t for t in templates if len(t) == length), strict=True))
    words = [sorted(set(filter(is_word, column))) for column in columns]
    slot = max(range(length), key=lambda i: (len(words[i]), -i), default=0)
    if not words or len(words[slot]) < 3:
        return ""
    classes = [name for name, pattern in _CLASSES if any(pattern.search(w) for w in words[slot])]
    sizes = sorted(map(len, words[slot]))
    before = set(columns[slot - 1]) if slot else set()
    context = rf"(?<={re.escape(before.pop())} )" if len(before) == 1 and is_word(next(iter(before))) else r"\b"
    return rf"{context}[{''.join(classes) or '^ '}]{{{sizes[0]},{sizes[-1]}}}\b"
