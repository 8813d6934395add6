"""API keys: made, rotated, revoked, and found by their secret; the secret itself is never kept.

A secret is 256 bits of chance, so what is kept is its plain SHA-256: a slow or salted hash protects secrets that can
be guessed, and this one cannot; it would only make every request slow. Whoever reads the store learns nothing to sign
in with, and a look-up by digest tells nothing by its time. Every change is a row of the audit in the same transaction.
Knows no HTTP.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, and_, select, update

from fm_anomaly.errors import UsageError
from fm_anomaly.storage import tables
from fm_anomaly.storage.audit import Deed, note
from fm_anomaly.storage.connection import Store
from fm_anomaly.storage.numbering import lock, save
from fm_anomaly.storage.tables import ANY

PREFIX = "fma_"
_SECRET_BYTES = 32
_MAX_NAME = 100
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Scope(StrEnum):
    """What a key opens."""

    INGEST = "ingest"
    """Logs in."""
    READ = "read"
    """Everything that is told, metrics and the page included."""
    OPERATE = "operate"
    """What people change: acknowledge, silence, name, note; and `read`."""
    ADMIN = "admin"
    """Keys and the audit; and all of the others."""


_MEANS: dict[Scope, frozenset[Scope]] = {
    Scope.INGEST: frozenset({Scope.INGEST}),
    Scope.READ: frozenset({Scope.READ}),
    Scope.OPERATE: frozenset({Scope.READ, Scope.OPERATE}),
    Scope.ADMIN: frozenset(Scope),
}


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key, without its secret. Times are wall-clock µs; `tenant` is ANY where it may choose."""

    tenant: str
    key_id: str
    name: str
    scopes: frozenset[Scope]
    created_us: int
    created_by: str
    expires_us: int | None
    revoked_us: int | None
    replaces: str

    def is_live(self, now_us: int) -> bool:
        """Return whether it opens anything."""
        return self.revoked_us is None and (self.expires_us is None or now_us < self.expires_us)

    @property
    def opens(self) -> frozenset[Scope]:
        """What it opens, with what its scopes include."""
        return frozenset().union(*(_MEANS[scope] for scope in self.scopes))


def is_tenant_name(text: str) -> bool:
    """Return whether a tenant may be called so.

    >>> is_tenant_name("shop-1"), is_tenant_name("*"), is_tenant_name("../shop"), is_tenant_name("")
    (True, False, False, False)
    """
    return _TENANT.fullmatch(text) is not None


def scopes_of(names: Iterable[str]) -> frozenset[Scope]:
    """Return the scopes of these names. Raises UsageError on another one, or none."""
    try:
        found = frozenset(Scope(name) for name in names)
    except ValueError as exc:
        raise UsageError(f"{exc}: a scope is one of {', '.join(Scope)}") from exc
    if not found:
        raise UsageError(f"a key needs a scope: {', '.join(Scope)}")
    return found


def create_key(
    store: Store,
    tenant: str,
    name: str,
    scopes: frozenset[Scope],
    *,
    by: str,
    now_us: int,
    expires_us: int | None = None,
) -> tuple[ApiKey, str]:
    """Make a key for a tenant, or for ANY; return it and its secret, which is told nowhere again.

    Raises UsageError on a name that cannot be used, StoreError.
    """
    if tenant != ANY and not is_tenant_name(tenant):
        raise UsageError(f"tenant {tenant!r} cannot be used: 1 to 64 letters, digits, dots, dashes and underscores")
    if not name.strip() or len(name) > _MAX_NAME or not name.isprintable():
        raise UsageError(f"the name of a key is 1 to {_MAX_NAME} printable characters: say who uses it")
    if expires_us is not None and expires_us <= now_us:
        raise UsageError("the key would have expired already: give a later end")
    with store.writing() as connection:
        heads = lock(connection, tenant)
        made, secret = _insert(connection, tenant, name.strip(), scopes, by, now_us, expires_us)
        note(connection, heads, [Deed(now_us, by, "key_created", made.key_id, details=_told(made))])
        save(connection, heads)
    return made, secret


def rotate_key(
    store: Store, tenant: str, key_id: str, *, by: str, now_us: int, overlap_us: int
) -> tuple[ApiKey, str, int]:
    """Make a key in the place of another, with its name, scopes and length of life; the old one ends after the overlap.

    Return the new key, its secret, and when the old one ends. Raises UsageError where it does not live, StoreError.
    """
    with store.writing() as connection:
        heads = lock(connection, tenant)
        old = _the_key(connection, tenant, key_id)
        if not old.is_live(now_us):
            raise UsageError(f"key {key_id} is {_state(old, now_us)}: make a new one")
        ends_us = min(now_us + overlap_us, old.expires_us if old.expires_us is not None else now_us + overlap_us)
        expires_us = None if old.expires_us is None else now_us + old.expires_us - old.created_us
        made, secret = _insert(connection, tenant, old.name, old.scopes, by, now_us, expires_us, key_id)
        _change(connection, tenant, key_id, {"expires_us": ends_us})
        details = {**_told(made), "replaces": key_id, "old_ends_us": ends_us}
        note(connection, heads, [Deed(now_us, by, "key_rotated", made.key_id, details=details)])
        save(connection, heads)
    return made, secret, ends_us


