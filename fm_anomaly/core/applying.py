"""What each of people's commands does to a Pipeline, and what is said of it.

One function a kind. What only the store needs to know (an acknowledgement, a comment, a name) changes nothing here
but is answered, so that everything has one road. It must not know routes, tables or logs of commands.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fm_anomaly.core.commands import OF_CATEGORIES, Command, CommandKind, Effect
from fm_anomaly.core.feedback import Feedback, Judged, Verdict, effect_on
from fm_anomaly.core.markers import Marker, kept
from fm_anomaly.core.own_patterns import OwnPattern, n_found
from fm_anomaly.core.reasons import duration
from fm_anomaly.core.silences import Silence
from fm_anomaly.errors import UsageError

if TYPE_CHECKING:
    from fm_anomaly.core.pipeline import Pipeline


def apply(pipeline: Pipeline, command: Command) -> Effect:
    """Do what a person says; return what it did.

    Raises UsageError when the command is of another tenant, or cannot be done as asked; nothing is changed then.
    """
    if command.tenant != pipeline.params.tenant:
        raise UsageError(f"command of tenant {command.tenant!r} for the pipeline of {pipeline.params.tenant!r}")
    return _DO[command.kind](pipeline, command)


def template_of(pipeline: Pipeline, service: str, prefix: str) -> int:
    """Return the index of the template of a service whose id begins so. Raises UsageError where it is not one."""
    found = [
        index
        for index in pipeline.templates.resolve(prefix)
        if pipeline.streams.keys[pipeline.templates.templates[index].stream].service == service
    ]
    if len(found) != 1:
        what = "no template" if not found else f"{len(found)} templates"
        raise UsageError(
            f"{what} of {service} with an id that begins with {prefix!r}; `fm-anomaly templates` lists them"
        )
    return found[0]


def _now_us(pipeline: Pipeline, command: Command) -> int:
    """Return the event time that it is for the pipeline.

    Logs may be older than the person who looks at them: what a command changes in alerts happens in their time, and a
    silence of an hour is an hour of theirs.
    """
    clock_us = pipeline.windows.clock_us
    return command.at_us if clock_us is None else clock_us


def _merge(pipeline: Pipeline, command: Command) -> Effect:
    one, other = (template_of(pipeline, command.service, prefix) for prefix in (command.subject, command.other))
    into = pipeline.merge_templates(one, other)
    return Effect(f"t:{into} now stands for both; the other id is its alias")


def _rename(pipeline: Pipeline, command: Command) -> Effect:
    template = pipeline.templates.templates[template_of(pipeline, command.service, command.subject)]
    if not command.text:
        return Effect(f"t:{template.template_id} has no name any more")
    return Effect(f"t:{template.template_id} is called {command.text!r}")


def _pattern(pipeline: Pipeline, command: Command) -> Effect:
    pattern = OwnPattern(command.command_id, command.service, command.text, command.other)
    pipeline.patterns.add(pattern)
    samples = [
        pipeline.stats.samples[index]
        for index, template in enumerate(pipeline.templates.templates)
        if index < len(pipeline.stats.samples)
        and template.merged_into is None
        and command.service in ("", pipeline.streams.keys[template.stream].service)
    ]
    n = n_found(command.other, samples)
    words = f"from now on messages that it finds are {command.text!r}; it finds the samples of {n} of {len(samples)} "
    return Effect(words + "templates", numbers={"templates_found": n, "templates": len(samples)})


def _unpattern(pipeline: Pipeline, command: Command) -> Effect:
    pattern = pipeline.patterns.remove(command.subject)
    return Effect(f"messages are no longer gathered as {pattern.name!r}; what was counted stays")


def _ack(pipeline: Pipeline, command: Command) -> Effect:
    return Effect(f"{command.actor} has taken it on")


def _comment(pipeline: Pipeline, command: Command) -> Effect:
    return Effect("kept")


def _resolve(pipeline: Pipeline, command: Command) -> Effect:
    events = pipeline.book.resolve_by_hand(command.alert_ids, _now_us(pipeline, command), command.actor)
    n = len(events)
    words = f"{n} alert{'s' if n != 1 else ''} resolved; told anew where it goes on" if n else "nothing was firing"
    return Effect(words, tuple(events), {"resolved": n})


def _feedback(pipeline: Pipeline, command: Command) -> Effect:
    book = pipeline.book
    alert = book.get(command.subject)
    if alert is None:
        raise UsageError(f"alert {command.subject!r} is too long ago for feedback to act on")
    if command.other not in list(Verdict):
        raise UsageError(f"feedback {command.other!r} is none of {', '.join(Verdict)}")
    verdict = Verdict(command.other)
    about = Judged.of(alert)
    before = book.feedback
    after = before.with_word(Feedback(command.command_id, alert.alert_id, verdict, about))
    numbers, words = effect_on(before, after, [Judged.of(each) for each in book.alerts], about)
    events = book.judge_by(after, _now_us(pipeline, command), f"{verdict.value}, says {command.actor}")
    if verdict is Verdict.NOISE and after.mute(about):
        events += book.resolve_by_hand((alert.alert_id,), _now_us(pipeline, command), command.actor, "noise, says")
    return Effect(words, tuple(events), numbers)


def _unfeedback(pipeline: Pipeline, command: Command) -> Effect:
    book = pipeline.book
    before = book.feedback
    word = before.get(command.subject)
    after = before.without(command.subject)
    assert word is not None  # noqa: S101 - `without` has looked
    numbers, words = effect_on(before, after, [Judged.of(each) for each in book.alerts], word.about)
    events = book.judge_by(after, _now_us(pipeline, command), f"feedback taken back by {command.actor}")
    return Effect(words, tuple(events), numbers)


def _silence(pipeline: Pipeline, command: Command) -> Effect:
    if command.until_us is None:
        raise UsageError("a silence needs an end")
    before = pipeline.book.silences.get(command.subject) if command.subject else None
    if command.subject and before is None:
        raise UsageError(f"no silence {command.subject!r} is in force")
    now_us = _now_us(pipeline, command)
    silence = Silence(
        silence_id=command.subject or command.command_id,
        matchers=command.matchers,
        owner=command.actor,
        reason=command.text,
        start_us=now_us if before is None else before.start_us,
        until_us=now_us + command.until_us - command.at_us,
        until_worse=command.until_worse,
        levels={} if before is None else dict(before.levels),
    )
    if command.until_us <= command.at_us:
        raise UsageError("the end of a silence must lie ahead; end it to be told at once")
    pipeline.book.silences.add(silence)
    events = pipeline.book.remute(_now_us(pipeline, command), f"silenced by {command.actor}: {command.text}")
    n = len(events)
    words = f"{n} firing alert{'s' if n != 1 else ''} silenced, and what fits, "
    words += f"for {duration(command.until_us - command.at_us)}"
    if command.until_worse:
        words += ", unless it gets worse: a higher severity, or more than twice as strong"
    return Effect(words, tuple(events), {"silenced": n})


def _unsilence(pipeline: Pipeline, command: Command) -> Effect:
    if not pipeline.book.silences.end(command.subject):
        raise UsageError(f"no silence {command.subject!r} is in force")
    events = pipeline.book.remute(_now_us(pipeline, command), f"silence ended by {command.actor}")
    n = len(events)
    return Effect(f"ended; {n} firing alert{'s' if n != 1 else ''} told again", tuple(events), {"told": n})


def _marker(pipeline: Pipeline, command: Command) -> Effect:
    marker = Marker(command.command_id, command.at_us, command.service, command.text, command.actor)
    pipeline.markers = kept(pipeline.markers, marker)
    return Effect(f"noted {command.text!r}" + (f" of {command.service}" if command.service else ""))


def _of_categories(pipeline: Pipeline, command: Command) -> Effect:
    said = {
        CommandKind.RENAME_CATEGORY: f"it is called {command.text!r}",
        CommandKind.MERGE_CATEGORIES: f"it is part of {command.other}",
        CommandKind.PIN_GROUP: f"its errors are of {command.other}",
        CommandKind.UNDO_CATEGORY: "what was said of it is taken back",
    }
    return Effect(f"{said[command.kind]}, now and after every further run")


_DO: dict[CommandKind, Callable[[Pipeline, Command], Effect]] = {
    CommandKind.MERGE: _merge,
    CommandKind.RENAME: _rename,
    CommandKind.PATTERN: _pattern,
    CommandKind.UNPATTERN: _unpattern,
    CommandKind.ACK: _ack,
    CommandKind.RESOLVE: _resolve,
    CommandKind.COMMENT: _comment,
    CommandKind.FEEDBACK: _feedback,
    CommandKind.UNFEEDBACK: _unfeedback,
    CommandKind.SILENCE: _silence,
    CommandKind.UNSILENCE: _unsilence,
    CommandKind.MARKER: _marker,
    **dict.fromkeys(OF_CATEGORIES, _of_categories),
}
