"""Invitations tell what became of their mail; audit rows are chained, and neither changed nor deleted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

# What whoever has the file can drop again; it keeps programs from slips. The chain is what tells.
TRIGGERS = (
    """
    CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit WHEN OLD.mac <> ''
    BEGIN SELECT RAISE(ABORT, 'audit rows are not changed'); END
    """,
    """
    CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
    WHEN EXISTS (SELECT 1 FROM organizations WHERE id = OLD.org_id)
    BEGIN SELECT RAISE(ABORT, 'audit rows are not deleted'); END
    """,
)


def upgrade() -> None:
    """Apply."""
    op.add_column("invitations", sa.Column("sends", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("invitations", sa.Column("delivery", sa.String(), nullable=False, server_default="unsent"))
    op.add_column("invitations", sa.Column("delivery_note", sa.String(), nullable=False, server_default=""))
    op.add_column("audit", sa.Column("mac", sa.String(), nullable=False, server_default=""))
    if op.get_bind().dialect.name == "sqlite":
        for trigger in TRIGGERS:
            op.execute(trigger)
