"""Fits the taxonomy's classifier on phrases and calibrates it on texts. Runs for `make models` alone.

Naive Bayes over the stems of words: what a stem says for a class is the logarithm of the share of the class's phrases
that have it. The temperature is the one with the least log loss on texts that the weights were not fitted on (Guo et
al., ICML 2017). Knows no files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fm_anomaly.core.taxonomy import ErrorKind, Taxonomy, features

_SMOOTHING = 0.1
_FOLDS = 5
_TEMPERATURES = tuple(round(0.1 + 0.05 * at, 2) for at in range(60))

Labelled = Sequence[tuple[str, ErrorKind]]


def fit(phrases: Labelled, calibration: Labelled) -> Taxonomy:
    """Return the classifier that `phrases` teach, its probabilities borne out by what it was not taught.

    That is `calibration` and, fold by fold, each fifth of the phrases by the other four. The same phrases in the same
    order give the same classifier.
    """
    held_out = [(_taught([each for n, each in enumerate(phrases) if n % _FOLDS != fold]), phrases[fold::_FOLDS])
                for fold in range(_FOLDS)]  # fmt: skip
    whole = _taught(phrases)
    told = [_logs(part, some) for part, some in [*held_out, (whole, calibration)]]
    logs = np.vstack([each for each, _ in told])
    labels = np.concatenate([each for _, each in told])
    temperature = min(_TEMPERATURES, key=lambda each: (round(_log_loss(logs / each, labels), 9), each))
    return replace(whole, temperature=temperature)


def _taught(phrases: Labelled) -> Taxonomy:
    names = tuple(sorted({kind for _, kind in phrases}))
    n_by = Counter(kind for _, kind in phrases)
    found = [(names.index(kind), features(text)) for text, kind in phrases]
    words = sorted({word for _, some in found for word in some})
    column = {word: at for at, word in enumerate(words)}
    counts = np.zeros((len(names), len(words)))
    for row, some in found:
        counts[row, [column[word] for word in some]] += 1.0
    shares = (counts + _SMOOTHING) / (np.asarray([[n_by[name]] for name in names]) + 2.0 * _SMOOTHING)
    logs = np.log(shares)
    return Taxonomy(names, column, np.round(logs - logs.mean(axis=0), 4), np.zeros(len(names)))


def _logs(part: Taxonomy, texts: Labelled) -> tuple[Any, Any]:
    """Return the logarithms of the probabilities at temperature 1, and the places of the right classes."""
    shares = part.probabilities([text for text, _ in texts])
    return np.log(np.maximum(shares, 1e-9)), np.asarray([part.kinds.index(kind) for _, kind in texts])


def _log_loss(logs: Any, labels: Any) -> float:
    odds = np.exp(logs - logs.max(axis=1, keepdims=True))
    shares = odds / odds.sum(axis=1, keepdims=True)
    return float(-np.log(np.maximum(shares[np.arange(len(labels)), labels], 1e-9)).mean())
