"""Silences: which alerts a person does not want to hear of for a while, and when one is worse than it was then.

A muted alert still fires, is stored and shown. State is the silences in force and how bad each alert was when it was
first muted. It must not know the book of alerts, receivers or the wall clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fm_anomaly.core.alert_values import Alert, AlertSeverity
from fm_anomaly.errors import UsageError

MATCHERS = ("service", "kind", "template", "severity")
"""What a silence can look at. `severity` is the highest that it covers: what is worse is told."""
WORSE = 2.0
"""An alert is worse when it has become so many times as strong, or more severe."""
_MAX_SILENCES = 500
_MAX_LEVELS = 1_000


@dataclass(slots=True)
class Silence:
    """One silence in force."""

    silence_id: str
    matchers: tuple[tuple[str, str], ...]
    owner: str
    reason: str
    start_us: int
    until_us: int
    until_worse: bool
    levels: dict[str, tuple[int, float]] = field(default_factory=dict)
    """Fingerprint → severity and strength when it was first muted; for `until_worse` only."""

    def covers(self, alert: Alert) -> bool:
        """Return whether all matchers hold."""
        return all(_holds(alert, name, value) for name, value in self.matchers)

    def is_worse(self, alert: Alert) -> bool:
        """Return whether an alert is worse than it was when this silence first muted it."""
        level = self.levels.get(alert.fingerprint)
        return level is not None and (alert.severity.rank > level[0] or alert.strength > WORSE * level[1])


class Silences:
    """The silences of a tenant, by start."""

    def __init__(self) -> None:
        self._silences: dict[str, Silence] = {}

    def add(self, silence: Silence) -> None:
        """Take a silence, in place of one of its id. Raises UsageError where it says nothing, or there are 500."""
        if not silence.matchers or any(name not in MATCHERS for name, _ in silence.matchers):
            raise UsageError(f"a silence needs at least one matcher of {', '.join(MATCHERS)}")
        severities = [value for name, value in silence.matchers if name == "severity"]
        if any(value not in list(AlertSeverity) for value in severities):
            raise UsageError(f"severity {severities[0]!r} is none of {', '.join(AlertSeverity)}")
        if silence.until_us <= silence.start_us:
            raise UsageError("a silence must end after it begins")
        if len(self._silences) >= _MAX_SILENCES and silence.silence_id not in self._silences:
            raise UsageError(f"there are {_MAX_SILENCES} silences already; end one first")
        self._silences[silence.silence_id] = silence

    def end(self, silence_id: str) -> bool:
        """End a silence; return whether it was in force."""
        return self._silences.pop(silence_id, None) is not None

    def expire(self, now_us: int) -> bool:
        """Drop what is over at `now_us`; return whether something was."""
        over = [key for key, silence in self._silences.items() if silence.until_us <= now_us]
        for key in over:
            del self._silences[key]
        return bool(over)

    def next_us(self) -> int | None:
        """Return when the next silence is over, None where there is none."""
        return min((silence.until_us for silence in self._silences.values()), default=None)

    def mute(self, alert: Alert) -> str:
        """Return the id of a silence that mutes an alert, "" where none does; note how bad the alert is now."""
        muting = ""
        for silence in self._silences.values():
            if not silence.covers(alert) or (silence.until_worse and silence.is_worse(alert)):
                continue
            if silence.until_worse and len(silence.levels) < _MAX_LEVELS:
                silence.levels.setdefault(alert.fingerprint, (alert.severity.rank, alert.strength))
            muting = muting or silence.silence_id
        return muting

    def get(self, silence_id: str) -> Silence | None:
        """Return a silence in force."""
        return self._silences.get(silence_id)

    def __len__(self) -> int:
        return len(self._silences)

    def snapshot(self) -> list[Any]:
        """Return the state."""
        return [
            [
                s.silence_id, [list(pair) for pair in s.matchers], s.owner, s.reason, s.start_us, s.until_us,
                s.until_worse, [[key, *level] for key, level in s.levels.items()],
            ]
            for s in self._silences.values()
        ]  # fmt: skip

    @classmethod
    def restore(cls, state: list[Any]) -> Silences:
        """Return the silences whose `snapshot` this is."""
        self = cls()
        for silence_id, matchers, owner, reason, start_us, until_us, until_worse, levels in state:
            pairs = tuple((name, value) for name, value in matchers)
            kept = {key: (rank, strength) for key, rank, strength in levels}
            self._silences[silence_id] = Silence(
                silence_id, pairs, owner, reason, start_us, until_us, until_worse, kept
            )
        return self


def _holds(alert: Alert, name: str, value: str) -> bool:
    if name == "template":
        return value in alert.template_ids
    if name == "severity":
        return alert.severity.rank <= AlertSeverity(value).rank
    return value == (alert.stream.service if name == "service" else alert.kind.value)
