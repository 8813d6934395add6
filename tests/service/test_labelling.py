"""Laws of categories beside the running service: alerts carry them at once, people's word shows at once, and lasts."""

from __future__ import annotations

import asyncio
from pathlib import Path

from fm_anomaly.categorizing import categorize
from fm_anomaly.core.commands import Command, CommandKind
from fm_anomaly.core.error_records import errors_of_records
from fm_anomaly.service.labelling import Labelling, models_of
from fm_anomaly.storage import alerts, incidents
from fm_anomaly.storage.category_edits import load_edits
from tests.service.logs import batch, minute
from tests.service.test_running import service_in, submit, wait_for

NAME = "error-categories"


def fit_into(root: Path) -> str:
    """Keep a model that knows the outage of the sample; return the id of its category."""
    lines = [*minute(50).decode().splitlines(), '{"level":"error","event":"kettle boiled over"}']
    errors = [error for error in errors_of_records(lines) if error is not None]
    made = categorize(errors, root)
    return next(each.category_id for each in made.model.categories if "refused" in each.name)


def test_alerts_and_incidents_carry_their_category_at_once(tmp_path: Path) -> None:
    """With the version of the model; alerts that are about no error, like a silence, carry none."""
    category_id = fit_into(tmp_path / "models")
    with service_in(tmp_path) as service:
        submit(service, *[batch(minute(number)) for number in range(58)])
        wait_for(lambda: bool(alerts(service.store, "default").items))
        found = [each for each in alerts(service.store, "default").items if each.kind == "new_error"]
        assert [(each.category_id, each.category_model) for each in found] == [(category_id, "0001")]
        assert found[0].group_id
        (incident,) = [
            each for each in incidents(service.store, "default").items if each.incident_id == found[0].incident_id
        ]
        assert (incident.category_id, incident.category_name) == (category_id, found[0].category_name)


def test_without_a_model_nothing_is_labelled_and_nothing_else_differs(tmp_path: Path) -> None:
    """The same alerts, byte for byte but for their labels, with a model, without, and with one that is damaged."""
    told = {}
    for kind in ("none", "good", "damaged"):
        folder = tmp_path / kind
        folder.mkdir()
        if kind != "none":
            fit_into(folder / "models")
        if kind == "damaged":
            (folder / "models" / NAME / "0001" / "model.joblib").write_bytes(b"not a model")
        with service_in(folder) as service:
            submit(service, *[batch(minute(number)) for number in range(58)])
            wait_for(lambda service=service: bool(alerts(service.store, "default").items))  # type: ignore[misc]
        told[kind] = [(each.alert_id, each.title, each.reason, each.evidence) for each in alerts_in(folder)]
        assert any(each[0] for each in labels_in(folder)) is (kind == "good")
    assert told["none"] == told["good"] == told["damaged"]


def alerts_in(folder: Path) -> list[object]:
    from fm_anomaly.storage import open_store

    with open_store(folder / "s.db") as store:
        return list(alerts(store, "default").items)


def labels_in(folder: Path) -> list[tuple[str, str]]:
    return [(each.group_id, each.category_id) for each in alerts_in(folder)]  # type: ignore[attr-defined]


def test_what_people_say_shows_at_once_and_is_kept(tmp_path: Path) -> None:
    """A name is in use when the command has been answered, and in the file that further runs read."""
    category_id = fit_into(tmp_path / "models")

    def say(kind: CommandKind, **more: str) -> None:
        command = Command(kind, "default", "ann", 1, "", category_id, command_id=kind.value, **more)  # type: ignore[arg-type]
        asyncio.run(service.command("default", command))

    with service_in(tmp_path) as service:
        say(CommandKind.RENAME_CATEGORY, text="prices are down")
        used = service.labelling.in_use("default")
        assert used is not None
        assert {each.name for each in used.model.categories if each.is_named} == {"prices are down"}
        assert load_edits(tmp_path / "models", NAME).names == {category_id: "prices are down"}
        say(CommandKind.UNDO_CATEGORY)
        assert load_edits(tmp_path / "models", NAME).names == {}


def test_each_tenant_has_models_of_its_own(tmp_path: Path) -> None:
    """What one tenant's errors say never names another's alerts; no name of a tenant leads out of the folder."""
    fit_into(models_of(tmp_path, "default", "other"))
    labelling = Labelling(tmp_path, "default")
    labelling.in_use("other")
    labelling.refresh()
    assert labelling.in_use("other") is not None
    assert labelling.in_use("default") is None
    for name in ("../../etc", "", "a/b", "default "):
        assert models_of(tmp_path, "default", name).parent == tmp_path / "tenants"
