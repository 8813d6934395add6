"""NAB's published scoring of detections, standard profile: one number for a corpus, 0 (never fires) to 100.

The rules of Lavin and Ahmad, "Evaluating Real-time Anomaly Detection Algorithms: the Numenta Anomaly Benchmark"
(2015), and of the scorer that came with it: an anomaly is a window; its earliest detection earns up to 1 by its place
in the window, a window without one costs 1, a detection outside costs up to 0.11, less just behind a window. It knows
decisions and windows, neither files nor detectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, floor

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Windows = Sequence[tuple[int, int]]
"""First and last position of each anomaly window, both inside it, in order and without overlap."""

PROBATION_SHARE = 0.15
PROBATION_MOST = 750


@dataclass(frozen=True, slots=True)
class Profile:
    """What a detection, a false one and a miss are worth."""

    true_positive: float = 1.0
    false_positive: float = 0.11
    false_negative: float = 1.0


STANDARD = Profile()


@dataclass(frozen=True, slots=True)
class FileScore:
    """Raw score of one file, and what it is made of."""

    raw: float
    n_windows: int
    n_found: int
    n_false: int

    @property
    def n_missed(self) -> int:
        """Windows without a detection."""
        return self.n_windows - self.n_found


def probation(n_points: int) -> int:
    """Return how many points at the beginning are not judged."""
    return min(floor(PROBATION_SHARE * n_points), PROBATION_MOST)


def scaled_sigmoid(position: float) -> float:
    """Return the worth of a detection at a place relative to a window: 0 its end, -1 its start, above 0 behind it."""
    return -1.0 if position > 3.0 else 2.0 / (1.0 + exp(5.0 * position)) - 1.0


_AT_START = scaled_sigmoid(-1.0)


def score_file(decisions: Bools, windows: Windows, profile: Profile = STANDARD) -> FileScore:
    """Return the raw score of one file.

    Parameters
    ----------
    decisions
        One a point, true where the detector fired.
    windows
        Those that reach beyond the probation count; a detection within the probation never does.
    """
    n = len(decisions)
    start = probation(n)
    counted = [w for w in windows if w[1] >= start]
    best: dict[tuple[int, int], float] = {}
    raw, n_false = 0.0, 0
    for at in np.flatnonzero(decisions[start:]).tolist():
        i = at + start
        window = next((w for w in windows if w[0] <= i <= w[1]), None)
        if window is not None:
            width = window[1] - window[0] + 1
            worth = scaled_sigmoid(-(window[1] - i + 1) / width) * profile.true_positive / _AT_START
            best[window] = max(best.get(window, -profile.false_negative), worth)
        else:
            n_false += 1
            raw += profile.false_positive * _behind(i, windows)
    raw += sum(best.get(w, -profile.false_negative) for w in counted)
    return FileScore(raw, len(counted), len(best), n_false)


def _behind(i: int, windows: Windows) -> float:
    """Return the worth, -1 to 0, of a detection outside all windows: by its distance to the last one before it."""
    last = max((w for w in windows if w[1] < i), default=None, key=lambda w: w[1])
    if last is None:
        return -1.0
    width = last[1] - last[0]
    return scaled_sigmoid((i - last[1]) / width) if width else -1.0


def normalised(raw: float, n_windows: int, profile: Profile = STANDARD) -> float:
    """Return a corpus' summed raw score on the scale where never firing is 0 and perfection is 100."""
    worst, best = -profile.false_negative * n_windows, profile.true_positive * n_windows
    return 100.0 * (raw - worst) / (best - worst) if n_windows else 0.0
