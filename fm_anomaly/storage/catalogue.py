"""Reads what a tenant's logs are made of: templates with their lineage and samples, services, and the digest.

Templates are told one row a service, the counts of all sources added up. Knows nothing of HTTP.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, ColumnElement, Subquery, and_, case, cast, func, null, or_, select

from fm_anomaly.storage import tables
from fm_anomaly.storage.connection import Store
from fm_anomaly.storage.paging import ALWAYS, Page, Span, in_span, page, value_of

_T = tables.templates
_SEPARATOR = "/"
_NEVER = -(2**62)
_WIDEST = ("event_key", "template", "birth_text", "sample", "severity")


@dataclass(frozen=True, slots=True)
class TemplateFilter:
    """Which templates are wanted; None is no condition. `text` is looked for in template, name and id."""

    text: str | None = None
    service: str | None = None
    errors_only: bool = False
    new_since_us: int | None = None
    with_merged: bool = False


@dataclass(frozen=True, slots=True)
class CatalogueTemplate:
    """A template of one service; `name` is "" where nobody named it."""

    service: str
    template_id: str
    event_key: str
    template: str
    birth_text: str
    name: str
    count: int
    errors: int
    severity: int
    first_us: int | None
    last_us: int | None
    sample: str
    is_coarse: bool
    merged_into: str | None


@dataclass(frozen=True, slots=True)
class StoredSample:
    """One redacted line of a template."""

    service: str
    template_id: str
    at_us: int
    source: str
    line: int
    ts_us: int | None
    text: str


@dataclass(frozen=True, slots=True)
class StoredService:
    """A service: totals, and how far it has taught the detectors."""

    service: str
    records: int
    errors: int
    templates: int
    learned_s: int
    ready: dict[str, bool]
    health: str
    as_of_us: int


@dataclass(frozen=True, slots=True)
class StoredDigest:
    """A finding worth a line but no page."""

    digest_id: str
    kind: str
    service: str
    subject: str
    title: str
    reason: str
    start_us: int
    count: int
    template_ids: list[str]


def catalogue(
    store: Store,
    tenant: str,
    where: TemplateFilter = TemplateFilter(),
    *,
    by_count: bool = False,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[CatalogueTemplate]:
    """Return a page of templates, the newest first, or the most frequent. Raises UsageError on a bad argument."""
    table = _by_service(tenant)
    wanted: list[ColumnElement[bool]] = []
    if not where.with_merged:
        wanted.append(table.c.merged_into.is_(None))
    if where.service is not None:
        wanted.append(table.c.service == where.service)
    if where.errors_only:
        wanted.append(table.c.errors > 0)
    if where.new_since_us is not None:
        wanted.append(table.c.first_us >= where.new_since_us)
    if where.text:
        inside = [table.c[name].icontains(where.text, autoescape=True) for name in ("template", "name", "event_key")]
        beginning = table.c.template_id.startswith(where.text.removeprefix("t:").lower(), autoescape=True)
        wanted.append(or_(*inside, beginning))
    by = "count" if by_count else "newness"
    places = page(store, table, "place", _Place, wanted, limit, cursor, by=by, is_derived=True)
    return Page(_of_places(store, tenant, places.items), places.total, places.next_cursor)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a template stands in a list: what is sorted and counted, before its texts are read."""

    place: str
    template_id: str


def _of_places(store: Store, tenant: str, places: Sequence[_Place]) -> tuple[CatalogueTemplate, ...]:
    table = _by_service(tenant, sorted({each.template_id for each in places}))
    with store.reading() as connection:
        found = {row.place: value_of(CatalogueTemplate, row) for row in connection.execute(select(table))}
    return tuple(found[each.place] for each in places if each.place in found)


