"""The second place of the audit: the number and hash of each chain's newest row, signed, in a file beside the store.

Whoever can write to the database alone can cut the last rows there, and the heads with them; here they still stand, and
only this installation's key signs them. The file is brought up to the store, never back: what contradicts it is told
and left for a person to judge. Knows no keys, commands or HTTP.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from sqlalchemy import Connection, select

from fm_anomaly.errors import AuditError
from fm_anomaly.storage import tables
from fm_anomaly.storage.audit import AuditRow, hash_of, rows_of
from fm_anomaly.storage.connection import Store
from fm_anomaly.storage.installation_key import is_signed, sign

FILE_NAME = "audit.head"
_SCHEMA = "fm-anomaly/audit-head/1"
_MAX_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class Head:
    """The newest row of a chain, and the last one that an erasure has taken away; 0 and "" where none was."""

    audit_no: int
    hash: str
    erased_no: int = 0
    erased_hash: str = ""


Heads = Mapping[str, Head]


@dataclass(slots=True)
class Verified:
    """What a check of all chains found; `problems` is empty where nothing is wrong."""

    n_rows: int = 0
    n_chains: int = 0
    has_file: bool = False
    problems: list[str] = field(default_factory=list)

    def tell(self, problem: str) -> None:
        """Add a problem, within reason."""
        if len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(problem)


def read_heads(path: Path, key: bytes) -> Heads | None:
    """Return what the file holds, None where there is none.

    Raises AuditError where it cannot be read, or was signed by another key.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise AuditError(f"{path} cannot be read: {exc.strerror}") from exc
    try:
        told = json.loads(text)
        signed, signature = told["heads"], told["signature"]
        heads = {tenant: Head(**head) for tenant, head in signed.items()}
        is_ours = told["schema"] == _SCHEMA and is_signed(key, _signed(signed), signature)
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise AuditError(f"{path} is damaged: restore it together with the store") from exc
    if not is_ours:
        raise AuditError(
            f"{path} was changed, or signed by another installation's key (fm-anomaly/model.key in the configuration "
            "folder): restore that key, or accept it with fm-anomaly audit verify --accept REASON"
        )
    return heads


def write_heads(path: Path, key: bytes, heads: Heads) -> None:
    """Write the file aside and rename it, synced. Raises AuditError."""
    plain = {tenant: asdict(heads[tenant]) for tenant in sorted(heads)}
    told = {"schema": _SCHEMA, "heads": plain, "signature": sign(key, _signed(plain))}
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(told, file)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as exc:
        raise AuditError(f"{path} cannot be written: {exc.strerror}") from exc


def keep(store: Store, path: Path, key: bytes) -> Heads:
    """Bring the file up to the store; return what it holds now.

    Raises AuditError, and leaves it as it is, where a chain does not go on from what the file remembers; StoreError.
    """
    known = read_heads(path, key)
    before = known or {}
    with store.reading() as connection:
        now = stored_heads(connection, before)
        if now == known:
            return now
        for tenant, head in before.items():
            if (problem := _contradiction(connection, tenant, head, now.get(tenant))) is not None:
                raise AuditError(f"{problem}; see fm-anomaly audit verify")
    write_heads(path, key, now)
    return now


def stored_heads(connection: Connection, before: Heads) -> dict[str, Head]:
    """Return the heads as the store has them; what was erased as the file has it."""
    table = tables.heads
    query = select(table.c.tenant, table.c.audit_no, table.c.audit_hash).where(table.c.audit_no > 0)
    return {
        row.tenant: Head(row.audit_no, row.audit_hash, *_erased(before.get(row.tenant)))
        for row in connection.execute(query)
    }


def verify(store: Store, heads: Heads | None) -> Verified:
    """Check every row of every chain, and against `heads` of the file that none is missing at the end.

    Read the file first: the store may be ahead of it, never behind. Raises StoreError.
    """
    found = Verified(has_file=heads is not None)
    remembered = heads or {}
    with store.reading() as connection:
        stored = stored_heads(connection, remembered)
        in_rows = connection.scalars(select(tables.audit.c.tenant).distinct())
        for tenant in sorted({*stored, *remembered, *in_rows}):
            found.n_chains += 1
            _verify_chain(connection, tenant, stored.get(tenant), remembered.get(tenant), found)
    return found


def _verify_chain(
    connection: Connection, tenant: str, stored: Head | None, remembered: Head | None, found: Verified
) -> None:
    last, before = _erased(remembered)
    for row in rows_of(connection, tenant):
        found.n_rows += 1
        _verify_row(row, last, before, remembered, found)
        last, before = row.audit_no, row.hash
    if remembered is not None and remembered.audit_no > last:
        found.tell(f"{tenant}: rows {last + 1} to {remembered.audit_no} are missing at the end")
    if stored is None or (stored.audit_no, stored.hash) != (last, before):
        told = "nothing" if stored is None else f"row {stored.audit_no}"
        found.tell(f"{tenant}: the last row is {last}, and the store's heads say {told}")


def _verify_row(row: AuditRow, last: int, before: str, remembered: Head | None, found: Verified) -> None:
    where = f"{row.tenant}: row {row.audit_no}"
    if row.audit_no != last + 1:
        found.tell(f"{row.tenant}: rows {last + 1} to {row.audit_no - 1} are missing")
    elif row.before != before:
        found.tell(f"{where} does not follow the row before it: one of them was changed or moved")
    if hash_of(asdict(row)) != row.hash:
        found.tell(f"{where} was changed")
    if remembered is not None and row.audit_no == remembered.audit_no and row.hash != remembered.hash:
        found.tell(f"{where} is another one than {FILE_NAME} remembers")


def _contradiction(connection: Connection, tenant: str, before: Head, now: Head | None) -> str | None:
    if now is None or now.audit_no < before.audit_no:
        return f"{tenant}: the audit had {before.audit_no} rows, and has {0 if now is None else now.audit_no}"
    table = tables.audit
    query = select(table.c.hash).where(table.c.tenant == tenant, table.c.audit_no == before.audit_no)
    if before.audit_no > before.erased_no and connection.scalar(query) != before.hash:
        return f"{tenant}: row {before.audit_no} of the audit is another one than it was"
    return None


def _erased(head: Head | None) -> tuple[int, str]:
    return (0, "") if head is None else (head.erased_no, head.erased_hash)


def _signed(plain: Mapping[str, object]) -> bytes:
    return json.dumps(plain, sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode("ascii")
