"""The one place where settings become a store: everything below receives what it needs."""

from __future__ import annotations

from orgtui.domain.ambient import Ambient
from orgtui.settings import Settings
from orgtui.store.sql.sqlite import SqliteDatabase
from orgtui.store.sql.store import SqlStore, open_sql_store


def database(settings: Settings) -> SqliteDatabase:
    """The database the settings name; nothing is opened yet."""
    return SqliteDatabase(settings.path)


def open_store(settings: Settings, ambient: Ambient) -> SqlStore:
    """Open the store for whoever acts."""
    return open_sql_store(database(settings), settings.actor, ambient)
