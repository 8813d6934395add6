"""Categories of errors: what the last run of the batch job found, what became of them, and what people say of them.

Read from the model in use, which people's edits are part of. Knows nothing of how categories come about.
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, Field

from fm_anomaly.api.asking import READS, WRITES, Id, TheTenant
from fm_anomaly.api.commanding import Asked, EffectBody, TheCommands
from fm_anomaly.core.category_edits import MAX_NAME
from fm_anomaly.core.category_values import CategoryChange, ErrorCategory
from fm_anomaly.core.commands import CommandKind
from fm_anomaly.errors import UsageError
from fm_anomaly.service.category_runs import CategoryRuns
from fm_anomaly.service.labelling import InUse, Labelling
from fm_anomaly.storage.timestamps import optional_iso

router = APIRouter(responses=READS, tags=["categories"])

MAX_EXAMPLE_CHARS = 2_000
Trend = Literal["rising", "steady", "falling"]
Change = Literal["born", "grown", "shrunk", "gone", "merged", "split"]
Reference = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")]


class ChangeBody(BaseModel):
    """What became of a category since the run before."""

    kind: Change
    category_id: str
    name: str
    count_before: int
    count_now: int
    other_id: str = Field(description="the category that it was merged into or split from, else empty")

    @classmethod
    def from_change(cls, change: CategoryChange) -> ChangeBody:
        """Return the body of a change."""
        return cls.model_validate({name: getattr(change, name) for name in cls.model_fields})


class CategoryBody(BaseModel):
    """A kind of error."""

    category_id: str
    name: str
    is_named: bool = Field(description="a person gave the name")
    kind: str = Field(description="its class in the taxonomy", examples=["connection", "timeout", "unknown"])
    exc_type: str
    words: list[str]
    count: int = Field(description="errors in the span that was looked at")
    n_recent: int = Field(description="those in its later half")
    trend: Trend
    n_groups: int = Field(description="distinct faults")
    n_errors: int = Field(description="distinct wordings")
    first: str | None
    last: str | None
    services: list[str]
    examples: list[str]
    neighbours: list[str] = Field(description="ids of the categories most like it")
    change: ChangeBody | None = Field(description="null: as in the run before, or there was none")

    @classmethod
    def from_category(cls, category: ErrorCategory, change: CategoryChange | None) -> CategoryBody:
        """Return the body of a category and of what became of it."""
        made = ("first", "last", "change", "examples")
        same = {name: getattr(category, name) for name in cls.model_fields if name not in made}
        told = {
            "first": optional_iso(category.first_us),
            "last": optional_iso(category.last_us),
            "examples": [text[:MAX_EXAMPLE_CHARS] for text in category.examples],
            "change": None if change is None else ChangeBody.from_change(change),
        }
        return cls.model_validate({**same, **told})


class RunBody(BaseModel):
    """How the batch job stands."""

    is_possible: bool = Field(description="false: the extra `categories` is not installed, or this server only reads")
    is_running: bool
    next: str | None = Field(description="when the next run is due")
    model: str = Field(description="version of the model in use, empty where there is none")
    first: str | None = Field(description="of the errors that it was fitted on")
    last: str | None
    errors: int
    categories: int
    uncategorized: int = Field(description="distinct errors that are like no other")
    ended: str | None = Field(description="when the last run since the start ended")
    trouble: str = Field(description="why it failed, empty where it did not")
    changes: list[ChangeBody] = Field(description="since the run before, most errors first")


class RenameCategory(Asked):
    """A name for a category."""

    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME, pattern=r"^[^\x00]*\S[^\x00]*$")]


class MergeCategory(Asked):
    """The category that takes another in."""

    into: Reference


class PinGroup(Asked):
    """The category that a group's errors are of."""

    category_id: Reference


@router.get("/categories")
def list_categories(request: Request, response: Response, tenant: TheTenant) -> list[CategoryBody]:
    """All categories of the last run, most errors first; none where no run has been made."""
    used = in_use(request, tenant)
    found = [] if used is None else bodies(used)
    response.headers["X-Total-Count"] = str(len(found))
    return found


@router.get("/categories/run")
def read_run(request: Request, tenant: TheTenant) -> RunBody:
    """How the batch job stands, and what its last run changed: born, grown, shrunk, gone, merged, split."""
    return run_of(request, tenant)


