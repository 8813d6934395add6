"""Version 3: alerts and incidents carry the group and the category of their error, and which model said so."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_COLUMNS = (
    ("group_id", 32),
    ("group_name", None),
    ("category_id", 32),
    ("category_name", None),
    ("category_model", 32),
)


def upgrade() -> None:
    """Bring the tables from 0002 to 0003."""
    for table in ("alerts", "incidents"):
        for name, length in _COLUMNS:
            kind = sa.Text() if length is None else sa.String(length)
            op.add_column(table, sa.Column(name, kind, nullable=False, server_default=""))
    op.create_index("alerts_by_category", "alerts", ["tenant", "category_id", "start_us"])
