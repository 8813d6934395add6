"""`keys`, `audit` and `erase` on a data folder: what is printed can be used, and what cannot be done is a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import update

from fm_anomaly.cli import main
from fm_anomaly.storage import default_path, open_store, tables
from fm_anomaly.storage.keys import ANY, Scope, key_of_secret


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(words)
    told = capsys.readouterr()
    return code, told.out, told.err


def test_a_keys_life(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Made, listed, rotated, revoked; the secret alone on stdout, once; the audit is whole after each step."""
    at = ("--data", str(tmp_path / "d"))
    create = ("keys", "create", "--name", "vector", "--scope", "ingest", "--scope", "read", "--expires", "90d", *at)
    code, secret, told = said(capsys, *create)
    assert (code, "first key" in told) == (0, True)
    with open_store(default_path(tmp_path / "d")) as store:
        key = key_of_secret(store, secret.strip())
        assert key is not None
        assert (key.tenant, key.scopes) == ("default", {Scope.INGEST, Scope.READ})
    code, other, told = said(capsys, "keys", "create", "--name", "p", "--scope", "read", "--any-tenant", *at)
    assert "first key" not in told
    listed = said(capsys, "keys", "list", *at)[1]
    assert key.key_id in listed
    assert "any tenant" in listed
    assert secret.strip() not in listed
    renewed = said(capsys, "keys", "rotate", key.key_id, "--overlap", "0s", *at)[1].strip()
    assert renewed.startswith("fma_")
    assert renewed != secret.strip()
    assert said(capsys, "keys", "revoke", other.strip().rpartition("_")[0], *at)[0] == 0
    assert "revoked" in said(capsys, "keys", "list", *at)[1]
    assert "key_rotated" in said(capsys, "audit", "show", *at)[1]
    assert "key_revoked" in said(capsys, "audit", "show", "--tenant", ANY, *at)[1]
    both = said(capsys, "audit", "show", *at)[1].splitlines()
    assert [line.split()[1] for line in both] == [ANY, "default", ANY, "default"]
    assert len(said(capsys, "audit", "show", "--limit", "3", *at)[1].splitlines()) == 3
    code, told, _ = said(capsys, "audit", "verify", *at)
    assert (code, told) == (0, "whole: 4 rows of 2 tenants\n")


def test_what_is_not_whole_is_told_and_can_be_accepted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 3 with the row; a cut that is accepted is noted, and whole from then on."""
    at = ("--data", str(tmp_path))
    for name in ("a", "b", "c"):
        said(capsys, "keys", "create", "--name", name, "--scope", "read", *at)
    with open_store(default_path(tmp_path)) as store, store.writing() as connection:
        audit, heads = tables.audit, tables.heads
        connection.execute(audit.delete().where(audit.c.audit_no == 3))
        before = connection.execute(audit.select().where(audit.c.audit_no == 2)).one()
        connection.execute(update(heads).values(audit_no=2, audit_hash=before.hash))
    code, told, _ = said(capsys, "audit", "verify", *at)
    assert (code, "rows 3 to 3 are missing at the end" in told) == (3, True)
    assert said(capsys, "audit", "verify", "--accept", "restored", *at)[0] == 0
    assert said(capsys, "audit", "verify", *at)[0] == 0
    assert "audit_accepted" in said(capsys, "audit", "show", "--tenant", ANY, *at)[1]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("keys", "list", "--data", "absent"), "no store in absent"),
        (("keys", "create", "--name", "x", "--scope", "root", "--data", "new"), "ingest, read, operate, admin"),
        (("keys", "create", "--name", "x", "--scope", "read", "--expires", "soon", "--data", "new"), "90d"),
        (("keys", "create", "--name", "x", "--scope", "read", "--tenant", "a/b", "--data", "new"), "a/b"),
        (("audit", "verify", "--data", "absent"), "no store in absent"),
        (("erase", "shop", "--data", "absent"), "no store in absent"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    told: str,
) -> None:
    """With the value and the next step."""
    monkeypatch.chdir(tmp_path)
    code, _, problem = said(capsys, *words)
    assert code == 2
    assert told in problem


def test_erasing_asks_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --yes it says what there is and erases nothing; with it the audit is whole."""
    at = ("--data", str(tmp_path))
    said(capsys, "keys", "create", "--name", "x", "--scope", "read", "--tenant", "shop", *at)
    code, told, note = said(capsys, "erase", "shop", *at)
    assert (code, "1 api_keys" in told, "--yes" in note) == (0, True, True)
    assert said(capsys, "erase", "shop", "--yes", *at)[0] == 0
    assert "erased" in said(capsys, "audit", "show", "--tenant", "shop", *at)[1]
    assert said(capsys, "audit", "verify", *at)[0] == 0
