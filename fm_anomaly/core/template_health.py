"""Template health: is the mining of a stream worth trusting, and what to do where it is not.

Pure functions of counts. Knows nothing of how templates are mined.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
    if counts.templates > 1 and counts.largest > params.max_share_of_one * counts.records:
        return ""
    return ""
