"""Keys: list, make, rotate, revoke; an administrator's of the tenant, or of all.

The secret is in the answer that makes a key, and nowhere again. Knows the store's keys and nothing of how they open.
"""

from __future__ import annotations

from asyncio import to_thread
from typing import Annotated

from fastapi import APIRouter, HTTPException, Response
from pydantic import BaseModel, Field

from fm_anomaly.api.access import Caller
from fm_anomaly.api.asking import READS, WRITES, Id, TheCaller, TheGate, TheStore
from fm_anomaly.api.clock import now_us
from fm_anomaly.api.commanding import Asked
from fm_anomaly.storage import Store
from fm_anomaly.storage.keys import (
    ANY,
    ApiKey,
    Scope,
    create_key,
    find_key,
    keys_of,
    revoke_key,
    rotate_key,
)
from fm_anomaly.storage.timestamps import optional_iso, to_iso

router = APIRouter(responses=READS, tags=["keys"])

_US = 1_000_000
_MAX_S = 10 * 366 * 86_400


class NewKey(Asked):
    """A key to be made."""

    name: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")] = Field(
        description="who uses it", examples=["vector on web-1"]
    )
    scopes: list[Scope] = Field(min_length=1, max_length=4)
    expires_in_s: int | None = Field(default=None, ge=1, le=_MAX_S, description="without: it does not expire")
    any_tenant: bool = Field(default=False, description="it chooses its tenant by the header X-Tenant-ID")


class Rotation(Asked):
    """How long the old key goes on."""

    overlap_s: int = Field(default=86_400, ge=0, le=90 * 86_400)


class KeyBody(BaseModel):
    """A key, without its secret."""

    key_id: str = Field(description="the beginning of its secret")
    name: str
    tenant: str | None = Field(description="null: it may choose")
    scopes: list[Scope]
    created: str
    created_by: str
    expires: str | None
    revoked: str | None
    replaces: str | None = Field(description="the key whose place it takes")

    @classmethod
    def from_stored(cls, key: ApiKey) -> KeyBody:
        """Return the body of a stored key."""
        return cls.model_validate(_fields(key))


class MadeKeyBody(KeyBody):
    """A key that was made, with its secret."""

    secret: str = Field(description="told here and nowhere again")


@router.get("/keys")
def list_keys(response: Response, store: TheStore, caller: TheCaller) -> list[KeyBody]:
    """The keys of the tenant, in the order in which they were made; for who may choose, those of any tenant too."""
    found = keys_of(store, _tenants(caller))
    response.headers["X-Total-Count"] = str(len(found))
    return [KeyBody.from_stored(each) for each in found]


@router.post("/keys", responses=WRITES, status_code=201)
async def add_key(asked: NewKey, response: Response, store: TheStore, caller: TheCaller, gate: TheGate) -> MadeKeyBody:
    """Make a key. Once there is one, every request to this service needs one."""
    if asked.any_tenant and not caller.is_any:
        raise HTTPException(403, "a key of one tenant makes keys of that tenant")
    now = now_us()
    made, secret = await to_thread(
        create_key,
        store,
        ANY if asked.any_tenant else caller.tenant,
        asked.name,
        frozenset(asked.scopes),
        by=caller.actor,
        now_us=now,
        expires_us=None if asked.expires_in_s is None else now + asked.expires_in_s * _US,
    )
    gate.checks.forget()
    response.headers["Location"] = f"/api/v1/keys/{made.key_id}"
    return MadeKeyBody.model_validate({**_fields(made), "secret": secret})


@router.get("/keys/{key_id}")
def read_key(key_id: Id, store: TheStore, caller: TheCaller) -> KeyBody:
    """One key."""
    return KeyBody.from_stored(_the_key(store, caller, key_id))


@router.post("/keys/{key_id}/rotate", responses=WRITES, status_code=201)
async def renew_key(
    key_id: Id, asked: Rotation, response: Response, store: TheStore, caller: TheCaller, gate: TheGate
) -> MadeKeyBody:
    """Make a key in its place, with the same name and scopes; the old one goes on for the overlap."""
    old = await to_thread(_the_key, store, caller, key_id)
    overlap_us = asked.overlap_s * _US
    made, secret, _ = await to_thread(
        rotate_key, store, old.tenant, key_id, by=caller.actor, now_us=now_us(), overlap_us=overlap_us
    )
    gate.checks.forget()
    response.headers["Location"] = f"/api/v1/keys/{made.key_id}"
    return MadeKeyBody.model_validate({**_fields(made), "secret": secret})


@router.delete("/keys/{key_id}", responses=WRITES)
async def end_key(key_id: Id, store: TheStore, caller: TheCaller, gate: TheGate) -> KeyBody:
    """Revoke a key: what it opened is closed at once, sessions and event streams included."""
    old = await to_thread(_the_key, store, caller, key_id)
    if old.revoked_us is not None:
        raise HTTPException(409, "this key is revoked already")
    gone = await to_thread(revoke_key, store, old.tenant, key_id, by=caller.actor, now_us=now_us())
    gate.checks.forget()
    return KeyBody.from_stored(gone)


def _tenants(caller: Caller) -> tuple[str, ...]:
    return (caller.tenant, ANY) if caller.is_any else (caller.tenant,)


def _the_key(store: Store, caller: Caller, key_id: str) -> ApiKey:
    found = find_key(store, key_id, _tenants(caller))
    if found is None:
        raise HTTPException(404, "there is no key of this id")
    return found


def _fields(key: ApiKey) -> dict[str, object]:
    return {
        "key_id": key.key_id,
        "name": key.name,
        "tenant": None if key.tenant == ANY else key.tenant,
        "scopes": sorted(key.scopes),
        "created": to_iso(key.created_us),
        "created_by": key.created_by,
        "expires": optional_iso(key.expires_us),
        "revoked": optional_iso(key.revoked_us),
        "replaces": key.replaces or None,
    }
