"""Fits the taxonomy's classifier on labelled texts and calibrates it. Runs for `make models` alone.

Logistic regression over the stems of words; the temperature is the one with the least log loss on texts that were held
out (Guo et al., ICML 2017). Knows no files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from fm_anomaly.core.taxonomy import ErrorKind, Taxonomy, features

_STRENGTH = 10.0
_FOLDS = 5
_TEMPERATURES = tuple(round(0.3 + 0.1 * at, 1) for at in range(28))


def fit(texts: Sequence[str], kinds: Sequence[ErrorKind], min_count: int = 1) -> Taxonomy:
    """Return the taxonomy fitted on `texts`; the same texts in the same order give the same one."""
    seen = Counter(feature for text in texts for feature in features(text))
    words = sorted(word for word, n in seen.items() if n >= min_count)
    names = tuple(sorted(set(kinds)))
    labels = np.asarray([names.index(kind) for kind in kinds])
    matrix = _matrix(texts, words)
    fold = np.arange(len(texts)) % _FOLDS
    held_out = np.zeros((len(texts), len(names)))
    for at in range(_FOLDS):
        part = _regression(matrix[fold != at], labels[fold != at])
        held_out[np.ix_(fold == at, part.classes_)] = part.decision_function(matrix[fold == at])
    temperature = min(_TEMPERATURES, key=lambda each: (round(_log_loss(held_out / each, labels), 9), each))
    whole = _regression(matrix, labels)
    return Taxonomy(
        kinds=names,
        column={word: at for at, word in enumerate(words)},
        weight=np.round(whole.coef_, 4),
        bias=np.round(whole.intercept_, 4),
        temperature=temperature,
    )


def _matrix(texts: Sequence[str], words: Sequence[str]) -> Any:
    column = {word: at for at, word in enumerate(words)}
    out = np.zeros((len(texts), len(words)))
    for row, text in enumerate(texts):
        at = [column[each] for each in features(text) if each in column]
        out[row, at] = 1.0 / np.sqrt(len(at)) if at else 0.0
    return out


def _regression(matrix: Any, labels: Any) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=_STRENGTH, tol=1e-6, max_iter=1_000).fit(matrix, labels)


def _log_loss(scores: Any, labels: Any) -> float:
    shifted = scores - scores.max(axis=1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-logs[np.arange(len(labels)), labels].mean())
