"""Laws of hearing: silence is told where there always was something, and not where pauses are usual."""

from __future__ import annotations

from fm_anomaly.service.hearing import Hearing, HearingParams

HOUR_S = 3_600.0


def heard(every_s: float, n: int, protocol: str = "otlp") -> tuple[Hearing, float]:
    """Return what has heard so many batches, and the time of the last."""
    hearing = Hearing()
    for at in range(n):
        hearing.note(protocol, at * every_s)
    return hearing, (n - 1) * every_s


def test_a_steady_input_that_stops_is_told() -> None:
    """Nothing for a quarter of an hour, where something came every ten seconds."""
    hearing, last_s = heard(10, 1_000)
    assert hearing.silent_s(last_s + 800) == {}
    assert hearing.silent_s(last_s + 1_000) == {"otlp": 1_000}
    hearing.note("otlp", last_s + 1_100)
    assert hearing.silent_s(last_s + 1_200) == {}


def test_what_pauses_at_night_is_not_told_of_its_nights() -> None:
    """A pause is unusual where it is three times the longest of the week."""
    hearing, now_s = Hearing(), 0.0
    for day in range(9):
        for at in range(100):
            now_s = day * 24 * HOUR_S + at * 60
            hearing.note("bulk", now_s)
    assert hearing.silent_s(now_s + 23 * HOUR_S) == {}
    assert hearing.silent_s(now_s + 70 * HOUR_S) != {}


def test_what_came_only_for_a_while_is_not_judged() -> None:
    """A file sent by hand makes nobody deaf."""
    hearing, last_s = heard(0.5, 500)
    assert hearing.silent_s(last_s + 90 * HOUR_S) == {}
    assert hearing.ages_s(last_s + 5) == {"otlp": 5}


def test_protocols_are_bounded() -> None:
    """Names beyond the cap are not kept."""
    hearing = Hearing(HearingParams(max_protocols=3))
    for at in range(100):
        hearing.note(f"p{at}", at)
    assert len(hearing.ages_s(100)) == 3
