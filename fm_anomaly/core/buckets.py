"""Make the detectors' `ClosedBucket`s from what the windows counted, with templates as merged at that moment.

A merge counts from the record that brought it, not from the batch in which it came, so that cuts never show. This
module must not know how templates are mined or what is anomalous.
"""

from __future__ import annotations

from collections import defaultdict

from fm_anomaly.core.anomalies import Anomaly
from fm_anomaly.core.features import ClosedBucket, ExceptionCount, TemplateCount
from fm_anomaly.core.state import State
from fm_anomaly.core.streams import Streams
from fm_anomaly.core.template_values import MergeAt
from fm_anomaly.core.templates import TemplateStore
from fm_anomaly.core.windows import N_EVIDENCE, ExceptionTally, OpenBucket, Tally


class BucketMaker:
    """Reads the template store and the stream registry; keeps which template stands for which as of now."""

    def __init__(self, templates: TemplateStore, streams: Streams) -> None:
        self._templates = templates
        self._streams = streams
        self._into: dict[int, int] = {}

    def follow_merges(self, row: int | None) -> list[MergeAt]:
        """Let the merges that rows up to `row` of the last batch brought count from now on; None: all of them.

        Return those that are new, in order.
        """
        log = self._templates.merge_log
        n = len(log) if row is None else sum(merge.row <= row for merge in log)
        fresh, log[:n] = log[:n], []
        self._into.update((merge.index, merge.into) for merge in fresh)
        return fresh

    def canonical(self, template: int) -> int:
        """Return the template that stands for `template` as of now."""
        while template in self._into:
            template = self._into[template]
        return template

    def closed(self, content: OpenBucket, start_us: int, end_us: int) -> list[ClosedBucket]:
        """Return one bucket a stream that had records, sorted by stream."""
        templates = self._templates_by_stream(content)
        exceptions: dict[int, list[ExceptionCount]] = defaultdict(list)
        for (stream, identity), tally in content.exceptions.items():
            exceptions[stream].append(self._exception(identity, tally))
        durations: dict[int, list[tuple[str, tuple[float, ...]]]] = defaultdict(list)
        for (stream, operation), values in content.durations.items():
            durations[stream].append((operation, tuple(values)))
        closed = []
        for stream, counts in templates.items():
            n_requests, n_5xx = content.requests.get(stream, (0, 0))
            closed.append(
                ClosedBucket(
                    stream=self._streams.keys[stream],
                    start_us=start_us,
                    end_us=end_us,
                    n_records=sum(count.count for count in counts),
                    n_errors=sum(count.n_errors for count in counts),
                    templates=tuple(counts),
                    exceptions=tuple(sorted(exceptions[stream], key=lambda e: e.identity)),
                    durations=tuple(sorted(durations[stream])),
                    n_requests=n_requests,
                    n_5xx=n_5xx,
                )
            )
        return sorted(closed, key=lambda bucket: bucket.stream)

    def _templates_by_stream(self, content: OpenBucket) -> dict[int, list[TemplateCount]]:
        by_stream: dict[int, list[TemplateCount]] = defaultdict(list)
        for index, tally in sorted(self._merged(content).items()):
            template = self._templates.templates[index]
            by_stream[template.stream].append(
                TemplateCount(
                    template=index,
                    template_id=template.template_id,
                    text=template.birth_text,
                    count=tally.count,
                    n_errors=tally.n_errors,
                    n_warnings=tally.n_warnings,
                    first_us=tally.first_us,
                    is_degraded=template.is_coarse,
                )
            )
        return by_stream

    def _merged(self, content: OpenBucket) -> dict[int, Tally]:
        """Return the tallies by standing template; those of merged ones are added up."""
        if not self._into:
            return content.templates
        merged: dict[int, Tally] = {}
        for index, tally in sorted(content.templates.items()):
            standing = self.canonical(index)
            before = merged.get(standing)
            merged[standing] = tally if before is None else before.plus(tally)
        return merged

    def _exception(self, identity: str, tally: ExceptionTally) -> ExceptionCount:
        return ExceptionCount(
            identity=identity,
            type=tally.type,
            frame=tally.frame,
            message=tally.message,
            count=tally.count,
            first_us=tally.first_us,
            template=self.canonical(tally.template),
        )

    def rows_of(self, anomaly: Anomaly, content: OpenBucket) -> list[object]:
        """Return references to the first rows of what an anomaly is about: the first and two more."""
        stream = self._streams.keys.index(anomaly.stream)
        rows: list[object] = []
        exception = content.exceptions.get((stream, anomaly.subject))
        if exception is not None:
            rows += exception.rows[:1]
        wanted = set(anomaly.templates)
        order = {template: place for place, template in enumerate(anomaly.templates)}
        for index, tally in sorted(
            ((self.canonical(i), tally) for i, tally in content.templates.items()),
            key=lambda pair: order.get(pair[0], len(order)),
        ):
            if index in wanted:
                rows += [row for row in tally.rows if row not in rows]
        return rows[:N_EVIDENCE]

    def snapshot(self) -> State:
        """Return all state as plain values."""
        return {"into": [[index, into] for index, into in sorted(self._into.items())]}

    @classmethod
    def restore(cls, state: State, templates: TemplateStore, streams: Streams) -> BucketMaker:
        """Return the maker as it was, over restored parts."""
        maker = cls(templates, streams)
        maker._into = dict(map(tuple, state["into"]))
        return maker
