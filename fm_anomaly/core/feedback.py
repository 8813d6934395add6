"""Feedback: what people said of alerts, and which further ones are therefore not told.

Rules over what was said, so that taking a word back undoes it whole. *Noise* raises the bar of its fingerprint;
*expected* mutes the like at that time of day; *real* protects: nothing as strong as what was real is muted. It must
not know the book of alerts, receivers or the wall clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fm_anomaly.core.alert_values import Alert
from fm_anomaly.core.frames import US_PER_S
from fm_anomaly.errors import UsageError

NOISE_MARGIN = 1.25
"""The bar of a fingerprint stands so many times above the strongest that was noise."""
EXPECTED_MARGIN = 2.0
"""What was expected may come so many times as strong."""
_DAY_US = 86_400 * US_PER_S
_NEAR_US = 3_600 * US_PER_S
"""To either side of the time that was expected; an hour, so that daylight saving changes nothing."""
_MAX_FEEDBACK = 2_000


class Verdict(StrEnum):
    """What a person says of an alert."""

    EXPECTED = "expected"
    NOISE = "noise"
    REAL = "real"


@dataclass(frozen=True, slots=True)
class Judged:
    """What rules look at in an alert."""

    fingerprint: str
    service: str
    kind: str
    strength: float
    start_us: int
    end_us: int

    @classmethod
    def of(cls, alert: Alert) -> Judged:
        """Return what rules look at in `alert`."""
        return cls(
            alert.fingerprint, alert.stream.service, alert.kind.value, alert.strength, alert.start_us, alert.end_us
        )


@dataclass(frozen=True, slots=True)
class Feedback:
    """One word about one alert."""

    feedback_id: str
    alert_id: str
    verdict: Verdict
    about: Judged


class FeedbackRules:
    """What was said, and the rules that follow."""

    def __init__(self, said: Sequence[Feedback] = ()) -> None:
        self._said = {each.feedback_id: each for each in said}
        self._by_fingerprint: dict[str, list[Feedback]] = {}
        for each in said:
            self._by_fingerprint.setdefault(each.about.fingerprint, []).append(each)

    def with_word(self, word: Feedback) -> FeedbackRules:
        """Return the rules with a further word; an earlier one about the same alert gives way.

        Raises UsageError where there are 2,000 already.
        """
        kept = [each for each in self._said.values() if each.alert_id != word.alert_id]
        if len(kept) >= _MAX_FEEDBACK:
            raise UsageError(f"there are {_MAX_FEEDBACK:,} words of feedback already; take some back first")
        return FeedbackRules([*kept, word])

    def without(self, feedback_id: str) -> FeedbackRules:
        """Return the rules without a word. Raises UsageError where it was not said."""
        if feedback_id not in self._said:
            raise UsageError(f"no feedback {feedback_id!r} is in force")
        return FeedbackRules([each for each in self._said.values() if each.feedback_id != feedback_id])

    def get(self, feedback_id: str) -> Feedback | None:
        """Return a word that is in force."""
        return self._said.get(feedback_id)

    def mute(self, about: Judged) -> str:
        """Return the id of the word that mutes such an alert, "" where none does."""
        words = self._by_fingerprint.get(about.fingerprint)
        if not words:
            return ""
        real = min((w.about.strength for w in words if w.verdict is Verdict.REAL), default=None)
        if real is not None and about.strength >= real:
            return ""
        for word in words:
            if word.verdict is Verdict.NOISE and about.strength <= NOISE_MARGIN * word.about.strength:
                return word.feedback_id
            if word.verdict is Verdict.EXPECTED and _is_expected(about, word.about):
                return word.feedback_id
        return ""

    def is_real(self, fingerprint: str) -> bool:
        """Return whether an alert of that fingerprint was real: the budget never cuts it."""
        return any(word.verdict is Verdict.REAL for word in self._by_fingerprint.get(fingerprint, ()))

    def real_of(self, service: str, kind: str) -> list[Judged]:
        """Return the alerts of a service and kind that were real."""
        said = (word.about for word in self._said.values() if word.verdict is Verdict.REAL)
        return [about for about in said if (about.service, about.kind) == (service, kind)]

    def snapshot(self) -> list[Any]:
        """Return the state."""
        return [
            [
                f.feedback_id, f.alert_id, f.verdict.value, f.about.fingerprint, f.about.service, f.about.kind,
                f.about.strength, f.about.start_us, f.about.end_us,
            ]
            for f in self._said.values()
        ]  # fmt: skip

    @classmethod
    def restore(cls, state: list[Any]) -> FeedbackRules:
        """Return the rules whose `snapshot` this is."""
        return cls([Feedback(one, alert, Verdict(verdict), Judged(*about)) for one, alert, verdict, *about in state])


def _is_expected(about: Judged, word: Judged) -> bool:
    if about.strength > EXPECTED_MARGIN * word.strength:
        return False
    lasted_us = min(word.end_us - word.start_us, _DAY_US)
    after_us = (about.start_us - (word.start_us - _NEAR_US)) % _DAY_US
    return after_us <= lasted_us + 2 * _NEAR_US


def effect_on(
    before: FeedbackRules, after: FeedbackRules, alerts: Sequence[Judged], about: Judged
) -> tuple[dict[str, int], str]:
    """Return what changed rules do to alerts like `about` (newest last), in numbers and in words.

    Of the last 20 of its service and kind, those that would be gone now and would not before, and the other way
    round; and how many of those that people called real.
    """
    like = [each for each in alerts if (each.service, each.kind) == (about.service, about.kind)][-20:]
    real = after.real_of(about.service, about.kind)
    numbers = {
        "of_last": len(like),
        "gone": sum(bool(after.mute(each)) for each in like),
        "gone_before": sum(bool(before.mute(each)) for each in like),
        "real": len(real),
        "real_gone": sum(bool(after.mute(each)) for each in real),
    }
    words = (
        f"{numbers['gone']} of the last {numbers['of_last']} alerts of this kind would be gone, "
        f"{numbers['real_gone']} of your {numbers['real']} real ones"
    )
    return numbers, words
