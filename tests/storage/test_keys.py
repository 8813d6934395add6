"""Laws of keys: what is kept opens nothing, and every change is in the audit."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from fm_anomaly.errors import UsageError
from fm_anomaly.storage import Store
from fm_anomaly.storage.audit import audit_page
from fm_anomaly.storage.keys import (
    ANY,
    Scope,
    create_key,
    find_key,
    has_keys,
    is_secret,
    key_of_secret,
    keys_of,
    revoke_key,
    rotate_key,
    scopes_of,
)

READ = frozenset({Scope.READ})
DAY_US = 86_400_000_000


def test_the_secret_is_kept_nowhere(store: Store) -> None:
    """Only its digest is: the key is found by the secret, and no column holds a part of it but the id."""
    made, secret = create_key(store, "shop", "grafana", READ, by="ann", now_us=1)
    assert is_secret(secret)
    assert secret.startswith(f"{made.key_id}_")
    assert len(secret.rpartition("_")[2]) == 52
    assert key_of_secret(store, secret) == made == find_key(store, made.key_id)
    assert key_of_secret(store, secret + "x") is None
    with store.reading() as connection:
        for table in ("api_keys", "audit"):
            rows = connection.execute(text(f"SELECT * FROM {table}")).all()  # noqa: S608
            assert rows
            assert secret.rpartition("_")[2] not in str(rows)


def test_rotation_keeps_name_scopes_and_length_of_life(store: Store) -> None:
    """The old key ends after the overlap, or at its own end where that is sooner."""
    old, _ = create_key(store, "shop", "grafana", READ, by="ann", now_us=0, expires_us=10 * DAY_US)
    new, _, ends_us = rotate_key(store, "shop", old.key_id, by="bob", now_us=4 * DAY_US, overlap_us=DAY_US)
    assert (new.name, new.scopes, new.tenant, new.replaces) == (old.name, old.scopes, "shop", old.key_id)
    assert (new.expires_us, ends_us) == (14 * DAY_US, 5 * DAY_US)
    gone = find_key(store, old.key_id)
    assert gone is not None
    assert (gone.is_live(5 * DAY_US - 1), gone.is_live(5 * DAY_US)) == (True, False)
    _, _, ends_us = rotate_key(store, "shop", new.key_id, by="bob", now_us=13 * DAY_US, overlap_us=9 * DAY_US)
    assert ends_us == 14 * DAY_US
    with pytest.raises(UsageError, match="expired"):
        rotate_key(store, "shop", old.key_id, by="bob", now_us=20 * DAY_US, overlap_us=0)


def test_every_change_is_in_the_audit(store: Store) -> None:
    """With who, when and on which key, in the tenant's own; a change that is refused adds nothing."""
    made, _ = create_key(store, "shop", "grafana", READ, by="ann", now_us=1)
    new, _, _ = rotate_key(store, "shop", made.key_id, by="bob", now_us=2, overlap_us=0)
    revoke_key(store, "shop", new.key_id, by="cal", now_us=3)
    with pytest.raises(UsageError, match="revoked already"):
        revoke_key(store, "shop", new.key_id, by="cal", now_us=4)
    with pytest.raises(UsageError, match="no key"):
        revoke_key(store, "other", made.key_id, by="cal", now_us=4)
    told = [(row.at_us, row.actor, row.action, row.subject) for row in audit_page(store, "shop").items]
    assert told == [
        (3, "cal", "key_revoked", new.key_id),
        (2, "bob", "key_rotated", new.key_id),
        (1, "ann", "key_created", made.key_id),
    ]
    assert audit_page(store, "other").items == ()


def test_keys_are_listed_by_tenant(store: Store) -> None:
    """One's own, or also those that may choose."""
    assert not has_keys(store)
    for tenant in ("shop", "other", ANY):
        create_key(store, tenant, tenant, READ, by="ann", now_us=1)
    assert [key.tenant for key in keys_of(store, ["shop"])] == ["shop"]
    assert {key.tenant for key in keys_of(store)} == {"shop", "other", ANY}
    assert has_keys(store, "shop")
    assert not has_keys(store, "third")


@pytest.mark.parametrize(
    ("tenant", "name", "told"),
    [("a b", "x", "a b"), ("", "x", "tenant"), ("shop", " ", "name"), ("shop", "a\nb", "name")],
)
def test_what_cannot_be_used_is_refused(store: Store, tenant: str, name: str, told: str) -> None:
    """A tenant or a name that cannot be shown, an end that has been, a scope that is none."""
    with pytest.raises(UsageError, match=told):
        create_key(store, tenant, name, READ, by="ann", now_us=1)
    with pytest.raises(UsageError, match="expired already"):
        create_key(store, "shop", "x", READ, by="ann", now_us=5, expires_us=5)
    with pytest.raises(UsageError, match="ingest, read, operate, admin"):
        scopes_of(["root"])
    assert not has_keys(store)
