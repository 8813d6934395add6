"""Laws of matching: everything a scan says is placed once, near and right counts, far or wrong does not."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fm_anomaly.evaluation.truth import (
    EARLY_S,
    LATE_S,
    KnownError,
    PlantedIncident,
    SampleFile,
    Truth,
    iso_from_us,
    score,
    seconds,
)

HOUR_US = 3_600_000_000


def planted(number: int, hour: int, minutes: int, *services: str) -> PlantedIncident:
    start = hour * HOUR_US
    end = start + minutes * 60_000_000
    return PlantedIncident(number, "outage", iso_from_us(start), iso_from_us(end), services[0], services, "d", 9, 8, 7)


TRUTH = Truth(
    seed=1,
    vocabulary="shop",
    format="plain",
    start=iso_from_us(0),
    end=iso_from_us(48 * HOUR_US),
    services=("api", "db", "mailer"),
    files=(SampleFile("a.log", "", 10),),
    incidents=(planted(1, 5, 10, "api", "db"), planted(2, 9, 20, "mailer")),
    known=(KnownError("mailer", "502", 0.6),),
    events=({"kind": "deploy", "service": "api", "at": iso_from_us(HOUR_US)},),
)


def incident(at_s: float, *services: str) -> dict[str, Any]:
    return {"start": iso_from_us(int(at_s * 1e6)), "services": list(services), "kind": "new_error", "title": "t"}


def test_truth_reads_back() -> None:
    """A truth written and read is the same truth."""
    assert Truth.from_json(TRUTH.to_json()) == TRUTH
    assert TRUTH.days == 2.0


def test_near_and_same_service_is_found() -> None:
    """Within two minutes before and five after, on a planted service, an incident shows the planted one."""
    start, end = seconds(TRUTH.incidents[0].start), seconds(TRUTH.incidents[0].end)
    for at in (start - EARLY_S, start, end + LATE_S):
        match = score({"incidents": [incident(at, "db")]}, TRUTH)
        assert [f.planted.number for f in match.found] == [1]
        assert not match.false
        assert not match.found[0].is_root_named
    for at in (start - EARLY_S - 1, end + LATE_S + 1):
        assert score({"incidents": [incident(at, "db")]}, TRUTH).false


def test_wrong_service_is_false() -> None:
    """At the right time on another service, an incident is false and the planted one missed."""
    match = score({"incidents": [incident(seconds(TRUTH.incidents[0].start), "mailer")]}, TRUTH)
    assert len(match.false) == 1
    assert len(match.missed) == 2


def test_second_incident_of_one_matter_is_split_not_false() -> None:
    """Two incidents on one planted one count once as found and once as split; the delay is that of the earlier."""
    start = seconds(TRUTH.incidents[0].start)
    match = score({"incidents": [incident(start + 90, "api"), incident(start + 30, "db")]}, TRUTH)
    assert match.split == 1
    assert match.found[0].positions == (1, 0)
    assert match.found[0].is_root_named
    assert match.found[0].delay_s == 30
    assert match.alerts_per_matter == 2.0


@given(st.lists(st.tuples(st.integers(0, 48 * 3600), st.sampled_from(["api", "db", "mailer", "x"])), max_size=12))
def test_every_incident_is_placed_once(answers: list[tuple[int, str]]) -> None:
    """Found, split and false add up to the scan's incidents; found and missed to the planted ones."""
    match = score({"incidents": [incident(at, s) for at, s in answers]}, TRUTH)
    assert len(match.found) + match.split + len(match.false) == len(answers) == match.n_alerts
    assert len(match.found) + len(match.missed) == len(TRUTH.incidents)
