"""Laws of the audit: whatever is changed, dropped, moved or cut is found, and a backup keeps it whole."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, text, update

from fm_anomaly.errors import AuditError
from fm_anomaly.storage import Store, default_path, open_store, tables
from fm_anomaly.storage.audit import Deed, audit_page, hash_of, note_alone
from fm_anomaly.storage.audit_head import FILE_NAME, Heads, keep, read_heads, verify, write_heads

KEY = b"k" * 32
N = 7


def filled(store: Store, *tenants: str) -> None:
    for tenant in tenants:
        deeds = [Deed(at, "ann", "silence", f"s{at}", details={"reason": f"because {at}"}) for at in range(N)]
        note_alone(store, tenant, *deeds[:3])
        note_alone(store, tenant, *deeds[3:])


def problems(store: Store, heads: Heads | None) -> list[str]:
    return verify(store, heads).problems


def test_a_whole_chain_is_whole(store: Store, tmp_path: Path) -> None:
    """With the file beside the store and without; the file may be behind, for the store goes on."""
    filled(store, "shop", "other")
    heads = keep(store, tmp_path / FILE_NAME, KEY)
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o077 == 0
    note_alone(store, "shop", Deed(9, "bob", "ack", "a1"))
    found = verify(store, read_heads(tmp_path / FILE_NAME, KEY))
    assert (found.problems, found.n_rows, found.n_chains) == ([], 2 * N + 1, 2)
    assert problems(store, None) == []
    assert heads["shop"].audit_no == N
    assert keep(store, tmp_path / FILE_NAME, KEY)["shop"].audit_no == N + 1


def test_rows_are_read_newest_first(store: Store) -> None:
    """In pages that hold together, with how many there are."""
    filled(store, "shop")
    page = audit_page(store, "shop", limit=5)
    rest = audit_page(store, "shop", limit=5, cursor=page.next_cursor)
    assert [row.audit_no for row in page.items + rest.items] == list(range(N, 0, -1))
    assert (page.total, rest.total, rest.next_cursor) == (N, N, None)
    assert json.loads(page.items[0].details) == {"reason": f"because {N - 1}"}


FIELDS = ("at_us", "actor", "action", "subject", "outcome", "details", "before", "hash")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A SQLite store with two chains, and its heads; each example undoes what it did."""
    with open_store(tmp_path_factory.mktemp("audit") / "s.db") as store:
        filled(store, "shop", "other")
        with store.reading() as connection:
            rows = [dict(row._mapping) for row in connection.execute(tables.audit.select())]
            heads = [dict(row._mapping) for row in connection.execute(tables.heads.select())]
        yield store, keep(store, tmp_path_factory.mktemp("head") / FILE_NAME, KEY), rows, heads


