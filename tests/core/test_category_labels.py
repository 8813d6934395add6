"""Laws of labels: beside the alert and not in it, what the fit said of an error, none for what is no error."""

from __future__ import annotations

import json

import pytest

from fm_anomaly.core.categories import distinct_errors, fit
from fm_anomaly.core.category_labels import CategoryLabel, Labeller, first_label, label_of, with_labels
from fm_anomaly.core.category_model import CategoryModel
from fm_anomaly.core.error_records import errors_of_records

RECORDS = [
    "2026-03-02 10:00:01 [api] ERROR could not connect to redis at 10.0.0.{n}: Connection refused",
    "2026-03-02 10:00:02 [api] ERROR no space left on device while writing block {n}",
    '{{"event":"Operation failed: pay","level":"error","timestamp":"2026-03-02T10:00:03Z","error_type":"CardError",'
    '"error_message":"card {n} was declined by the issuer"}}',
]


@pytest.fixture(scope="module")
def model() -> CategoryModel:
    texts = [each.format(n=n) for each in RECORDS for n in range(4)]
    return fit([error for error in errors_of_records(texts, "api") if error is not None])


def test_an_alert_has_the_category_that_the_fit_gave_its_error(model: CategoryModel) -> None:
    """Whatever its format and values; the label names the version that said so, and survives being written down."""
    labeller = Labeller(model, "0007")
    found = [labeller.label("new_error", [each.format(n=77)], "") for each in RECORDS]
    assert all(label is not None and label.category_id and label.model == "0007" for label in found)
    assert len({label.category_id for label in found if label is not None}) == 3
    assert [label_of(json.loads(json.dumps(label.plain()))) for label in found if label is not None] == found


def test_what_is_no_error_or_like_none_has_no_category(model: CategoryModel) -> None:
    """A record of severity INFO has no label; an error that the model does not know has a group and waits."""
    labeller = Labeller(model, "0001")
    assert labeller.label("volume_spike", ["2026-03-02 10:00:01 [api] INFO all is well"], "requests") is None
    strange = labeller.label("new_error", ["2026-03-02 10:00:01 [api] ERROR kettle boiled over twice"], "")
    assert strange is not None
    assert strange.group_id
    assert strange.plain()["category"] is None
    assert labeller.label("error_spike", [], "could not connect to redis: Connection refused") is not None
    assert labeller.label("latency", [], "could not connect to redis: Connection refused") is None


def test_the_label_of_a_matter_is_the_first_that_says_something() -> None:
    """A category before a group alone; none where no alert has one."""
    bare, whole = CategoryLabel("g1", "a"), CategoryLabel("g2", "b", "c2", "kind", "0001")
    assert first_label([None, bare, whole]) == whole
    assert first_label([None, bare]) == bare
    assert first_label([None]) is None


def test_a_report_is_labelled_beside_what_it_says(model: CategoryModel) -> None:
    """Without its two new keys a labelled report is the report, byte for byte."""
    line = {"source": "app.log", "line": 1, "timestamp": None, "service": "api", "text": RECORDS[0].format(n=5)}
    alert = {"alert_id": "a1", "kind": "new_error", "title": "redis", "evidence": [line]}
    report = {"schema": "fm-anomaly/scan/1", "incidents": [{"incident_id": "i-a1", "alerts": [alert]}]}
    labelled = with_labels(report, Labeller(model, "0001"))
    (incident,) = labelled["incidents"]
    assert incident["category"] == incident["alerts"][0]["category"] != None  # noqa: E711
    for each in (incident, incident["alerts"][0]):
        del each["group"], each["category"]
    assert json.dumps(labelled) == json.dumps(report)


def test_records_read_together_say_what_each_says_alone() -> None:
    """Also with tracebacks between them, and with records that are no errors."""
    traceback = (
        "2026-03-02 10:00:04 [api] ERROR job 7 failed\nTraceback (most recent call last):\n"
        '  File "/app/shop/pay.py", line 8, in pay\n    card.charge()\nshop.errors.CardError: declined'
    )
    texts = [RECORDS[0].format(n=1), traceback, "2026-03-02 10:00:05 [api] INFO ok", RECORDS[1].format(n=2)]
    together = errors_of_records(texts, "api")
    assert [each is None for each in together] == [False, False, True, False]
    assert [each and each.said for each in together] == [
        each and each.said for text in texts for each in errors_of_records([text], "api")
    ]
    assert together[1] is not None
    assert together[1].said.exc_type == "CardError"
    assert distinct_errors([traceback])[0].said.exc_type == "CardError"