@router.post("/categories/run", responses=WRITES, status_code=202)
async def start_run(request: Request, commands: TheCommands) -> RunBody:
    """Have the errors of the last days categorized now, in a process of its own; `is_running` says until when."""
    runs = request.app.state.category_runs
    if runs is None:
        raise UsageError("this server only reads; run fm-anomaly categorize")
    if not runs.ask(commands.tenant):
        raise HTTPException(409, "errors are being categorized already")
    told = run_of(request, commands.tenant)
    return told.model_copy(update={"is_running": True})


@router.get("/categories/{category_id}")
def read_category(request: Request, category_id: Id, tenant: TheTenant) -> CategoryBody:
    """One category, by its id or a unique beginning of it. Its alerts: `/alerts?category_id=`."""
    return the_category(request, tenant, category_id)


@router.post("/categories/{category_id}/rename", responses=WRITES)
async def rename_category(
    request: Request, category_id: Id, asked: RenameCategory, commands: TheCommands
) -> EffectBody:
    """Give a category a name; it stays with it through every further run."""
    found = the_category(request, commands.tenant, category_id)
    return await commands.give(CommandKind.RENAME_CATEGORY, found.category_id, text=asked.name)


@router.post("/categories/{category_id}/merge", responses=WRITES)
async def merge_category(request: Request, category_id: Id, asked: MergeCategory, commands: TheCommands) -> EffectBody:
    """Say that a category is part of another, for good; `undo` takes it back."""
    found = the_category(request, commands.tenant, category_id)
    into = the_category(request, commands.tenant, asked.into)
    if found.category_id == into.category_id:
        raise HTTPException(409, "both are one category already")
    return await commands.give(CommandKind.MERGE_CATEGORIES, found.category_id, other=into.category_id)


@router.post("/categories/{category_id}/undo", responses=WRITES)
async def undo_category(category_id: Id, commands: TheCommands) -> EffectBody:
    """Take back the name, the merge or the pin that was given to a category or a group."""
    return await commands.give(CommandKind.UNDO_CATEGORY, category_id)


@router.post("/groups/{group_id}/pin", responses=WRITES)
async def pin_group(request: Request, group_id: Id, asked: PinGroup, commands: TheCommands) -> EffectBody:
    """Say that the errors of a group are of a category, whatever they look like."""
    into = the_category(request, commands.tenant, asked.category_id)
    return await commands.give(CommandKind.PIN_GROUP, group_id, other=into.category_id)


def in_use(request: Request, tenant: str) -> InUse | None:
    """Return the model in use, None where there is none."""
    categories: Labelling | None = request.app.state.categories
    return None if categories is None else categories.in_use(tenant)


def bodies(used: InUse) -> list[CategoryBody]:
    """Return the categories of a model, most errors first."""
    changes = {each.category_id: each for each in used.model.changes}
    found = sorted(used.model.categories, key=lambda each: (-each.count, each.category_id))
    return [CategoryBody.from_category(each, changes.get(each.category_id)) for each in found]


def the_category(request: Request, tenant: str, category_id: str) -> CategoryBody:
    """Return the category whose id begins so, or answer 404."""
    used = in_use(request, tenant)
    found = [] if used is None else [each for each in bodies(used) if each.category_id.startswith(category_id)]
    exact = [each for each in found if each.category_id == category_id]
    if len(exact or found) != 1:
        raise HTTPException(404, "there is no category of this id, or several begin with it")
    return (exact or found)[0]


def run_of(request: Request, tenant: str) -> RunBody:
    """Return how the batch job stands for a tenant."""
    runs: CategoryRuns | None = request.app.state.category_runs
    used = in_use(request, tenant)
    result = None if runs is None else runs.results.get(tenant)
    fitted = {} if used is None else used.manifest.fitted_on
    return RunBody(
        is_possible=runs is not None and runs.is_possible,
        is_running=runs is not None and runs.is_going_on(tenant),
        next=None if runs is None else optional_iso(runs.next_us),
        model="" if used is None else used.manifest.version,
        first=optional_iso(fitted.get("first_us")),
        last=optional_iso(fitted.get("last_us")),
        errors=int(fitted.get("errors") or 0),
        categories=0 if used is None else len(used.model.categories),
        uncategorized=0 if used is None else int(used.model.metrics.get("n_uncategorized") or 0),
        ended=None if result is None else optional_iso(result.ended_us),
        trouble="" if result is None else result.trouble,
        changes=[] if used is None else [ChangeBody.from_change(each) for each in used.model.changes],
    )
