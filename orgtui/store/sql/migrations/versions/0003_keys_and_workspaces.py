"""Provider keys tell what checks found and when they were used; workspaces have logos, members, and an end."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Apply."""
    for column in (
        sa.Column("enabled", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.Column("checked_at", sa.BigInteger(), nullable=True),
        sa.Column("verdict", sa.String(), nullable=False, server_default="untested"),
        sa.Column("note", sa.String(), nullable=False, server_default=""),
    ):
        op.add_column("provider_keys", column)
    op.create_table(
        "provider_policies",
        sa.Column("org_id", sa.String(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("never_fall_back", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("org_id", "provider"),
    )
    for part in (
        sa.Column("logo", sa.LargeBinary(), nullable=True),
        sa.Column("icon", sa.LargeBinary(), nullable=True),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
    ):
        op.add_column("workspaces", part)
    there = sa.text("deleted_at IS NULL")
    op.drop_index("workspaces_name", "workspaces")
    op.create_index(
        "workspaces_name", "workspaces", ["org_id", "name_key"], unique=True, sqlite_where=there, postgresql_where=there
    )
    op.create_table(
        "workspace_members",
        sa.Column("org_id", sa.String(), nullable=False),
        sa.Column("workspace_id", sa.String(), nullable=False),
        sa.Column("email_key", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["org_id", "workspace_id"], ["workspaces.org_id", "workspaces.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("org_id", "workspace_id", "email_key"),
    )
