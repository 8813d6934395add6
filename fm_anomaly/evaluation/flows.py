"""The flows of a sample: one request or job of a service, in the manner that its format asks for."""

from __future__ import annotations

from fm_anomaly.evaluation.authors import Author, Strike
from fm_anomaly.evaluation.prose import write_prose
from fm_anomaly.evaluation.structured import write_structured
from fm_anomaly.evaluation.system import Activity


def write_flow(author: Author, us: int, activity: Activity, slow: float, strike: Strike | None) -> None:
    """Write the lines of one request or job that starts at `us`; `slow` multiplies its durations."""
    if author.is_structured:
        write_structured(author, us, activity, slow, strike)
    else:
        write_prose(author, us, activity, slow, strike)
