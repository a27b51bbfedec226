"""How Alembic runs here: on the connection it is given, inside the transaction that connection has open."""

from __future__ import annotations

from alembic import context
from sqlmodel import SQLModel

import orgtui.store.sql.tables  # noqa: F401  (declares the tables on SQLModel.metadata)

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_as_batch=True,
    compare_type=True,
)
context.run_migrations()
