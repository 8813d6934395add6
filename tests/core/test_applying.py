"""Laws of people's commands: their effect is at once, told, reversible, and the same in every replay."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from fm_anomaly.core.alerts import AlertAction, AlertBook, AlertEvent, AlertSeverity, AlertState
from fm_anomaly.core.anomalies import Anomaly, AnomalyKind
from fm_anomaly.core.applying import apply
from fm_anomaly.core.commands import Command, CommandKind, Effect
from fm_anomaly.core.frames import US_PER_S
from fm_anomaly.core.incidents import group
from fm_anomaly.core.pipeline import Pipeline
from fm_anomaly.core.scan_report import scan_report
from fm_anomaly.core.state import Snapshot
from fm_anomaly.errors import UsageError
from fm_anomaly.evaluation.rendering import Format
from tests.core.test_alerts import MINUTE, _anomaly
from tests.core.test_pipeline_laws import NAME, by_bytes, by_lines, sample

HOUR = 60
DAY = 24 * HOUR
SPIKE = AnomalyKind.VOLUME_SPIKE


def spike(minute: int, strength: float = 10.0, subject: str = "t1", **changes: Any) -> Anomaly:
    plain = {"strength": strength, "observed": strength, "n_records": int(strength), "share": 0.1, "expected_high": 9.0}
    return _anomaly(minute, SPIKE, subject, **{**plain, **changes})


def say(pipeline: Pipeline, kind: CommandKind, minute: int, subject: str = "", **more: Any) -> Effect:
    plain = {"other": "", "command_id": f"c{minute}", "service": ""} | more
    return apply(pipeline, Command(kind, "default", "ada", minute * MINUTE, plain.pop("service"), subject, **plain))


def silence(pipeline: Pipeline, minute: int, until: int, **matchers: str) -> Effect:
    worse = matchers.pop("worse", "") == "yes"
    pairs = tuple(matchers.items())
    return say(
        pipeline, CommandKind.SILENCE, minute, text="known", matchers=pairs, until_us=until * MINUTE, until_worse=worse
    )


def happen(pipeline: Pipeline, minute: int, *anomalies: Anomaly) -> list[AlertEvent]:
    return pipeline.book.apply(list(anomalies), (minute + 1) * MINUTE)


def told(events: list[AlertEvent] | tuple[AlertEvent, ...]) -> list[tuple[str, str]]:
    return [(event.action.value, event.reason) for event in events if event.notify]


@pytest.fixture
def pipeline() -> Pipeline:
    """A pipeline whose book takes anomalies without the lines behind them."""
    made = Pipeline()
    made.book = AlertBook()
    return made


def test_a_silenced_alert_fires_and_is_shown_but_not_told(pipeline: Pipeline) -> None:
    """Muted and not blind: the alert is there, its incident too, and nobody is told while the silence lasts."""
    silence(pipeline, 0, 100, service="api", kind="volume_spike")
    (event,) = happen(pipeline, 1, spike(1))
    assert (event.action, event.notify, event.alert.muted_by) == (AlertAction.FIRE, False, "silence:c0")
    assert [alert.muted_by for i in group(pipeline.book.alerts) for alert in i.alerts] == ["silence:c0"]
    (other,) = happen(pipeline, 2, _anomaly(2))
    assert other.notify, "another kind is not covered"


def test_a_silence_over_tells_what_still_fires(pipeline: Pipeline) -> None:
    """At its end an alert that goes on is told once, one that is over is not."""
    silence(pipeline, 0, 10, service="api")
    happen(pipeline, 1, spike(1), spike(1, subject="t2"))
    for minute in range(2, 9):
        assert told(happen(pipeline, minute, spike(minute))) == []
    events = [event for minute in range(9, 14) for event in happen(pipeline, minute, spike(minute))]
    assert told(events) == [("update", "the silence is over")]
    assert {event.alert.subject for event in events if event.notify} == {"t1"}


def test_a_silence_of_what_fires_is_at_once_and_can_be_ended(pipeline: Pipeline) -> None:
    """A firing alert is muted by the command itself, and told again by taking it back; its end is told."""
    happen(pipeline, 1, spike(1))
    effect = silence(pipeline, 2, 100, service="api")
    assert effect.numbers == {"silenced": 1}
    assert [event.alert.muted_by for event in effect.events] == ["silence:c2"]
    again = say(pipeline, CommandKind.UNSILENCE, 3, "c2")
    assert told(again.events) == [("update", "silence ended by ada")]
    assert told(happen(pipeline, 60)) == [("resolve", "quiet for 300 s")]
    with pytest.raises(UsageError, match="c2"):
        say(pipeline, CommandKind.UNSILENCE, 4, "c2")


@pytest.mark.parametrize(
    ("worse", "expected"),
    [
        ({"strength": 19.0}, []),
        ({"strength": 21.0}, [("update", "worse than when it was muted")]),
        ({"strength": 11.0, "share": 0.9}, [("update", "worse than when it was muted: severity low → medium")]),
    ],
)
def test_until_it_gets_worse(pipeline: Pipeline, worse: dict[str, float], expected: list[Any]) -> None:
    """More than twice as strong, or more severe, than when it was muted: told, once; anything less stays muted."""
    happen(pipeline, 1, spike(1))
    silence(pipeline, 2, 1_000, service="api", worse="yes")
    assert told(happen(pipeline, 3, spike(3, 12.0))) == []
    assert told(happen(pipeline, 4, spike(4, **worse))) == expected
    assert told(happen(pipeline, 5, spike(5, 12.0))) == []


def test_until_worse_counts_from_the_first_that_was_muted(pipeline: Pipeline) -> None:
    """What first fires under the silence sets the level; a later, mild one is muted again."""
    silence(pipeline, 0, 10_000, template="t1", worse="yes")
    assert told(happen(pipeline, 1, spike(1, 10.0))) == []
    assert told(happen(pipeline, 2, spike(2, 30.0))) != []
    happen(pipeline, 60)
    (event,) = happen(pipeline, 200, spike(200, 12.0))
    assert (event.action, event.notify) == (AlertAction.FIRE, False)


def test_a_silence_up_to_a_severity_does_not_hide_worse(pipeline: Pipeline) -> None:
    """`severity` is the highest that is covered."""
    silence(pipeline, 0, 1_000, severity="low")
    assert told(happen(pipeline, 1, spike(1))) == []
    assert [what for what, _ in told(happen(pipeline, 2, spike(2, share=0.9)))] == ["update"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"matchers": ()},
        {"matchers": (("colour", "red"),)},
        {"matchers": (("severity", "terrible"),)},
        {"until_us": 0},
        {"until_us": None},
    ],
)
def test_a_silence_that_says_nothing_is_refused(pipeline: Pipeline, wrong: dict[str, Any]) -> None:
    """No matcher, an unknown one, no end, or an end before the beginning: refused, and nothing is changed."""
    right = {"matchers": (("service", "api"),), "until_us": 100 * MINUTE}
    before = pipeline.snapshot().to_bytes()
    with pytest.raises(UsageError):
        say(pipeline, CommandKind.SILENCE, 1, text="why", **{**right, **wrong})
    assert pipeline.snapshot().to_bytes() == before


def weekly(pipeline: Pipeline, strengths: list[float]) -> list[str]:
    """Let one alert a day fire at noon and end; return their ids."""
    for day, strength in enumerate(strengths):
        happen(pipeline, day * DAY + 12 * HOUR, spike(day * DAY + 12 * HOUR, strength))
        happen(pipeline, day * DAY + 13 * HOUR)
    return [alert.alert_id for alert in pipeline.book.alerts]


def test_noise_raises_the_bar_and_says_what_would_be_gone(pipeline: Pipeline) -> None:
    """The answer counts the last 20 of the kind; weaker ones are not told any more, stronger ones are."""
    ids = weekly(pipeline, [10, 12, 30, 9, 11])
    effect = say(pipeline, CommandKind.FEEDBACK, 6 * DAY, ids[1], other="noise")
    assert effect.text == "4 of the last 5 alerts of this kind would be gone, 0 of your 0 real ones"
    assert told(happen(pipeline, 7 * DAY, spike(7 * DAY, 14.0))) == []
    assert told(happen(pipeline, 7 * DAY + 1, spike(7 * DAY + 1, 40.0))) != []
    assert told(happen(pipeline, 7 * DAY + 2, spike(7 * DAY + 2, 5.0, "t2"))) != [], "another subject is another matter"


def test_what_was_real_is_protected(pipeline: Pipeline) -> None:
    """Noise may not hide anything as strong as what was real; the answer says so."""
    ids = weekly(pipeline, [10, 12, 30, 9, 11])
    say(pipeline, CommandKind.FEEDBACK, 6 * DAY, ids[1], other="real", command_id="r")
    effect = say(pipeline, CommandKind.FEEDBACK, 6 * DAY + 1, ids[2], other="noise")
    assert effect.text == "3 of the last 5 alerts of this kind would be gone, 0 of your 1 real ones"
    assert told(happen(pipeline, 7 * DAY, spike(7 * DAY, 12.0))) != []
    assert pipeline.book.feedback.is_real(ids[1].rpartition("-")[0])


def test_what_was_expected_is_muted_at_that_time_of_day_only(pipeline: Pipeline) -> None:
    """The like within an hour of the time of day is not told, unless more than twice as strong."""
    ids = weekly(pipeline, [10])
    say(pipeline, CommandKind.FEEDBACK, DAY, ids[0], other="expected")
    for minute, strength, is_told in (
        (2 * DAY + 12 * HOUR + 40, 15.0, False),
        (3 * DAY + 11 * HOUR + 5, 15.0, False),
        (4 * DAY + 12 * HOUR, 25.0, True),
        (5 * DAY + 18 * HOUR, 5.0, True),
    ):
        assert bool(told(happen(pipeline, minute, spike(minute, strength)))) is is_told


def test_feedback_can_be_taken_back(pipeline: Pipeline) -> None:
    """Without it the next alert is told as if nothing had been said; a second word replaces the first."""
    ids = weekly(pipeline, [10, 10])
    say(pipeline, CommandKind.FEEDBACK, 3 * DAY, ids[0], other="noise", command_id="f")
    assert told(happen(pipeline, 4 * DAY, spike(4 * DAY))) == []
    effect = say(pipeline, CommandKind.UNFEEDBACK, 4 * DAY + 1, "f")
    assert told(effect.events) == [("update", "feedback taken back by ada")]
    assert effect.numbers["gone"] == 0 < effect.numbers["gone_before"]
    say(pipeline, CommandKind.FEEDBACK, 5 * DAY, ids[0], other="noise", command_id="g")
    say(pipeline, CommandKind.FEEDBACK, 5 * DAY + 1, ids[0], other="real", command_id="h")
    assert told(happen(pipeline, 6 * DAY, spike(6 * DAY))) != []
    with pytest.raises(UsageError, match="'f'"):
        say(pipeline, CommandKind.UNFEEDBACK, 6 * DAY, "f")


def test_noise_ends_what_fires_at_once(pipeline: Pipeline) -> None:
    """The alert that is called noise is resolved by the word, and when it goes on nobody is told."""
    (event,) = happen(pipeline, 1, spike(1))
    effect = say(pipeline, CommandKind.FEEDBACK, 2, event.alert.alert_id, other="noise")
    assert ("resolve", "noise, says ada") in told(effect.events)
    (again,) = happen(pipeline, 3, spike(3))
    assert (again.reason, again.notify, again.alert.is_notified) == ("fires again", False, False)


def test_a_resolve_by_hand_ends_it_and_it_fires_again_where_it_goes_on(pipeline: Pipeline) -> None:
    """The end is told; unknown and resolved alerts are nothing to resolve."""
    (event,) = happen(pipeline, 1, spike(1))
    effect = say(pipeline, CommandKind.RESOLVE, 2, "i", alert_ids=(event.alert.alert_id, "no-1"))
    assert told(effect.events) == [("resolve", "resolved by ada")]
    assert effect.events[0].alert.state is AlertState.RESOLVED
    assert say(pipeline, CommandKind.RESOLVE, 3, "i", alert_ids=(event.alert.alert_id,)).numbers == {"resolved": 0}
    (again,) = happen(pipeline, 4, spike(4))
    assert (again.reason, again.alert.state) == ("fires again", AlertState.FIRING)


def test_what_a_command_does_happens_in_the_time_of_the_logs(pipeline: Pipeline) -> None:
    """Logs of last year, looked at today: events carry their time, and a silence of an hour is an hour of theirs."""
    happen(pipeline, 1, spike(1))
    pipeline.windows.clock_us = 2 * MINUTE
    today = 400 * DAY
    effect = silence(pipeline, today, today + 60, service="api")
    assert [each.tick_us for each in effect.events] == [2 * MINUTE]
    assert "fire" not in dict(told(happen(pipeline, 30, spike(30, subject="t2"))))
    assert "fire" in dict(told(happen(pipeline, 70, spike(70, subject="t3"))))
    pipeline.windows.clock_us = 71 * MINUTE
    alert_id = pipeline.book.open[0].alert_id
    ended = say(pipeline, CommandKind.RESOLVE, today, alert_id, alert_ids=(alert_id,))
    assert [each.tick_us for each in ended.events] == [71 * MINUTE]


def test_a_deploy_is_told_in_the_reason(pipeline: Pipeline) -> None:
    """A marker of the service in the half hour before an incident is named with its distance; others are not."""
    say(pipeline, CommandKind.MARKER, 90, "", text="api 1.4.2", service="api")
    say(pipeline, CommandKind.MARKER, 99, "", text="cart 7", service="cart")
    happen(pipeline, 100, _anomaly(100))
    (incident,) = group(pipeline.book.alerts, markers=pipeline.markers)
    assert incident.reason.endswith("10m after 'api 1.4.2'")
    (later,) = group([replace(pipeline.book.alerts[0], start_us=200 * MINUTE)], markers=pipeline.markers)
    assert "after" not in later.reason


def test_the_book_goes_on_from_a_snapshot_with_all_that_was_said(pipeline: Pipeline) -> None:
    """Silences, their levels and feedback are state: a restored book mutes and tells the same."""
    ids = weekly(pipeline, [10, 10])
    say(pipeline, CommandKind.FEEDBACK, 3 * DAY, ids[0], other="noise")
    silence(pipeline, 3 * DAY + 1, 9 * DAY, template="t9", worse="yes")
    happen(pipeline, 4 * DAY, spike(4 * DAY, 10.0, "t9"))
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(pipeline.book.snapshot()))
    restored = AlertBook.restore(state)
    for minute, strength, subject in ((4 * DAY + 1, 15.0, "t9"), (4 * DAY + 2, 25.0, "t9"), (5 * DAY, 9.0, "t1")):
        anomalies = [spike(minute, strength, subject)]
        tick = (minute + 1) * MINUTE
        assert restored.apply(anomalies, tick) == pipeline.book.apply(anomalies, tick)


# -- over whole pipelines

PATTERN = r"(?i)^(?:cache|job|GET) "


def run(size: int, *, by: Any = by_lines, restore_at: int = -1) -> tuple[dict[str, Any], list[Any]]:
    """Feed the sample cut by `size`, with commands at fixed places of it; restore before the command number."""
    data = sample(Format.PLAIN)
    lines = data.splitlines(keepends=True)
    places = [len(lines) * k // 6 for k in range(1, 6)]
    parts = [b"".join(lines[a:b]) for a, b in zip([0, *places], [*places, len(lines)], strict=True)]
    pipeline, events = Pipeline(), []
    service = ""
    for number, part in enumerate(parts):
        for piece in by(part, size):
            events += pipeline.observe(NAME, piece)
        if number == restore_at:
            pipeline = Pipeline.restore(Snapshot.from_bytes(pipeline.snapshot().to_bytes()))
        at_us = pipeline.windows.clock_us or 0
        service = service or pipeline.streams.keys[0].service
        for command in commands(pipeline, number, at_us, service):
            events += pipeline.apply(command).events
    events += pipeline.flush()
    report = scan_report(pipeline, ["app.log"], 1.0)
    return report, [(e.action.value, e.alert.alert_id, e.tick_us, e.notify, e.reason) for e in events]


def commands(pipeline: Pipeline, number: int, at_us: int, service: str) -> list[Command]:
    """Return what is said after each part of the sample."""
    plain = Command(CommandKind.MARKER, "default", "ada", at_us, service, "", command_id=f"c{number}", text="v2")
    if number == 0:
        return [plain, replace(plain, kind=CommandKind.PATTERN, service="", other=PATTERN, text="gathered")]
    if number in (1, 3):
        until_us = at_us + 3_600 * US_PER_S
        pairs = (("kind", "new_error"),)
        return [replace(plain, kind=CommandKind.SILENCE, matchers=pairs, until_us=until_us, until_worse=True)]
    alerts = pipeline.book.alerts
    if number == 4 and alerts:
        return [replace(plain, kind=CommandKind.FEEDBACK, subject=alerts[-1].alert_id, other="noise")]
    return []


def test_cuts_and_restarts_never_show_with_commands() -> None:
    """Laws 1 and 3 with people in it: however records are cut, and with a restart between, all is the same."""
    whole = run(1_000_000)
    assert any(not notify for *_, notify, _ in whole[1])
    assert run(337) == whole
    assert run(60_001, by=by_bytes) == whole
    assert run(500, restore_at=3) == whole


def test_an_own_pattern_gathers_what_it_finds_from_then_on() -> None:
    """Messages that the expression finds are one template under the given name; all others are as before."""
    report, _ = run(1_000_000)
    own = [t for t in report["templates"] if t["event_key"].startswith("own:")]
    assert own
    assert {t["template"] for t in own} == {"gathered"}
    assert sum(t["count"] for t in report["templates"]) == report["intake"]["records"]


@pytest.mark.parametrize("expression", ["(?<=x)y", "(a)\\1", "(", "x" * 1_001, "", ".*", "(a{1000}){1000}"])
def test_an_expression_that_is_not_linear_or_finds_all_is_refused(pipeline: Pipeline, expression: str) -> None:
    """Look-around, back-references, broken, too long, too large, or matching everything: one sentence."""
    with pytest.raises(UsageError, match="expression"):
        say(pipeline, CommandKind.PATTERN, 1, other=expression, text="mine")
    assert len(pipeline.patterns) == 0


def test_a_pattern_is_removed(pipeline: Pipeline) -> None:
    """After that messages are mined again."""
    say(pipeline, CommandKind.PATTERN, 1, other="^hello", text="mine", command_id="p")
    say(pipeline, CommandKind.UNPATTERN, 2, "p")
    assert len(pipeline.patterns) == 0
    with pytest.raises(UsageError, match="'p'"):
        say(pipeline, CommandKind.UNPATTERN, 2, "p")


def test_a_severity_is_a_severity() -> None:
    """The words of a silence's severity are those of alerts."""
    assert [s.value for s in AlertSeverity] == ["low", "medium", "high", "critical"]