@given(data=st.data())
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
def test_whatever_is_done_to_the_rows_is_found(whole: Any, data: st.DataObject) -> None:
    """One field changed, with its hash made anew or not; a row dropped, wherever, with the heads moved or not; two rows
    exchanged; a row added; the rest of the chain written anew from there; all chains cut."""
    store, remembered, rows, heads = whole
    tenant = data.draw(st.sampled_from(["shop", "other"]))
    mine = [row for row in rows if row["tenant"] == tenant]
    at = data.draw(st.integers(0, N - 1))
    kind = data.draw(st.sampled_from(["field", "rehashed", "drop", "cut", "cut_heads", "swap", "rewrite", "all"]))
    changed = [dict(row) for row in mine]
    if kind in ("field", "rehashed"):
        name = data.draw(st.sampled_from(FIELDS[:-1] if kind == "rehashed" else FIELDS))
        changed[at][name] = 77 if name == "at_us" else data.draw(st.text("abc", min_size=1, max_size=8))
        if kind == "rehashed":
            changed[at]["hash"] = hash_of(changed[at])
    elif kind == "drop":
        del changed[at]
    elif kind in ("cut", "cut_heads"):
        changed = changed[:at]
    elif kind == "swap":
        other = (at + 1) % N
        for name in FIELDS:
            changed[at][name], changed[other][name] = changed[other][name], changed[at][name]
    elif kind == "rewrite":
        changed[at]["actor"] = "eve"
        for row, before in zip(changed[at:], [changed[at]["before"], *[""] * N], strict=False):
            row["before"] = before or row["before"]
        for i in range(at, N):
            changed[i]["before"] = changed[i - 1]["hash"] if i else ""
            changed[i]["hash"] = hash_of(changed[i])
    else:
        changed = []
    try:
        with store.writing() as connection:
            connection.execute(delete(tables.audit).where(tables.audit.c.tenant == tenant))
            if changed:
                connection.execute(tables.audit.insert(), changed)
            if kind in ("cut_heads", "rewrite", "all"):
                last = changed[-1] if changed else {"audit_no": 0, "hash": ""}
                values = {"audit_no": last["audit_no"], "audit_hash": last["hash"]}
                connection.execute(update(tables.heads).where(tables.heads.c.tenant == tenant).values(values))
        assert problems(store, remembered), (kind, at)
    finally:
        with store.writing() as connection:
            connection.execute(delete(tables.audit))
            connection.execute(tables.audit.insert(), rows)
            connection.execute(delete(tables.heads))
            connection.execute(tables.heads.insert(), heads)
    assert problems(store, remembered) == []


def test_a_chain_that_is_gone_is_missed(store: Store, tmp_path: Path) -> None:
    """Rows and heads of a tenant: only the file remembers them, and it is not brought back to what is left."""
    filled(store, "shop", "other")
    path = tmp_path / FILE_NAME
    heads = keep(store, path, KEY)
    with store.writing() as connection:
        connection.execute(text("DELETE FROM audit WHERE tenant = 'shop'"))
        connection.execute(text("DELETE FROM heads WHERE tenant = 'shop'"))
    assert problems(store, heads)
    with pytest.raises(AuditError, match="had 7 rows, and has 0"):
        keep(store, path, KEY)
    assert read_heads(path, KEY) == heads


def test_the_file_is_ours_or_told(store: Store, tmp_path: Path) -> None:
    """Changed, damaged, or signed by another installation: never believed, never overwritten."""
    filled(store, "shop")
    path = tmp_path / FILE_NAME
    heads = keep(store, path, KEY)
    good = path.read_text()
    for bad in (good.replace('"audit_no": 7', '"audit_no": 3'), good[:50], "{}", "[]", good.replace("a", "b")):
        path.write_text(bad)
        with pytest.raises(AuditError):
            read_heads(path, KEY)
        with pytest.raises(AuditError):
            keep(store, path, KEY)
        assert path.read_text() == bad
    write_heads(path, b"x" * 32, heads)
    with pytest.raises(AuditError, match="another installation"):
        read_heads(path, KEY)


def test_a_backup_that_is_restored_is_whole(tmp_path: Path) -> None:
    """Taken while rows are written, the file first; an older store under a newer file is told."""
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
    with open_store(default_path(here)) as store:
        filled(store, "shop")
        keep(store, here / FILE_NAME, KEY)
        (there / FILE_NAME).write_bytes((here / FILE_NAME).read_bytes())
        note_alone(store, "shop", Deed(50, "bob", "ack", "a1"))
        source, target = sqlite3.connect(default_path(here)), sqlite3.connect(default_path(there))
        with source, target:
            source.backup(target)
        source.close()
        target.close()
        for at in range(3):
            note_alone(store, "shop", Deed(60 + at, "bob", "ack", "a1"))
        newer = keep(store, here / FILE_NAME, KEY)
    with open_store(default_path(there)) as restored:
        heads = read_heads(there / FILE_NAME, KEY)
        assert problems(restored, heads) == []
        assert keep(restored, there / FILE_NAME, KEY)["shop"].audit_no == N + 1
        assert any("missing at the end" in each for each in problems(restored, newer))
