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
_POSTGRES = (
    """
    CREATE FUNCTION audit_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'UPDATE' THEN
            RAISE EXCEPTION 'audit rows are not changed';
        ELSIF TG_OP = 'TRUNCATE' OR EXISTS (SELECT 1 FROM organizations WHERE id = OLD.org_id) THEN
            RAISE EXCEPTION 'audit rows are not deleted';
        END IF;
        RETURN OLD;
    END $$
    """,
    """
    CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
    FOR EACH ROW WHEN (OLD.mac <> '') EXECUTE FUNCTION audit_is_kept()
    """,
    "CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_is_kept()",
    "CREATE TRIGGER audit_is_not_emptied BEFORE TRUNCATE ON audit EXECUTE FUNCTION audit_is_kept()",
)


def upgrade() -> None:
    """Apply."""
    op.add_column("invitations", sa.Column("sends", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("invitations", sa.Column("delivery", sa.String(), nullable=False, server_default="unsent"))
    op.add_column("invitations", sa.Column("delivery_note", sa.String(), nullable=False, server_default=""))
    op.add_column("audit", sa.Column("mac", sa.String(), nullable=False, server_default=""))
    for statement in TRIGGERS if op.get_bind().dialect.name == "sqlite" else _POSTGRES:
        op.execute(statement)