def template_places(store: Store, tenant: str, template_id: str) -> tuple[CatalogueTemplate, ...]:
    """Return the template of that id, or of a unique beginning of it, in each service that has it.

    What was merged leads to the one that stands for it. Empty where there is none, or the beginning fits several.
    """
    table = _by_service(tenant)
    prefix = template_id.removeprefix("t:").lower()
    with store.reading() as connection:
        found = connection.execute(
            select(table).where(table.c.template_id.startswith(prefix, autoescape=True)).limit(1_000)
        ).all()
        if len({row.template_id for row in found}) > 1:
            found = [row for row in found if row.template_id == prefix]
        places = {}
        for row in found:
            standing, seen = row, {row.template_id}
            while standing.merged_into is not None and standing.merged_into not in seen:
                seen.add(standing.merged_into)
                is_next = and_(table.c.service == row.service, table.c.template_id == standing.merged_into)
                standing = connection.execute(select(table).where(is_next)).one_or_none() or standing
            places[standing.service, standing.template_id] = value_of(CatalogueTemplate, standing)
    return tuple(places[key] for key in sorted(places))


def aliases(store: Store, tenant: str, service: str, template_id: str) -> tuple[str, ...]:
    """Return the ids that a template stands for, its own left out, oldest first as far as is known."""
    query = select(_T.c.aliases).where(_T.c.tenant == tenant, _T.c.service == service, _T.c.template_id == template_id)
    with store.reading() as connection:
        return tuple(dict.fromkeys(alias for row in connection.scalars(query) for alias in row))


def samples(store: Store, tenant: str, service: str, template_id: str, limit: int = 10) -> tuple[StoredSample, ...]:
    """Return redacted lines of a template, newest first."""
    table = tables.samples
    query = select(table).where(
        table.c.tenant == tenant, table.c.service == service, table.c.template_id == template_id
    )
    with store.reading() as connection:
        rows = connection.execute(query.order_by(table.c.at_us.desc()).limit(limit))
        return tuple(value_of(StoredSample, row) for row in rows)


def services(store: Store, tenant: str) -> tuple[StoredService, ...]:
    """Return every service of the tenant, most records first."""
    table = tables.services
    query = select(table).where(table.c.tenant == tenant).order_by(table.c.records.desc(), table.c.service)
    with store.reading() as connection:
        return tuple(value_of(StoredService, row) for row in connection.execute(query))


def digest(
    store: Store, tenant: str, span: Span = ALWAYS, *, limit: int = 50, cursor: str | None = None
) -> Page[StoredDigest]:
    """Return a page of the digest, latest start first. Raises UsageError on a bad argument."""
    table = tables.digest
    wanted = [table.c.tenant == tenant, *in_span(table, span)]
    return page(store, table, "digest_id", StoredDigest, wanted, limit, cursor)


def _by_service(tenant: str, ids: Sequence[str] | None = None) -> Subquery:
    """Return the templates of a tenant by service and id, the counts of all sources added up, with their names.

    Where `ids` are given, only those: at most as many as a page has.
    """
    is_wanted = _T.c.tenant == tenant if ids is None else and_(_T.c.tenant == tenant, _T.c.template_id.in_(ids))
    names = tables.template_names
    is_same = and_(
        names.c.tenant == _T.c.tenant, names.c.service == _T.c.service, names.c.template_id == _T.c.template_id
    )
    widest = [func.max(_T.c[each]).label(each) for each in _WIDEST]
    # where one source has it standing, it stands
    is_merged = func.count(_T.c.merged_into) == func.count()
    query = (
        select(
            _T.c.service,
            _T.c.template_id,
            (_T.c.service + _SEPARATOR + _T.c.template_id).label("place"),
            *widest,
            func.coalesce(func.max(names.c.name), "").label("name"),
            # PostgreSQL sums big integers as numeric
            cast(func.sum(_T.c.count), BigInteger).label("count"),
            cast(func.sum(_T.c.errors), BigInteger).label("errors"),
            func.min(_T.c.first_us).label("first_us"),
            func.coalesce(func.min(_T.c.first_us), _NEVER).label("newness"),
            func.max(_T.c.last_us).label("last_us"),
            (func.max(case((_T.c.is_coarse, 1), else_=0)) == 1).label("is_coarse"),
            case((is_merged, func.max(_T.c.merged_into)), else_=null()).label("merged_into"),
        )
        .select_from(_T.outerjoin(names, is_same))
        .where(is_wanted)
        .group_by(_T.c.service, _T.c.template_id)
    )
    return query.subquery()