def revoke_key(store: Store, tenant: str, key_id: str, *, by: str, now_us: int) -> ApiKey:
    """End a key at once; return it. Raises UsageError where it is not there or was revoked, StoreError."""
    with store.writing() as connection:
        heads = lock(connection, tenant)
        old = _the_key(connection, tenant, key_id)
        if old.revoked_us is not None:
            raise UsageError(f"key {key_id} is revoked already")
        _change(connection, tenant, key_id, {"revoked_us": now_us, "revoked_by": by})
        note(connection, heads, [Deed(now_us, by, "key_revoked", key_id, details={"name": old.name})])
        save(connection, heads)
        return _the_key(connection, tenant, key_id)


def keys_of(store: Store, tenants: Iterable[str] | None = None) -> tuple[ApiKey, ...]:
    """Return the keys of these tenants, or all, in the order in which they were made."""
    table = tables.api_keys
    query = select(table).order_by(table.c.created_us, table.c.key_id)
    if tenants is not None:
        query = query.where(table.c.tenant.in_(list(tenants)))
    with store.reading() as connection:
        return tuple(_key(row) for row in connection.execute(query))


def find_key(store: Store, key_id: str, tenants: Iterable[str] | None = None) -> ApiKey | None:
    """Return the key of that id, None where these tenants, or all, have none."""
    table = tables.api_keys
    query = select(table).where(table.c.key_id == key_id)
    if tenants is not None:
        query = query.where(table.c.tenant.in_(list(tenants)))
    with store.reading() as connection:
        row = connection.execute(query).one_or_none()
    return None if row is None else _key(row)


def key_of_secret(store: Store, secret: str) -> ApiKey | None:
    """Return the key of a secret, live or not; None where there is none."""
    table = tables.api_keys
    with store.reading() as connection:
        row = connection.execute(select(table).where(table.c.digest == digest_of(secret))).one_or_none()
    return None if row is None else _key(row)


def has_keys(store: Store, tenant: str | None = None) -> bool:
    """Return whether a key was ever made, for that tenant or any."""
    table = tables.api_keys
    query = select(table.c.key_id).limit(1)
    if tenant is not None:
        query = query.where(table.c.tenant == tenant)
    with store.reading() as connection:
        return connection.execute(query).first() is not None


def digest_of(secret: str) -> str:
    """Return what is kept of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def is_secret(text: str) -> bool:
    """Return whether a text has the form of a secret of ours, so that others need no look into the store."""
    return text.startswith(PREFIX) and 60 <= len(text) <= 80


def _insert(
    connection: Connection,
    tenant: str,
    name: str,
    scopes: frozenset[Scope],
    by: str,
    now_us: int,
    expires_us: int | None,
    replaces: str = "",
) -> tuple[ApiKey, str]:
    key_id = PREFIX + _letters(5)
    secret = f"{key_id}_{_letters(_SECRET_BYTES)}"
    row: dict[str, Any] = {
        "tenant": tenant,
        "key_id": key_id,
        "name": name,
        "digest": digest_of(secret),
        "scopes": sorted(scopes),
        "created_us": now_us,
        "created_by": by,
        "expires_us": expires_us,
        "replaces": replaces,
    }
    connection.execute(tables.api_keys.insert().values(row))
    return ApiKey(tenant, key_id, name, scopes, now_us, by, expires_us, None, replaces), secret


def _letters(n_bytes: int) -> str:
    """Return chance in letters and digits that no shell, header, URL or configuration file stumbles over."""
    return base64.b32encode(secrets.token_bytes(n_bytes)).decode().rstrip("=").lower()


def _change(connection: Connection, tenant: str, key_id: str, values: dict[str, Any]) -> None:
    table = tables.api_keys
    connection.execute(update(table).where(_is(tenant, key_id)).values(values))


def _is(tenant: str, key_id: str) -> Any:
    return and_(tables.api_keys.c.tenant == tenant, tables.api_keys.c.key_id == key_id)


def _the_key(connection: Connection, tenant: str, key_id: str) -> ApiKey:
    row = connection.execute(select(tables.api_keys).where(_is(tenant, key_id))).one_or_none()
    if row is None:
        raise UsageError(f"there is no key {key_id} of tenant {tenant}: see fm-anomaly keys list")
    return _key(row)


def _key(row: Any) -> ApiKey:
    return ApiKey(
        tenant=row.tenant,
        key_id=row.key_id,
        name=row.name,
        scopes=frozenset(Scope(each) for each in row.scopes),
        created_us=row.created_us,
        created_by=row.created_by,
        expires_us=row.expires_us,
        revoked_us=row.revoked_us,
        replaces=row.replaces,
    )


def _told(key: ApiKey) -> dict[str, Any]:
    return {"name": key.name, "scopes": sorted(key.scopes), "expires_us": key.expires_us}


def _state(key: ApiKey, now_us: int) -> str:
    return "revoked" if key.revoked_us is not None else "live" if key.is_live(now_us) else "expired"


__all__ = [
    "ANY",
    "ApiKey",
    "Scope",
    "create_key",
    "digest_of",
    "find_key",
    "has_keys",
    "is_secret",
    "is_tenant_name",
    "key_of_secret",
    "keys_of",
    "revoke_key",
    "rotate_key",
    "scopes_of",
]
