"""How Alembic runs here: on the connection it is given, inside the transaction that connection has open."""

from __future__ import annotations

from typing import Any

from alembic import context
from sqlalchemy import String
from sqlalchemy.ext.compiler import compiles
from sqlmodel import SQLModel

import orgtui.store.sql.tables  # noqa: F401  (declares the tables on SQLModel.metadata)


@compiles(String, "postgresql")
def _by_code_points(kind: String, compiler: Any, **options: Any) -> str:
    """Text sorts as it does on SQLite, in whatever language the database was made."""
    return f'{compiler.visit_string(kind, **options)} COLLATE "C"'


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_as_batch=True,
    compare_type=True,
)
context.run_migrations()
