"""Laws of the taxonomy: rules first and readable, then a calibrated guess, or unknown."""

from __future__ import annotations

from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fm_anomaly.core.taxonomy import ErrorKind, Taxonomy, by_rules
from fm_anomaly.errors import ModelError
from fm_anomaly.evaluation.own_models import texts
from fm_anomaly.storage.default_models import load_default

CASES = [
    ("could not connect to cache: Connection refused", "", ErrorKind.CONNECTION),
    ("connection timed out", "", ErrorKind.TIMEOUT),
    ("Read timed out", "SocketTimeoutException", ErrorKind.TIMEOUT),
    ("Signature has expired", "ExpiredSignatureError", ErrorKind.AUTHENTICATION),
    ("open /etc/x: permission denied", "", ErrorKind.PERMISSION),
    ("no such file or directory", "FileNotFoundError", ErrorKind.NOT_FOUND),
    ("amount must be positive", "", ErrorKind.VALIDATION),
    ("Java heap space", "OutOfMemoryError", ErrorKind.RESOURCE),
    ("answered 429", "HTTPStatusError", ErrorKind.RATE_LIMIT),
    ("duplicate key value violates unique constraint", "", ErrorKind.DATA),
    ("environment variable REGION is not set", "", ErrorKind.CONFIGURATION),
    ("No module named 'kettle'", "ModuleNotFoundError", ErrorKind.DEPENDENCY),
    ("'lid'", "KeyError", ErrorKind.BUG),
]


@pytest.fixture(scope="module")
def taxonomy() -> Taxonomy:
    return Taxonomy.from_state(load_default("error-taxonomy")[0])


@pytest.mark.parametrize(("message", "exc_type", "kind"), CASES)
def test_what_programs_say_has_its_class(taxonomy: Taxonomy, message: str, exc_type: str, kind: ErrorKind) -> None:
    """Usual wordings are decided by a rule, which is named."""
    found = taxonomy.classify(message, exc_type)
    assert (found.kind, found.probability) == (kind, 1.0)
    assert found.by != "classifier"


def test_what_nothing_is_known_of_is_unknown(taxonomy: Taxonomy) -> None:
    """Words that neither rules nor training know give `unknown`, with a low probability."""
    found = taxonomy.classify("banana kettle giraffe")
    assert found.kind == ErrorKind.UNKNOWN
    assert found.probability < 0.5


@given(st.text(max_size=100))
def test_probabilities_are_probabilities(taxonomy: Taxonomy, text: str) -> None:
    """Every text has one row that sums to one; a class below one half is unknown."""
    (row,) = taxonomy.probabilities([text])
    assert row.min() >= 0.0
    assert row.sum() == pytest.approx(1.0, abs=1e-6)
    found = taxonomy.classify(text)
    assert by_rules(text) is not None or found.probability >= 0.5 or found.kind == ErrorKind.UNKNOWN


def test_the_classifier_is_worth_having(taxonomy: Taxonomy) -> None:
    """Of messages that it was neither taught nor calibrated on: .6 right at least, and as sure as it is right."""
    held_out = texts("taxonomy_held_out.txt")
    taught = {
        text
        for name, between in (("taxonomy_phrases.txt", ";"), ("taxonomy_texts.txt", "\n"))
        for text, _ in texts(name, between)
    }
    assert not taught & {text for text, _ in held_out}
    shares = taxonomy.probabilities([text for text, _ in held_out])
    best = zip(shares.argmax(axis=1).tolist(), held_out, strict=True)
    right = fmean(taxonomy.kinds[at] == kind for at, (_, kind) in best)
    assert right >= 0.6
    assert shares.max(axis=1).mean() == pytest.approx(right, abs=0.1)


def test_another_version_is_refused() -> None:
    """A state of another version is a sentence."""
    with pytest.raises(ModelError, match="install"):
        Taxonomy.from_state({"version": 99})
