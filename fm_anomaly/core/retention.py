"""How long each class of what is stored is kept: a value, here so that reading settings needs no store."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class RetentionParams:
    """Days that each class is kept, by event time: of counts, by their width; samples are redacted lines; alerts with
    their incidents, events and feedback; audit, with silences and markers; templates since they were last seen.

    Raises ValueError where one is less than a day.
    """

    minutes_days: int = 3
    hours_days: int = 60
    days_days: int = 800
    samples_days: int = 14
    digest_days: int = 60
    alerts_days: int = 400
    audit_days: int = 400
    templates_days: int = 400

    def __post_init__(self) -> None:
        """Refuse what would forget today."""
        for each in fields(self):
            if getattr(self, each.name) < 1:
                raise ValueError(f"{each.name} must be at least 1")
