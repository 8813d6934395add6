"""`watch`: follow files, standard input or a command, and show alerts as they fire and resolve."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from fm_anomaly.cli.options import EXIT_OK, add_reading, command
from fm_anomaly.errors import UsageError

if TYPE_CHECKING:
    from rich.text import Text

    from fm_anomaly.cli.options import Commands
    from fm_anomaly.core.alerts import AlertEvent
    from fm_anomaly.core.pipeline import Pipeline, PipelineParams
    from fm_anomaly.ingest.clock import Clock
    from fm_anomaly.ingest.follow import Arrival, LiveSource

TICK_US = 1_000_000
"""How long nothing must come before time is let pass, and how often from then on, µs of wall clock."""

SEVERITY_STYLE = {"critical": "bold white on red", "high": "bold red", "medium": "bold yellow", "low": "bold cyan"}
_EXAMPLES = """\
  fm-anomaly watch -- docker logs -f api
  fm-anomaly watch /var/log/app.log               through rotation; the file may appear later
  journalctl -f | fm-anomaly watch -
  fm-anomaly watch app.log --from-start           learn from what is there already, then follow
"""


def add(commands: Commands) -> None:
    """Add `watch`."""
    parser = command(
        commands, "watch", run, "follow files or a command, and say what goes wrong while it happens", _EXAMPLES
    )
    parser.add_argument(
        "files", metavar="FILE", nargs="*", help="files to follow, - for standard input; or: -- COMMAND …"
    )
    parser.add_argument("--from-start", action="store_true", help="read what the files hold first")
    add_reading(parser)


def run(args: argparse.Namespace) -> int:
    """Follow until interrupted or terminated, or until the command ends; its exit code is passed on."""
    from dataclasses import replace

    from fm_anomaly.cli.inputs import settings_of
    from fm_anomaly.ingest.clock import SystemClock

    params = settings_of(args).pipeline
    clock = SystemClock()
    params = replace(params, parsing=replace(params.parsing, reference_us=clock.now_us()))
    with _terminated() as terminated:
        return _follow(args, params, clock, terminated)


def _follow(args: argparse.Namespace, params: PipelineParams, clock: Clock, terminated: Event) -> int:
    from contextlib import closing

    from fm_anomaly.core.pipeline import Pipeline
    from fm_anomaly.ingest.command import CommandReader
    from fm_anomaly.ingest.follow import arrivals

    sources = _sources(args)
    watching = Watching(Pipeline(params), {s.name: args.service or s.service for s in sources})
    show = _printer(params.parsing.tz)
    with closing(arrivals(sources, clock)) as stream:
        try:
            for arrival in stream:
                show(watching.take(arrival))
                if terminated.is_set():
                    break
        except KeyboardInterrupt:
            pass
    show(watching.pipeline.flush())
    _say_goodbye(watching.pipeline)
    first = sources[0]
    return first.exit_code() if isinstance(first, CommandReader) else EXIT_OK


@contextmanager
def _terminated() -> Iterator[Event]:
    """Tell by an event that SIGTERM has come, so that it ends like Ctrl-C; a second one ends at once.

    Nothing is raised: what is being taken is taken whole, and quiet sources give a tick within a second.
    """
    event = Event()

    def note(number: int, _frame: object) -> None:
        event.set()
        signal.signal(number, signal.SIG_DFL)

    before = signal.signal(signal.SIGTERM, note)
    try:
        yield event
    finally:
        signal.signal(signal.SIGTERM, before)


class Watching:
    """A pipeline fed by live sources: bytes as they come, and the passing of time while nothing comes.

    Time passes from the log's own clock on, as fast as the wall clock: a log that is replayed, or written on a
    machine whose clock is off, is not taken for silent.
    """

    def __init__(self, pipeline: Pipeline, service_by_source: dict[str, str]) -> None:
        self.pipeline = pipeline
        self._services = service_by_source
        self._data_at_us: int | None = None
        self._ticked_at_us = 0
        self._clock_us: int | None = None

    def take(self, arrival: Arrival) -> list[AlertEvent]:
        """Take an arrival, or an idle tick; return what fired or resolved."""
        from fm_anomaly.core.sources import SourceName

        if arrival.data:
            name = SourceName(arrival.source, self._services[arrival.source])
            events = self.pipeline.observe(name, arrival.data, arrival.now_us)
            self._data_at_us = self._ticked_at_us = arrival.now_us
            self._clock_us = self.pipeline.windows.clock_us
            return events
        if self._data_at_us is None or arrival.now_us - self._ticked_at_us < TICK_US:
            return []
        # the first tick after data also ends the open record: its clock may be known only then
        self._ticked_at_us = arrival.now_us
        idle_us = arrival.now_us - self._data_at_us
        if self._clock_us is None:
            events = self.pipeline.advance(arrival.now_us)
            self._clock_us = self.pipeline.windows.clock_us
            return events
        return self.pipeline.advance(self._clock_us + idle_us)


def event_lines(event: AlertEvent, tz: str) -> Iterator[Text]:
    """Yield a card for an alert that fires, a line for one that changes or is over."""
    from datetime import datetime

    from rich.text import Text

    from fm_anomaly.cli.wording import clipped, span, zone_named
    from fm_anomaly.core.display import terminal

    alert = event.alert
    at = datetime.fromtimestamp(event.tick_us / 1e6, zone_named(tz))
    name = terminal(alert.stream.service)
    kind = alert.kind.replace("_", " ").upper()
    title = terminal(clipped(alert.title, 90))
    is_over = alert.state == "resolved"
    lasted = span((alert.end_us - alert.start_us) / 1e6)
    word, style = (
        (f"OVER after {lasted}", "green") if is_over else (alert.severity.upper(), SEVERITY_STYLE[alert.severity])
    )
    yield Text.assemble(
        (f"{at:%H:%M:%S}  ", "dim"), (word, style), (f"  {name}", "bold cyan"), (f"  {kind}", "bold"), f"  {title}"
    )
    if is_over:
        return
    yield Text.assemble(("   why   ", "dim"), terminal(alert.reason))
    for i, line in enumerate(alert.evidence[:3]):
        label = "line" if i == 0 else ""
        yield Text.assemble((f"   {label:<6}", "dim"), terminal(clipped(line.text, 160)))


def _printer(tz: str) -> Callable[[list[AlertEvent]], None]:
    from fm_anomaly.cli.console import print_lines

    def show(events: list[AlertEvent]) -> None:
        told = [event for event in events if event.notify]
        if told:
            print_lines(line for event in told for line in event_lines(event, tz))
            sys.stdout.flush()

    return show


def _sources(args: argparse.Namespace) -> list[LiveSource]:
    from fm_anomaly.cli.console import print_notice
    from fm_anomaly.ingest.command import CommandReader, PipeReader
    from fm_anomaly.ingest.follow import FileFollower

    if args.child is not None:
        if args.files:
            raise UsageError("watch follows files or a command, not both at once; start it twice")
        return [CommandReader(args.child)]
    if not args.files:
        raise UsageError("watch what? name a file, or a command: fm-anomaly watch -- docker logs -f api")
    sources: list[LiveSource] = []
    for path in args.files:
        if path == "-":
            sources.append(PipeReader(sys.stdin.fileno(), "stdin"))
            continue
        if Path(path).is_dir():
            raise UsageError(f"{path!r} is a folder; name the files in it that are to be followed")
        is_there = Path(path).exists()
        if not is_there:
            print_notice(f"{path} is not there yet; waiting for it")
        sources.append(FileFollower(path, from_start=args.from_start or not is_there))
    return sources


def _say_goodbye(pipeline: Pipeline) -> None:
    from fm_anomaly.cli.console import print_notice
    from fm_anomaly.cli.wording import plural

    n = pipeline.n_counted + pipeline.n_late
    print_notice(f"watched {plural(n, 'record')}, {plural(len(pipeline.templates.templates), 'event type')}")
