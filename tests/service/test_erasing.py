"""Laws of erasure: nothing of the tenant is left anywhere, everything of the others is, and the audit is whole."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import delete

from fm_anomaly.core.commands import Command, CommandKind
from fm_anomaly.errors import AuditError
from fm_anomaly.ingest.batches import Batch, Part
from fm_anomaly.service import Service, ServiceParams
from fm_anomaly.service.appending import TickParams
from fm_anomaly.service.erasing import erase_tenant
from fm_anomaly.storage import open_store, tables
from fm_anomaly.storage.audit import audit_page
from fm_anomaly.storage.audit_head import FILE_NAME, keep, read_heads, verify
from fm_anomaly.storage.erasing import rows_by_table
from fm_anomaly.storage.keys import Scope, create_key, key_of_secret
from fm_anomaly.storage.segments import SegmentParams
from tests.service.logs import minute

KEY = b"k" * 32
QUICK = ServiceParams(segments=SegmentParams(min_free_bytes=0), ticks=TickParams(after_entries_s=0.05, idle_s=0.2))
MARK = b"only-here-and-nowhere-else"


def fill(folder: Path) -> str:
    """Let two tenants send logs and say something; kill the service with their lines in the log. Return a secret."""
    with open_store(folder / "s.db") as store:
        service = Service(folder, store, QUICK)
        service.start()
        for tenant, word in (("shop", MARK), ("other", b"of-the-other-one")):
            data = minute(0).replace(b"cart handled", b"cart " + word + b" handled")
            parts = (Part("http/json/app", "app", data, data.count(b"\n")),)
            asyncio.run(service.submit(tenant, Batch("http", parts), f"batch of {tenant}"))
            said = Command(CommandKind.MARKER, tenant, "ann", 1, "", "", command_id=f"m-{tenant}", text=word.decode())
            asyncio.run(service.command(tenant, said))
        service.stop()
        # a second time, and the end of the process before it is worked on
        service = Service(folder, store, QUICK)
        service.start()
        data = minute(1).replace(b"mail handled", b"mail " + MARK + b" handled")
        asyncio.run(service.submit("shop", Batch("http", (Part("http/json/app", "app", data, data.count(b"\n")),))))
        service.worker.__dict__.update(_maybe_save=lambda: None, _save=lambda: None)
        service.stop()
        return create_key(store, "shop", "ann's", frozenset({Scope.READ}), by="ann", now_us=5)[1]


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_nothing_is_left_of_a_tenant(tmp_path: Path) -> None:
    """Not in the store, the log or the snapshots, nor of what waited; the others' rows and state are as they were."""
    secret = fill(tmp_path)
    with open_store(tmp_path / "s.db") as store:
        keep(store, tmp_path / FILE_NAME, KEY)
        others = rows_by_table(store, "other")
        assert key_of_secret(store, secret) is not None
        n = erase_tenant(tmp_path, store, "shop", QUICK, KEY, by="ann", now_us=9)
        assert n > 10
        assert rows_by_table(store, "shop") == {"api_keys": 1, "audit": 1, "heads": 1}
        assert {**rows_by_table(store, "other"), "services": 0} == {**others, "services": 0}
        assert key_of_secret(store, secret) is None
        (row,) = audit_page(store, "shop").items
        assert (row.actor, row.action, row.subject) == ("ann", "erased", "shop")
        assert verify(store, read_heads(tmp_path / FILE_NAME, KEY)).problems == []
        service = Service(tmp_path, store, QUICK)
        assert set(service.worker.applier.tenants) == {"other"}
        assert not list((tmp_path / "log").glob("*.seg"))
    left = everything(tmp_path)
    assert MARK not in left
    assert b"of-the-other-one" in left


def test_an_erasure_that_nobody_signed_is_found(tmp_path: Path) -> None:
    """Rows that were taken away with a row that says so: the file knows of no erasure. And where the audit is not
    whole, nothing is erased over it."""
    fill(tmp_path)
    with open_store(tmp_path / "s.db") as store:
        heads = keep(store, tmp_path / FILE_NAME, KEY)
        from fm_anomaly.storage.erasing import erase

        erase(store, "shop", by="eve", now_us=9)
        assert any("missing" in each for each in verify(store, heads).problems)
        with store.writing() as connection:
            connection.execute(delete(tables.heads).where(tables.heads.c.tenant == "shop"))
        with pytest.raises(AuditError):
            erase_tenant(tmp_path, store, "other", QUICK, KEY, by="ann", now_us=9)
        assert rows_by_table(store, "other")["markers"] == 1
