"""Version 4: keys, and the audit as a chain of rows; what people did before is told by `commands` still."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def _text(name: str, length: int | None = None) -> sa.Column[str]:
    kind = sa.Text() if length is None else sa.String(length)
    return sa.Column(name, kind, nullable=False, server_default="")


def upgrade() -> None:
    """Bring the tables from 0003 to 0004."""
    op.create_table(
        "api_keys",
        sa.Column("tenant", sa.String(128), primary_key=True),
        sa.Column("key_id", sa.String(32), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        _text("created_by"),
        sa.Column("expires_us", sa.BigInteger),
        sa.Column("revoked_us", sa.BigInteger),
        _text("revoked_by"),
        _text("replaces", 32),
    )
    op.create_index("api_keys_by_digest", "api_keys", ["digest"])
    op.create_table(
        "audit",
        sa.Column("tenant", sa.String(128), primary_key=True),
        sa.Column("audit_no", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("actor", "action", "subject", "outcome", "details")),
        *(sa.Column(name, sa.String(64), nullable=False) for name in ("before", "hash")),
    )
    op.add_column("heads", sa.Column("audit_no", sa.BigInteger, nullable=False, server_default=sa.text("0")))
    op.add_column("heads", _text("audit_hash", 64))
